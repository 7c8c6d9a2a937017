package keycask_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"keycask.dev/go/keycask"
)

// Fails where err is none of these.
func mayBe(t *testing.T, err error, statuses ...keycask.Status) {
	t.Helper()
	var told *keycask.Error
	if !errors.As(err, &told) || !slices.Contains(statuses, told.Status) || told.Message == "" {
		t.Fatalf("%#v", err)
	}
}

func FuzzDecrypt(f *testing.F) {
	store := open(f)
	token := must(store.Encrypt("alice", "sk-acme"))
	f.Add("alice", token)
	f.Add("alice", token[3:])
	f.Add("alice", token+"\n")
	f.Add("alice", token[:len(token)-5])
	f.Add("bob", token)
	f.Fuzz(func(t *testing.T, user, token string) {
		secret, err := store.Decrypt(user, token)
		if err != nil {
			mayBe(t, err, keycask.ErrArgument, keycask.ErrLimit, keycask.ErrFormat, keycask.ErrUnsupported, keycask.ErrUnknownUser,
				keycask.ErrAuthentication)
		} else if secret.Expose() != "sk-acme" {
			t.Fatalf("%q opens to %q", token, secret.Expose())
		}
		appended, failed := store.AppendDecrypt([]byte("before "), user, []byte(token))
		if (failed == nil) != (err == nil) || string(appended) != "before "+secret.Expose() {
			t.Fatalf("%q is appended as %q, %v", token, appended, failed)
		}
		if _, strictly := store.Decrypt(user, token, keycask.Strict); strictly == nil && err != nil {
			t.Fatalf("%q opens strictly alone", token)
		}
	})
}

func FuzzOpen(f *testing.F) {
	for _, name := range []string{"reference.db", "damaged.db"} {
		f.Add("keys.db", make([]byte, 32), uint32(0), must(os.ReadFile(filepath.Join(folder, name))))
	}
	made := filepath.Join(f.TempDir(), "keys.db")
	store := openAt(f, made)
	_ = must(store.Encrypt("alice", "sk-acme"))
	_ = store.Close()
	f.Add("keys.db", masterKey(1).Bytes(), uint32(1), must(os.ReadFile(made)))
	f.Fuzz(func(t *testing.T, location string, key []byte, users uint32, file []byte) {
		t.Chdir(t.TempDir())
		if err := os.WriteFile("keys.db", file, 0o600); err != nil {
			t.Fatal(err)
		}
		var keys []keycask.Secret
		for len(key) >= keycask.KeySize {
			keys, key = append(keys, keycask.NewSecret(key[:keycask.KeySize])), key[keycask.KeySize:]
		}
		// Nothing is made at a path that the fuzzer invents.
		store, err := keycask.Open(location, keycask.WithMasterKeys(keys...), keycask.WithCacheUsers(users), keycask.WithMustExist())
		if err != nil {
			mayBe(t, err, keycask.ErrArgument, keycask.ErrLimit, keycask.ErrMasterKeyMissing, keycask.ErrMasterKeyWrong,
				keycask.ErrNotFound, keycask.ErrReadOnly, keycask.ErrIO, keycask.ErrCorrupt, keycask.ErrUnsupported, keycask.ErrBusy)
			return
		}
		defer store.Close()
		// What opens can be worked with, whatever is in it.
		if _, err := store.Check(); err != nil {
			mayBe(t, err, keycask.ErrCorrupt, keycask.ErrIO, keycask.ErrReadOnly, keycask.ErrUnsupported, keycask.ErrBusy)
		}
		for user, err := range store.Users(context.Background()) {
			if err != nil {
				mayBe(t, err, keycask.ErrCorrupt, keycask.ErrIO, keycask.ErrReadOnly, keycask.ErrUnsupported, keycask.ErrBusy)
			} else if _, err := store.Decrypt(user.Name, "v2:"); err == nil {
				t.Fatal("an empty token opens")
			}
		}
	})
}
