//go:build cgo

package keycask

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"unsafe"
)

const redacted = "[redacted]"

// A Secret is a plaintext, a raw key, a master key or its text. However it is printed, logged or marshalled, it says
// [redacted], and it shows nothing as a field of what is printed, where fmt asks no method: what it holds is had by
// [Secret.Expose] and [Secret.Bytes] alone. Copies share their bytes. It is not comparable.
type Secret struct {
	_     [0]func()
	bytes *byte // No slice, which fmt would print.
	size  int
}

// NewSecret makes a secret of a copy of the bytes.
func NewSecret(bytes []byte) Secret { return owned(append([]byte{}, bytes...)) }

// Takes over bytes that nobody else has.
func owned(bytes []byte) Secret { return Secret{bytes: unsafe.SliceData(bytes), size: len(bytes)} }

// Expose is the secret as a string, which nothing can wipe.
func (s Secret) Expose() string { return string(s.Bytes()) }

// Bytes are the secret's own, until it is wiped.
func (s Secret) Bytes() []byte { return unsafe.Slice(s.bytes, s.size) }

// Wipe overwrites the secret, in all copies of it.
func (s Secret) Wipe() { wipe(s.Bytes()) }

// Format keeps the secret out of every verb of fmt.
func (Secret) Format(to fmt.State, _ rune) { _, _ = io.WriteString(to, redacted) }

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

// Overwrites bytes in a way that the compiler does not leave out.
func wipe(bytes []byte) {
	clear(bytes)
	runtime.KeepAlive(unsafe.SliceData(bytes))
}
