// Package keycask keeps other people's API keys.
//
// A service that acts for its users holds their keys: OpenAI's, Stripe's, anyone's. keycask gives every user an AES-256-GCM
// key of their own, wraps each by one master key, and keeps the wrapped keys in a key store, an SQLite file. What the
// program stores elsewhere, in Redis or in a column, are short text tokens that only the right user's key opens.
//
//	store, err := keycask.Open("keys.db")                      // master key: API_KEY_MASTER_KEY
//	token, err := store.Encrypt("alice", "sk-alice-1234")      // "v2:…", to be kept anywhere
//	secret, err := store.Decrypt("alice", token)               // prints as [redacted]
//	client.Authorize(secret.Expose())
//
// The package is a thin layer over libkeycask, by cgo; what a function promises of durability, forks and freshness is said
// in keycask.h. Every function may be called from any goroutine at any time, also while another closes the store: a call
// on what was closed is [ErrHandle].
//
// # Linking
//
// By default through pkg-config (keycask). With the build tag keycask_static the static library is linked (keycask-static),
// with keycask_dev the one that this checkout has built.
package keycask

/*
#define _GNU_SOURCE
#include <dlfcn.h>
#include <keycask.h>

#cgo LDFLAGS: -ldl

// Where the library was found that answers; NULL: in the program itself.
static const char *kc_go_place(void) {
	Dl_info info;
	return dladdr((void *)kc_version, &info) != 0 ? info.dli_fname : 0;
}
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// The version of the C interface that this package was written for.
const abiVersion = 1

func init() {
	if found := C.kc_abi_version(); found != abiVersion {
		panic(fmt.Sprintf("keycask: this package needs a libkeycask of interface %d, and %s, version %s, has interface %d: "+
			"install libkeycask.so.%d", abiVersion, C.GoString(C.kc_go_place()), Version(), found, abiVersion))
	}
}

// KeySize is the length of a raw key in bytes.
const KeySize = C.KC_KEY_SIZE

// Version is the library's version, such as "1.0.0".
func Version() string { return C.GoString(C.kc_version()) }

// HandleCount says how many stores and keys are open in this process, those of other languages' bindings too. A test that
// ends with another count than it began with has found a leak.
func HandleCount() int { return int(C.kc_handle_count()) }

// IsEncrypted says whether a value is a token, and not plaintext from before tokens.
func IsEncrypted(value string) bool {
	return C.kc_is_encrypted(chars(value), C.size_t(len(value))) == 1
}

// Hash is the lookup hash of an API key: 64 lower-case hex digits, by which it can be found again without being kept.
func Hash(apiKey string) string {
	var hex [C.KC_HASH_SIZE]byte
	var size C.size_t
	var cause C.kc_error
	status := C.kc_hash(address(view(apiKey)), C.size_t(len(apiKey)), (*C.char)(unsafe.Pointer(&hex[0])), C.KC_HASH_SIZE, &size, &cause)
	if status != C.KC_OK {
		panic(failure("hash", &cause)) // Nothing that a caller gives is refused.
	}
	return string(hex[:size])
}

// GenerateMasterKey makes a new master key, as the text that API_KEY_MASTER_KEY holds.
func GenerateMasterKey() (Secret, error) {
	text := make([]byte, C.KC_MASTER_KEY_TEXT_SIZE)
	var size C.size_t
	var cause C.kc_error
	status := C.kc_master_key_generate((*C.char)(unsafe.Pointer(&text[0])), C.size_t(len(text)), &size, &cause)
	if status != C.KC_OK {
		return Secret{}, failure("generate a master key", &cause)
	}
	return owned(text[:size]), nil
}

// DecodeMasterKey reads a master key's text: the KeySize bytes that WithMasterKeys takes.
func DecodeMasterKey(text string) (Secret, error) {
	raw := make([]byte, KeySize)
	var cause C.kc_error
	status := C.kc_master_key_decode(chars(text), C.size_t(len(text)), address(raw), C.KC_KEY_SIZE, nil, &cause)
	if status != C.KC_OK {
		return Secret{}, failure("decode a master key", &cause)
	}
	return owned(raw), nil
}

// The bytes of a string, which are not written to.
func view(text string) []byte { return unsafe.Slice(unsafe.StringData(text), len(text)) }

func chars(text string) *C.char { return (*C.char)(unsafe.Pointer(unsafe.StringData(text))) }

// Where bytes lie, for a call that reads or writes as many as they are.
func address(of []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(of)) }
