package keycask_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"

	"keycask.dev/go/keycask"
)

// A user's API key of the usual length.
var apiKey = "sk-" + strings.Repeat("a", 48)

func BenchmarkKeycaskEncrypt(b *testing.B) {
	store := open(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := store.Encrypt("alice", apiKey); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKeycaskDecrypt(b *testing.B) {
	store := open(b)
	token := must(store.Encrypt("alice", apiKey))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := store.Decrypt("alice", token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKeycaskAppendEncrypt(b *testing.B) {
	store := open(b)
	room, plaintext := make([]byte, 0, 512), []byte(apiKey)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := store.AppendEncrypt(room, "alice", plaintext); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKeycaskAppendDecrypt(b *testing.B) {
	store := open(b)
	token := []byte(must(store.Encrypt("alice", apiKey)))
	room := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := store.AppendDecrypt(room, "alice", token); err != nil {
			b.Fatal(err)
		}
	}
}

// What a Go program would write instead, with the user's cipher at hand.
func goEncrypt(aead cipher.AEAD, plaintext string) string {
	sealed := make([]byte, 12, 12+len(plaintext)+16)
	_, _ = rand.Read(sealed)
	return "v2:" + base64.URLEncoding.EncodeToString(aead.Seal(sealed, sealed, []byte(plaintext), nil))
}

func goDecrypt(aead cipher.AEAD, token string) ([]byte, error) {
	sealed, err := base64.URLEncoding.DecodeString(strings.TrimPrefix(token, "v2:"))
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, sealed[:12], sealed[12:], nil)
}

func goCipher() cipher.AEAD {
	return must(cipher.NewGCM(must(aes.NewCipher(make([]byte, 32)))))
}

func BenchmarkGoEncrypt(b *testing.B) {
	aead := goCipher()
	b.ReportAllocs()
	for b.Loop() {
		goEncrypt(aead, apiKey)
	}
}

func BenchmarkGoDecrypt(b *testing.B) {
	aead := goCipher()
	token := goEncrypt(aead, apiKey)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := goDecrypt(aead, token); err != nil {
			b.Fatal(err)
		}
	}
}

func open(t testing.TB, opts ...keycask.Option) *keycask.Store {
	t.Helper()
	store, err := keycask.Open(":memory:", append([]keycask.Option{keycask.WithMasterKeys(masterKey(1))}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func masterKey(number byte) keycask.Secret {
	return keycask.NewSecret(bytes.Repeat([]byte{number}, keycask.KeySize))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
