package keycask

// #include <keycask.h>
import "C"

import (
	"context"
	"iter"
	"runtime"
	"time"
)

// Progress says how far a rotation of the master key has come.
type Progress struct {
	Done      uint64 // Keys moved.
	Remaining uint64 // Keys not seen yet. At 0 the earlier master keys open nothing in the store.
	Skipped   uint64 // Damaged rows, which no given master key opens, and which are left.
}

// So many keys are moved in a step, between which a context may end the work.
const rewrapStep = 10_000

// Rewrap moves every key to the current master key, the first that the store was opened with, while others work. When it
// has ended without an error, the earlier master keys that were given open nothing any more. Ended early, by ctx or by
// the process, it loses nothing: call it again.
func (s *Store) Rewrap(ctx context.Context) (Progress, error) {
	var all Progress
	for {
		if err := ctx.Err(); err != nil {
			return all, err
		}
		step, err := s.RewrapStep(rewrapStep)
		if err != nil {
			return all, err
		}
		all.Done += step.Done
		all.Remaining, all.Skipped = step.Remaining, step.Skipped
		if all.Remaining == 0 {
			return all, nil
		}
	}
}

// RewrapStep moves up to limit keys to the current master key.
func (s *Store) RewrapStep(limit uint64) (Progress, error) {
	var done, remaining, skipped C.uint64_t
	var cause C.kc_error
	s.waiting.enter()
	status := C.kc_rewrap(s.handle, C.uint64_t(limit), &done, &remaining, &skipped, &cause)
	s.waiting.leave()
	runtime.KeepAlive(s)
	if status < 0 {
		return Progress{}, failure("rewrap", &cause)
	}
	return Progress{uint64(done), uint64(remaining), uint64(skipped)}, nil
}

// EraseUser destroys a user's keys, and with them every secret of theirs, wherever its token lies. None is made for them
// again: ErrUserDestroyed.
func (s *Store) EraseUser(user string) error {
	var cause C.kc_error
	s.waiting.enter()
	status := C.kc_erase_user(s.handle, chars(user), C.size_t(len(user)), &cause)
	return s.outcome("erase a user", status, &cause)
}

// RestoreUser lets an erased user begin anew, with another key.
func (s *Store) RestoreUser(user string) error {
	var cause C.kc_error
	s.waiting.enter()
	status := C.kc_restore_user(s.handle, chars(user), C.size_t(len(user)), &cause)
	return s.outcome("restore a user", status, &cause)
}

// RotateUser gives a user another key. The one that they have is kept for reading.
func (s *Store) RotateUser(user string) error {
	var cause C.kc_error
	s.waiting.enter()
	status := C.kc_rotate_user(s.handle, chars(user), C.size_t(len(user)), &cause)
	return s.outcome("rotate a user", status, &cause)
}

// ForgetVersions drops a user's earlier keys: what was made under them opens no more.
func (s *Store) ForgetVersions(user string) error {
	var cause C.kc_error
	s.waiting.enter()
	status := C.kc_forget_versions(s.handle, chars(user), C.size_t(len(user)), &cause)
	return s.outcome("forget versions", status, &cause)
}

// Backup copies the store, while it is in use, to a file that is not there yet.
func (s *Store) Backup(location string) error {
	var cause C.kc_error
	s.waiting.enter()
	status := C.kc_backup(s.handle, chars(location), C.size_t(len(location)), &cause)
	return s.outcome("back up", status, &cause)
}

// outcome ends a call that was entered.
func (s *Store) outcome(op string, status C.kc_status, cause *C.kc_error) error {
	s.waiting.leave()
	runtime.KeepAlive(s)
	if status < 0 {
		return failure(op, cause)
	}
	return nil
}

// MaxMasterKeys is how many master keys a store is opened with at most.
const MaxMasterKeys = len(C.kc_check_report{}.keys)

// A MasterKeyState is what a store knows of a master key.
type MasterKeyState uint32

// Its values.
const (
	Unregistered MasterKeyState = C.KC_MASTER_KEY_UNREGISTERED // Nothing.
	Active       MasterKeyState = C.KC_MASTER_KEY_ACTIVE       // It opens and creates.
	Retiring     MasterKeyState = C.KC_MASTER_KEY_RETIRING     // It opens; what hangs on it is being moved.
	Retired      MasterKeyState = C.KC_MASTER_KEY_RETIRED      // It opens nothing in the store any more.
)

// A Report is what a check of a store has found.
type Report struct {
	Findings      uint32 // What SQLite itself found wrong.
	Finding       string // The first of it.
	Users         uint64 // Users with a row.
	Good          uint64 // Of these, with a key that opens.
	Damaged       uint64 // With one that does not.
	Unopened      uint64 // With one that may be under a master key that was not given.
	Versions      uint64 // Earlier keys of users.
	DamagedOthers uint64 // Earlier keys, and keys of the store's own, that do not open.
	Erased        uint64 // Users who were erased.
	Lacking       uint64 // Master keys that the store uses and that were not given.

	// What hangs on each given master key, and what the store knows of it, in the order in which they were given.
	Keys   [MaxMasterKeys]uint64
	States [MaxMasterKeys]MasterKeyState
}

// Check looks at every row, and has SQLite check its file. It writes nothing, and lets others work. That there is no error
// says that the check was made; what it found is in the report.
func (s *Store) Check() (Report, error) {
	found := C.kc_check_report{size: C.sizeof_kc_check_report}
	var cause C.kc_error
	s.waiting.enter()
	status := C.kc_check(s.handle, &found, &cause)
	s.waiting.leave()
	runtime.KeepAlive(s)
	if status < 0 {
		return Report{}, failure("check", &cause)
	}
	report := Report{
		Findings:      uint32(found.findings),
		Finding:       C.GoString(&found.finding[0]),
		Users:         uint64(found.users),
		Good:          uint64(found.good),
		Damaged:       uint64(found.damaged),
		Unopened:      uint64(found.unopened),
		Versions:      uint64(found.versions),
		DamagedOthers: uint64(found.damaged_others),
		Erased:        uint64(found.erased),
		Lacking:       uint64(found.lacking),
	}
	for i := range report.Keys {
		report.Keys[i], report.States[i] = uint64(found.keys[i]), MasterKeyState(found.states[i])
	}
	return report, nil
}

// A User is one of a walk over all users.
type User struct {
	Name      string
	Key       error // nil, or why their key does not open: ErrCorrupt, ErrMasterKeyWrong.
	MasterKey int   // The given master key that wraps it: 1 for the first; 0: none.
	Versions  uint64
	CreatedAt string // When the key was made, as the store has it: UTC, ISO 8601.
}

// Created is when the user's key was made; the zero time where the store has no such text.
func (u User) Created() time.Time {
	at, _ := time.Parse(time.RFC3339Nano, u.CreatedAt)
	return at
}

// Users walks over all users with a row, in no order that means anything. It ends with the first error, ctx's too.
//
//	for user, err := range store.Users(ctx) { … }
func (s *Store) Users(ctx context.Context) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		walk := C.kc_user_walk{size: C.sizeof_kc_user_walk}
		name := make([]byte, 4097)
		for {
			if err := ctx.Err(); err != nil {
				yield(User{}, err)
				return
			}
			info := C.kc_user_info{size: C.sizeof_kc_user_info}
			var cause C.kc_error
			var size C.size_t
			s.waiting.enter()
			status := C.kc_next_user(s.handle, &walk, start(name), C.size_t(len(name)), &size, &info, &cause)
			s.waiting.leave()
			runtime.KeepAlive(s)
			if status == C.KC_E_BUFFER {
				name = make([]byte, size)
				continue
			}
			if status == C.KC_END {
				return
			}
			if status < 0 {
				yield(User{}, failure("next user", &cause))
				return
			}
			user := User{
				Name:      string(name[:size]),
				MasterKey: int(info.master_key),
				Versions:  uint64(info.versions),
				CreatedAt: C.GoString(&info.created_at[0]),
			}
			if info.key != C.KC_OK {
				user.Key = Status(info.key)
			}
			if !yield(user, nil) {
				return
			}
		}
	}
}

// Stats is what an open store has done.
type Stats struct {
	CachedUsers uint64 // Users whose keys are cached now.
	Hits        uint64 // Calls that found their key in the cache.
	Misses      uint64 // Calls that did not.
	StoreReads  uint64 // Reading transactions.
	Commits     uint64 // Writing transactions.
	BusyWaits   uint64 // Times that a call waited for a lock of others.
	Handles     uint64 // Stores and keys open in this process.

	LockedBytes   uint64 // Bytes of keys and their schedules in this process's locked memory.
	UnlockedBytes uint64 // Those in memory that is not locked.
}

// Stats says what this store has done since it was opened.
func (s *Store) Stats() (Stats, error) {
	found := C.kc_store_stats{size: C.sizeof_kc_store_stats}
	var cause C.kc_error
	status := C.kc_stats(s.handle, &found, &cause)
	runtime.KeepAlive(s)
	if status < 0 {
		return Stats{}, failure("stats", &cause)
	}
	return Stats{
		CachedUsers: uint64(found.cached_users),
		Hits:        uint64(found.hits),
		Misses:      uint64(found.misses),
		StoreReads:  uint64(found.store_reads),
		Commits:     uint64(found.commits),
		BusyWaits:   uint64(found.busy_waits),
		Handles:     uint64(found.handles),

		LockedBytes:   uint64(found.locked_bytes),
		UnlockedBytes: uint64(found.unlocked_bytes),
	}, nil
}
