package keycask_test

import (
	"testing"

	"keycask.dev/go/keycask"
)

func FuzzDecrypt(f *testing.F) {
	store := open(f)
	f.Add("alice", must(store.Encrypt("alice", "sk-acme")))
	f.Add("alice", "v2:")
	f.Add("\x00", "v2:AAAA\n")
	f.Add("", "sk-plaintext")
	f.Fuzz(func(t *testing.T, user, token string) {
		secret, err := store.Decrypt(user, token)
		if err == nil && secret.Expose() != "sk-acme" {
			t.Fatalf("%q opens to %q", token, secret.Expose())
		}
	})
}

func FuzzOpen(f *testing.F) {
	f.Add(":memory:", []byte(nil), uint32(0))
	f.Add("", make([]byte, 32), uint32(1))
	f.Add("redis://somewhere", make([]byte, 64), uint32(2))
	f.Fuzz(func(t *testing.T, location string, key []byte, users uint32) {
		t.Chdir(t.TempDir())
		var keys []keycask.Secret
		for len(key) >= keycask.KeySize {
			keys, key = append(keys, keycask.NewSecret(key[:keycask.KeySize])), key[keycask.KeySize:]
		}
		// Nothing is made at a path that the fuzzer invents.
		store, err := keycask.Open(location, keycask.WithMasterKeys(keys...), keycask.WithCacheUsers(users), keycask.WithMustExist())
		if err == nil {
			_ = store.Close()
		}
	})
}
