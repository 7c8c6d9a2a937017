package keycask

// #include "calls.h"
import "C"

import (
	"runtime"
	"sync/atomic"
	"time"
)

// A Store is an open key store.
type Store struct {
	handle  *C.kc_store // A ticket: no address, and harmless once it is stale.
	waiting waitingRoom
	closed  atomic.Bool
	cleanup runtime.Cleanup
}

// An Option says how a store is opened.
type Option func(*opening)

type opening struct {
	keys    []byte
	options C.kc_options
}

// WithMasterKeys gives the master keys, of KeySize bytes each, the current one first. Without it they are those of
// API_KEY_MASTER_KEY and API_KEY_MASTER_KEY_PREVIOUS, or of the files that API_KEY_MASTER_KEY_FILE and
// API_KEY_MASTER_KEY_PREVIOUS_FILE name.
func WithMasterKeys(keys ...Secret) Option {
	return func(o *opening) {
		o.keys = make([]byte, 0, len(keys)*KeySize)
		for _, key := range keys {
			if key.size != KeySize {
				wipe(o.keys)
				o.keys = append([]byte{}, key.Bytes()...) // Alone, to be refused: beside others it might seem in order.
				return
			}
			o.keys = append(o.keys, key.Bytes()...)
		}
	}
}

// WithReadOnly never writes, not even to roll back what a crashed program left.
func WithReadOnly() Option { return func(o *opening) { o.options.flags |= C.KC_OPEN_READ_ONLY } }

// WithMustExist is ErrNotFound rather than make a store that is missing.
func WithMustExist() Option { return func(o *opening) { o.options.flags |= C.KC_OPEN_MUST_EXIST } }

// WithSnapshots is for a process that will be snapshotted, and resumed more than once.
func WithSnapshots() Option { return func(o *opening) { o.options.flags |= C.KC_OPEN_SNAPSHOTS } }

// WithUnlocked has this process, from now on, lock no memory for keys (mlock).
func WithUnlocked() Option { return func(o *opening) { o.options.flags |= C.KC_OPEN_UNLOCKED } }

// WithBusyTimeout says how long a call waits for other programs' locks; 5 s by default, 0: not at all.
func WithBusyTimeout(timeout time.Duration) Option {
	return func(o *opening) {
		o.options.busy_timeout_ms = C.KC_NONE
		if timeout > 0 {
			o.options.busy_timeout_ms = C.uint32_t(min(max(timeout.Milliseconds(), 1), C.KC_NONE-1))
		}
	}
}

// WithCacheUsers says how many users' keys are kept unwrapped; 65,536 by default, 0: none.
func WithCacheUsers(users uint32) Option {
	return func(o *opening) {
		o.options.cache_users = C.KC_NONE
		if users > 0 {
			o.options.cache_users = C.uint32_t(users)
		}
	}
}

// Open opens the key store at a location, the path of an SQLite file or ":memory:", and makes it where it is missing.
// The wrong master key is refused here, before anything is written: ErrMasterKeyWrong.
func Open(location string, opts ...Option) (*Store, error) {
	how := opening{options: C.kc_options{size: C.sizeof_kc_options}}
	for _, option := range opts {
		option(&how)
	}
	keys, size := address(how.keys), C.size_t(len(how.keys))
	if how.keys == nil {
		size = C.KC_FROM_ENVIRONMENT
	}
	store := &Store{waiting: make(waitingRoom, 64)}
	var cause C.kc_error
	status := C.kc_open(chars(location), C.size_t(len(location)), keys, size, &how.options, &store.handle, &cause)
	wipe(how.keys)
	if status != C.KC_OK {
		return nil, failure("open", &cause)
	}
	store.cleanup = runtime.AddCleanup(store, freeStore, store.handle)
	return store, nil
}

func freeStore(handle *C.kc_store) { C.kc_go_free_store(handle) }

// Close ends the store, and the keys that came from it. Calls in flight finish. To close it again does nothing.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.cleanup.Stop()
	freeStore(s.handle)
	return nil
}

// Encrypt encrypts a user's secret to a token. A user without a key gets one, which is durable when this returns.
func (s *Store) Encrypt(user, plaintext string, flags ...Flag) (string, error) {
	var room [short]byte
	made, err := s.AppendEncrypt(room[:0], user, view(plaintext), flags...)
	return string(made), err
}

// EncryptBytes is Encrypt of bytes.
func (s *Store) EncryptBytes(user string, plaintext []byte, flags ...Flag) (string, error) {
	var room [short]byte
	made, err := s.AppendEncrypt(room[:0], user, plaintext, flags...)
	return string(made), err
}

// AppendEncrypt appends the token to dst, and allocates nothing where there is room.
func (s *Store) AppendEncrypt(dst []byte, user string, plaintext []byte, flags ...Flag) ([]byte, error) {
	call := s.request(encrypt, user, plaintext, joined(flags))
	dst, _, err := call.appendTo(dst)
	runtime.KeepAlive(s)
	return dst, err
}

func (s *Store) request(what work, user string, input []byte, flags Flag) request {
	return request{what: what, store: s.handle, user: user, input: input, flags: flags, waiting: s.waiting}
}

// Decrypt decrypts a user's token. It never makes a key: ErrUnknownUser.
func (s *Store) Decrypt(user, token string, flags ...Flag) (Secret, error) {
	secret, _, err := s.DecryptTold(user, token, flags...)
	return secret, err
}

// DecryptTold is Decrypt, and says whether the token is stale: made under a key that is no longer the user's current one,
// so that Reencrypt has something to do.
func (s *Store) DecryptTold(user, token string, flags ...Flag) (secret Secret, stale bool, err error) {
	var room [short]byte
	plaintext, stale, err := s.appendDecrypt(room[:0], user, view(token), joined(flags))
	return secretOf(plaintext, err), stale, err
}

// AppendDecrypt appends the plaintext to dst, and allocates nothing where there is room. What it leaves behind the
// plaintext in dst's room, and in memory that dst had before it grew, is the caller's to wipe.
func (s *Store) AppendDecrypt(dst []byte, user string, token []byte, flags ...Flag) ([]byte, error) {
	dst, _, err := s.appendDecrypt(dst, user, token, joined(flags))
	return dst, err
}

func (s *Store) appendDecrypt(dst []byte, user string, token []byte, flags Flag) ([]byte, bool, error) {
	call := s.request(decrypt, user, token, flags|tellStale)
	dst, status, err := call.appendTo(dst)
	runtime.KeepAlive(s)
	return dst, status == C.KC_STALE, err
}

const tellStale Flag = C.KC_TELL_STALE

// Reencrypt makes of a user's token one under their current key.
func (s *Store) Reencrypt(user, old string, flags ...Flag) (string, error) {
	made, _, err := s.ReencryptTold(user, old, flags...)
	return made, err
}

// ReencryptTold is Reencrypt, and says whether the old token was stale: one that was not need not be replaced.
func (s *Store) ReencryptTold(user, old string, flags ...Flag) (made string, stale bool, err error) {
	var room [short]byte
	call := s.request(reencrypt, user, view(old), joined(flags)|tellStale)
	token, status, err := call.appendTo(room[:0])
	runtime.KeepAlive(s)
	return string(token), status == C.KC_STALE, err
}
