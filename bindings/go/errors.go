package keycask

// #include <keycask.h>
import "C"

import (
	"bytes"
	"io/fs"
	"syscall"
	"unsafe"
)

// A Status says what kind of failure an [Error] is. Each is an error by itself, for [errors.Is]:
//
//	if errors.Is(err, keycask.ErrUnknownUser) { … }
type Status int32

// What a call may fail with. The library's header says more of each: ErrUnknownUser is its KC_E_UNKNOWN_USER.
const (
	ErrArgument         Status = C.KC_E_ARGUMENT
	ErrHandle           Status = C.KC_E_HANDLE
	ErrBuffer           Status = C.KC_E_BUFFER
	ErrFormat           Status = C.KC_E_FORMAT
	ErrAuthentication   Status = C.KC_E_AUTHENTICATION
	ErrUnknownUser      Status = C.KC_E_UNKNOWN_USER
	ErrUserDestroyed    Status = C.KC_E_USER_DESTROYED
	ErrMasterKeyMissing Status = C.KC_E_MASTER_KEY_MISSING
	ErrMasterKeyInvalid Status = C.KC_E_MASTER_KEY_INVALID
	ErrMasterKeyWrong   Status = C.KC_E_MASTER_KEY_WRONG
	ErrCorrupt          Status = C.KC_E_CORRUPT
	ErrBusy             Status = C.KC_E_BUSY
	ErrIO               Status = C.KC_E_IO
	ErrReadOnly         Status = C.KC_E_READ_ONLY
	ErrNotFound         Status = C.KC_E_NOT_FOUND
	ErrExists           Status = C.KC_E_EXISTS
	ErrLimit            Status = C.KC_E_LIMIT
	ErrRandom           Status = C.KC_E_RANDOM
	ErrMemory           Status = C.KC_E_MEMORY
	ErrWouldBlock       Status = C.KC_E_WOULD_BLOCK
	ErrUnsupported      Status = C.KC_E_UNSUPPORTED
	ErrInternal         Status = C.KC_E_INTERNAL
)

// Error is a short text, such as "unknown user".
func (s Status) Error() string { return C.GoString(C.kc_status_text(C.kc_status(s))) }

// Is knows a status by what package fs calls it: ErrNotFound is [fs.ErrNotExist], ErrExists [fs.ErrExist], and ErrHandle, a
// call on what was closed, [fs.ErrClosed].
func (s Status) Is(target error) bool {
	switch s {
	case ErrNotFound:
		return target == fs.ErrNotExist
	case ErrExists:
		return target == fs.ErrExist
	case ErrHandle:
		return target == fs.ErrClosed
	}
	return false
}

// An Error is why a call failed.
type Error struct {
	Status  Status
	Op      string // What was tried, such as "encrypt".
	Message string // For people: what was found, what was expected, what to do. It holds no secret.

	OSError     int // The system's error number (errno), or 0.
	EngineError int // SQLite's extended result code, or 0.
}

func (e *Error) Error() string { return "keycask: " + e.Op + ": " + e.Message }

// Unwrap gives the status, by which errors.Is knows the error, and the system's error, such as [syscall.ENOSPC].
func (e *Error) Unwrap() []error {
	if e.OSError == 0 {
		return []error{e.Status}
	}
	return []error{e.Status, syscall.Errno(e.OSError)}
}

func failure(op string, cause *C.kc_error) error {
	return &Error{
		Status:      Status(cause.status),
		Op:          op,
		Message:     text(unsafe.Slice((*byte)(unsafe.Pointer(&cause.message)), len(cause.message))),
		OSError:     int(cause.os_error),
		EngineError: int(cause.engine_error),
	}
}

// The text of a field that ends in a NUL. C.GoString would move what it is in to the heap, in every call.
func text(field []byte) string {
	text, _, _ := bytes.Cut(field, []byte{0})
	return string(text)
}
