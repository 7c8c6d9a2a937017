package keycask

// #include "calls.h"
//
// // No function of the library calls back, or keeps a pointer that it was given.
// #cgo noescape kc_go_encrypt
// #cgo nocallback kc_go_encrypt
// #cgo noescape kc_go_decrypt
// #cgo nocallback kc_go_decrypt
// #cgo noescape kc_go_reencrypt
// #cgo nocallback kc_go_reencrypt
// #cgo noescape kc_go_user_key
// #cgo nocallback kc_go_user_key
// #cgo noescape kc_go_key_encrypt
// #cgo nocallback kc_go_key_encrypt
// #cgo noescape kc_go_key_decrypt
// #cgo nocallback kc_go_key_decrypt
import "C"

import (
	"slices"
)

// A Flag changes how one call behaves. Flags are joined with |, or given one after the other.
type Flag uint32

const (
	// Existing never makes a key for an unknown user: ErrUnknownUser.
	Existing Flag = C.KC_EXISTING
	// CachedOnly is ErrWouldBlock rather than touch the store: microseconds, or an error.
	CachedOnly Flag = C.KC_CACHED_ONLY
	// Strict takes tokens in canonical form alone, as Encrypt writes them.
	Strict Flag = C.KC_STRICT
)

func joined(flags []Flag) (all Flag) {
	for _, flag := range flags {
		all |= flag
	}
	return all
}

// A call that waits for the store's file holds a thread of the system. So many of a store's may; ten thousand goroutines
// that ask for one user whose key is not cached do not need ten thousand threads.
type waitingRoom chan struct{}

// A key that came from no store waits for nothing, and has no room to wait in.
func (w waitingRoom) enter() {
	if w != nil {
		w <- struct{}{}
	}
}

func (w waitingRoom) leave() {
	if w != nil {
		<-w
	}
}

// So long are the tokens and plaintexts that need no second call where the destination has no room: API keys are shorter.
const short = 256

// A request is a call that makes bytes of bytes. It is no closure, so that nothing of it moves to the heap.
type request struct {
	what  work
	store *C.kc_store
	key   *C.kc_key
	user  string
	input []byte
	flags Flag

	waiting waitingRoom
}

type work int

const (
	encrypt work = iota
	decrypt
	reencrypt
	keyEncrypt
	keyDecrypt
)

var ops = [...]string{"encrypt", "decrypt", "reencrypt", "encrypt", "decrypt"}

func (r *request) once(flags Flag, to []byte, size *C.size_t, cause *C.kc_error) C.kc_status {
	user, userLen, input, inputLen, f := chars(r.user), C.size_t(len(r.user)), start(r.input), C.size_t(len(r.input)), C.uint32_t(flags)
	output, capacity := start(to), C.size_t(len(to))
	switch r.what {
	case encrypt:
		return C.kc_go_encrypt(r.store, user, userLen, input, inputLen, f, output, capacity, size, cause)
	case decrypt:
		return C.kc_go_decrypt(r.store, user, userLen, input, inputLen, f, output, capacity, size, cause)
	case reencrypt:
		return C.kc_go_reencrypt(r.store, user, userLen, input, inputLen, f, output, capacity, size, cause)
	case keyEncrypt:
		return C.kc_go_key_encrypt(r.key, input, inputLen, f, output, capacity, size, cause)
	default:
		return C.kc_go_key_decrypt(r.key, input, inputLen, f, output, capacity, size, cause)
	}
}

// run tries without touching the store, and without a place for a message, which would have to be cleared each time.
func (r *request) run(to []byte, size *C.size_t) (C.kc_status, error) {
	status := r.once(r.flags|CachedOnly, to, size, nil)
	if status >= 0 || status == C.KC_E_BUFFER {
		return status, nil
	}
	return r.slowly(to, size)
}

// slowly tries again where that did not do: it may touch the store, and learns what is wrong.
//
//go:noinline
func (r *request) slowly(to []byte, size *C.size_t) (C.kc_status, error) {
	var cause C.kc_error
	r.waiting.enter()
	status := r.once(r.flags, to, size, &cause)
	r.waiting.leave()
	if status >= 0 || status == C.KC_E_BUFFER {
		return status, nil
	}
	return status, failure(ops[r.what], &cause)
}

// appendTo appends what the call makes to dst, which grows where it has no room, and answers the status, which is no error.
func (r *request) appendTo(dst []byte) ([]byte, C.kc_status, error) {
	var size C.size_t
	status, err := r.run(dst[len(dst):cap(dst)], &size)
	for status == C.KC_E_BUFFER {
		dst = slices.Grow(dst, int(size))
		status, err = r.run(dst[len(dst):cap(dst)], &size)
	}
	if err != nil {
		return dst, status, err
	}
	return dst[:len(dst)+int(size)], status, nil
}

// secretOf makes a secret of what a call appended, and wipes that: a copy, so that a room on the stack can stay there.
func secretOf(plaintext []byte, err error) Secret {
	if err != nil {
		return Secret{}
	}
	secret := NewSecret(plaintext)
	wipe(plaintext)
	return secret
}

// Where bytes begin.
func start(of []byte) *C.char { return (*C.char)(address(of)) }
