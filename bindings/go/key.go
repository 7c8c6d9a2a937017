package keycask

// #include "calls.h"
import "C"

import (
	"runtime"
	"sync/atomic"
)

// A Key is a user's, the pool's, or one of the caller's own. One that came from a store ends when the store is closed.
type Key struct {
	handle  *C.kc_key // A ticket, as a store's.
	store   *Store    // Where it came from, which must not be collected before it; nil: from nowhere.
	closed  atomic.Bool
	cleanup runtime.Cleanup
}

func newKey(handle *C.kc_key, store *Store) *Key {
	key := &Key{handle: handle, store: store}
	key.cleanup = runtime.AddCleanup(key, freeKey, handle)
	return key
}

func freeKey(handle *C.kc_key) { C.kc_go_free_key(handle) }

// Key is a user's key, for many values of theirs. It follows the user's current key.
func (s *Store) Key(user string, flags ...Flag) (*Key, error) {
	var handle *C.kc_key
	var cause C.kc_error
	all := joined(flags)
	status := C.kc_go_user_key(s.handle, chars(user), C.size_t(len(user)), C.uint32_t(all|CachedOnly), &handle, &cause)
	if status == C.KC_E_WOULD_BLOCK && all&CachedOnly == 0 {
		s.waiting.enter()
		status = C.kc_go_user_key(s.handle, chars(user), C.size_t(len(user)), C.uint32_t(all), &handle, &cause)
		s.waiting.leave()
	}
	runtime.KeepAlive(s)
	if status < 0 {
		return nil, failure("user key", &cause)
	}
	return newKey(handle, s), nil
}

// PoolKey is the key for values that belong to no single user.
func (s *Store) PoolKey() (*Key, error) {
	var handle *C.kc_key
	var cause C.kc_error
	s.waiting.enter()
	status := C.kc_pool_key(s.handle, &handle, &cause)
	s.waiting.leave()
	runtime.KeepAlive(s)
	if status < 0 {
		return nil, failure("pool key", &cause)
	}
	return newKey(handle, s), nil
}

// ImportKey makes a key of KeySize bytes of the caller's own, which are copied.
func ImportKey(raw []byte) (*Key, error) {
	var handle *C.kc_key
	var cause C.kc_error
	if C.kc_key_import(address(raw), C.size_t(len(raw)), &handle, &cause) < 0 {
		return nil, failure("import a key", &cause)
	}
	return newKey(handle, nil), nil
}

// Export gives the key's bytes. Whoever has them opens every token made under it.
func (k *Key) Export() (Secret, error) {
	raw := make([]byte, KeySize)
	var cause C.kc_error
	status := C.kc_key_export(k.handle, address(raw), C.size_t(len(raw)), nil, &cause)
	runtime.KeepAlive(k)
	if status < 0 {
		return Secret{}, failure("export a key", &cause)
	}
	return owned(raw), nil
}

// Close ends the key. To close it again does nothing.
func (k *Key) Close() error {
	if k.closed.Swap(true) {
		return nil
	}
	k.cleanup.Stop()
	freeKey(k.handle)
	return nil
}

// Encrypt encrypts a secret to a token.
func (k *Key) Encrypt(plaintext string, flags ...Flag) (string, error) {
	var room [short]byte
	made, err := k.AppendEncrypt(room[:0], view(plaintext), flags...)
	return string(made), err
}

// AppendEncrypt appends the token to dst, and allocates nothing where there is room.
func (k *Key) AppendEncrypt(dst, plaintext []byte, flags ...Flag) ([]byte, error) {
	call := k.request(keyEncrypt, plaintext, flags)
	dst, _, err := call.appendTo(dst)
	runtime.KeepAlive(k)
	return dst, err
}

// Decrypt decrypts a token made under this key.
func (k *Key) Decrypt(token string, flags ...Flag) (Secret, error) {
	var room [short]byte
	plaintext, err := k.AppendDecrypt(room[:0], view(token), flags...)
	return secretOf(plaintext, err), err
}

// AppendDecrypt appends the plaintext to dst, as a store's does.
func (k *Key) AppendDecrypt(dst, token []byte, flags ...Flag) ([]byte, error) {
	call := k.request(keyDecrypt, token, flags)
	dst, _, err := call.appendTo(dst)
	runtime.KeepAlive(k)
	return dst, err
}

func (k *Key) request(what work, input []byte, flags []Flag) request {
	call := request{what: what, key: k.handle, input: input, flags: joined(flags)}
	if k.store != nil {
		call.waiting = k.store.waiting
	}
	return call
}
