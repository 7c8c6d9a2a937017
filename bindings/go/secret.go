package keycask

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// A Secret is a plaintext, a raw key or a master key's text. However it is printed, logged or marshalled, it says
// [redacted]: what it holds is had by [Secret.Expose] and [Secret.Bytes] alone. Copies share their bytes.
type Secret struct{ bytes []byte }

// Expose is the secret as a string, which nothing can wipe.
func (s Secret) Expose() string { return string(s.bytes) }

// Bytes are the secret's own, until it is wiped.
func (s Secret) Bytes() []byte { return s.bytes }

// Wipe overwrites the secret, in all copies of it.
func (s Secret) Wipe() { clear(s.bytes) }

// Format keeps the secret out of every verb of fmt.
func (Secret) Format(to fmt.State, _ rune) { redact(to) }

// String is [redacted].
func (Secret) String() string { return redacted }

// GoString is [redacted].
func (Secret) GoString() string { return redacted }

// MarshalJSON is "[redacted]".
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText is [redacted].
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue is [redacted].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

func redact(to fmt.State) { _, _ = io.WriteString(to, redacted) }
