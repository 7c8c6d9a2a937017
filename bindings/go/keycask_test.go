package keycask_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"keycask.dev/go/keycask"
)

func openAt(t testing.TB, path string, opts ...keycask.Option) *keycask.Store {
	t.Helper()
	store, err := keycask.Open(path, append([]keycask.Option{keycask.WithMasterKeys(masterKey(1))}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func wants(t testing.TB, status keycask.Status, err error) {
	t.Helper()
	var told *keycask.Error
	if !errors.Is(err, status) || !errors.As(err, &told) || told.Status != status {
		t.Fatalf("%v (%#v), and not %v", err, err, status)
	}
	if told.Op == "" || told.Message == "" || !strings.Contains(err.Error(), told.Message) {
		t.Fatalf("the error says too little: %#v", told)
	}
}

func TestSecretsOfEveryLengthComeBack(t *testing.T) {
	store := open(t)
	for _, length := range []int{0, 1, 51, 300, 383, 384, 511, 512, 513, 4096, 1 << 20} {
		plaintext := strings.Repeat("x", length)
		token := must(store.Encrypt("alice", plaintext))
		if !keycask.IsEncrypted(token) || keycask.IsEncrypted(plaintext) {
			t.Fatalf("length %d: %q", length, token[:10])
		}
		if secret := must(store.Decrypt("alice", token)); secret.Expose() != plaintext {
			t.Fatalf("length %d came back with %d", length, len(secret.Expose()))
		}
		bytes := must(store.AppendDecrypt([]byte("before "), "alice", []byte(token)))
		if string(bytes) != "before "+plaintext {
			t.Fatalf("length %d was appended wrongly", length)
		}
		again := must(store.AppendEncrypt([]byte("t="), "alice", []byte(plaintext)))
		if must(store.Decrypt("alice", strings.TrimPrefix(string(again), "t="))).Expose() != plaintext {
			t.Fatalf("length %d: the appended token does not open", length)
		}
		if must(store.EncryptBytes("alice", []byte(plaintext))) == token {
			t.Fatal("a token was made twice")
		}
	}
}

func TestFailuresAreKnownByTheirStatus(t *testing.T) {
	store := open(t)
	token := must(store.Encrypt("alice", "sk-acme"))
	_, err := store.Decrypt("mallory", token)
	wants(t, keycask.ErrUnknownUser, err)
	_, err = store.Encrypt("bob", "sk-acme", keycask.Existing)
	wants(t, keycask.ErrUnknownUser, err)
	_, err = store.Encrypt("", "sk-acme")
	wants(t, keycask.ErrArgument, err)
	_, err = store.Decrypt("alice", "sk-plaintext")
	wants(t, keycask.ErrFormat, err)
	_ = must(store.Encrypt("bob", "sk"))
	_, err = store.Decrypt("bob", token)
	wants(t, keycask.ErrAuthentication, err)
	_, err = store.Decrypt("alice", strings.TrimRight(token, "=")+"\n", keycask.Strict)
	wants(t, keycask.ErrFormat, err)
	_, err = store.Encrypt("never seen", "sk", keycask.CachedOnly)
	wants(t, keycask.ErrWouldBlock, err)
	_, err = keycask.Open(filepath.Join(t.TempDir(), "none.db"), keycask.WithMasterKeys(masterKey(1)), keycask.WithMustExist())
	wants(t, keycask.ErrNotFound, err)
	_, err = keycask.Open(":memory:", keycask.WithMasterKeys())
	wants(t, keycask.ErrMasterKeyMissing, err)
	_, err = keycask.DecodeMasterKey("short")
	wants(t, keycask.ErrMasterKeyInvalid, err)
	_, err = keycask.ImportKey(make([]byte, 31))
	wants(t, keycask.ErrArgument, err)
	if errors.Is(err, keycask.ErrBusy) {
		t.Fatal("one status is taken for another")
	}
}

func TestFailuresAreKnownByWhatTheStandardLibraryCallsThem(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none", "keys.db")
	_, err := keycask.Open(missing, keycask.WithMasterKeys(masterKey(1)), keycask.WithMustExist())
	if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	_, err = keycask.Open(t.TempDir(), keycask.WithMasterKeys(masterKey(1)))
	wants(t, keycask.ErrIO, err)
	if !errors.Is(err, syscall.EISDIR) {
		t.Errorf("%#v", err)
	}
	store := open(t)
	if err := store.Backup(os.Args[0]); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	_ = store.Close()
	if _, err := store.Encrypt("alice", "sk"); !errors.Is(err, fs.ErrClosed) || !errors.Is(err, keycask.ErrHandle) {
		t.Error(err)
	}
}

func TestAMasterKeyOfAnotherLengthIsRefusedAlsoBesideOthers(t *testing.T) {
	halves := make([]byte, keycask.KeySize/2)
	for _, keys := range [][]keycask.Secret{
		{keycask.NewSecret(halves)}, {masterKey(1), keycask.NewSecret(halves), keycask.NewSecret(halves)},
	} {
		_, err := keycask.Open(":memory:", keycask.WithMasterKeys(keys...))
		wants(t, keycask.ErrMasterKeyInvalid, err)
	}
	_, err := keycask.Open(":memory:", keycask.WithMasterKeys(keycask.Secret{}, masterKey(1)))
	wants(t, keycask.ErrMasterKeyMissing, err)
	key := masterKey(1)
	for range 2 {
		_ = must(keycask.Open(":memory:", keycask.WithMasterKeys(key))).Close()
	}
	if !bytes.Equal(key.Bytes(), masterKey(1).Bytes()) {
		t.Error("the caller's master key was wiped")
	}
}

func TestTheMasterKeyComesFromTheEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	text := must(keycask.GenerateMasterKey())
	t.Setenv("API_KEY_MASTER_KEY", "")
	_, err := keycask.Open(path)
	wants(t, keycask.ErrMasterKeyMissing, err)
	t.Setenv("API_KEY_MASTER_KEY", text.Expose())
	store := must(keycask.Open(path))
	defer store.Close()
	token := must(store.Encrypt("alice", "sk-acme"))
	same := must(keycask.Open(path, keycask.WithMasterKeys(must(keycask.DecodeMasterKey(text.Expose())))))
	defer same.Close()
	if must(same.Decrypt("alice", token)).Expose() != "sk-acme" {
		t.Fatal("another master key")
	}
	_, err = keycask.Open(path, keycask.WithMasterKeys(masterKey(9)))
	wants(t, keycask.ErrMasterKeyWrong, err)
	reader := must(keycask.Open(path, keycask.WithReadOnly(), keycask.WithBusyTimeout(0), keycask.WithCacheUsers(0)))
	defer reader.Close()
	_, err = reader.Encrypt("bob", "sk")
	wants(t, keycask.ErrReadOnly, err)
}

func TestKeysWorkWithoutTheirUsersName(t *testing.T) {
	store := open(t)
	key := must(store.Key("alice"))
	token := must(key.Encrypt("sk-acme"))
	if must(store.Decrypt("alice", token)).Expose() != "sk-acme" || must(key.Decrypt(token)).Expose() != "sk-acme" {
		t.Fatal("the key is another than its user's")
	}
	_, err := store.Key("nobody", keycask.Existing)
	wants(t, keycask.ErrUnknownUser, err)
	pool := must(store.PoolKey())
	if must(pool.Decrypt(must(pool.Encrypt("shared")))).Expose() != "shared" {
		t.Fatal("the pool's key does not open what it made")
	}
	exported := must(key.Export())
	imported := must(keycask.ImportKey(exported.Bytes()))
	if must(imported.Decrypt(token)).Expose() != "sk-acme" {
		t.Fatal("an exported key is another")
	}
	_ = key.Close()
	_ = key.Close()
	_, err = key.Encrypt("sk")
	wants(t, keycask.ErrHandle, err)
	_ = store.Close()
	_, err = pool.Encrypt("sk")
	wants(t, keycask.ErrHandle, err)
	if must(imported.Encrypt("sk")) == "" {
		t.Fatal("an imported key ended with a store")
	}
	_, _ = pool.Close(), imported.Close()
}

func TestOperationsWorkAsTheLibraryHasThem(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "keys.db")
	store := openAt(t, path)
	tokens := map[string]string{}
	for i := range 20 {
		user := fmt.Sprint("user ", i)
		tokens[user] = must(store.Encrypt(user, user))
	}
	if err := store.RotateUser("user 1"); err != nil {
		t.Fatal(err)
	}
	secret, stale, err := store.DecryptTold("user 1", tokens["user 1"])
	if err != nil || !stale || secret.Expose() != "user 1" {
		t.Fatal(secret, stale, err)
	}
	if _, stale, err := store.ReencryptTold("user 1", tokens["user 1"]); !stale || err != nil {
		t.Fatal(stale, err)
	}
	anew := must(store.Reencrypt("user 1", tokens["user 1"]))
	if _, stale, err := store.ReencryptTold("user 1", anew); stale || err != nil {
		t.Fatal(stale, err)
	}
	if _, stale, err := store.DecryptTold("user 1", anew); stale || err != nil {
		t.Fatal(stale, err)
	}
	if err := store.ForgetVersions("user 1"); err != nil {
		t.Fatal(err)
	}
	_, err = store.Decrypt("user 1", tokens["user 1"])
	wants(t, keycask.ErrAuthentication, err)
	tokens["user 1"] = anew

	if err := store.EraseUser("user 2"); err != nil {
		t.Fatal(err)
	}
	_, err = store.Encrypt("user 2", "sk")
	wants(t, keycask.ErrUserDestroyed, err)
	backup := path + ".backup"
	if err := store.Backup(backup); err != nil {
		t.Fatal(err)
	}
	wants(t, keycask.ErrExists, store.Backup(backup))
	if err := store.RestoreUser("user 2"); err != nil {
		t.Fatal(err)
	}
	tokens["user 2"] = must(store.Encrypt("user 2", "user 2"))

	moving := must(keycask.Open(path, keycask.WithMasterKeys(masterKey(2), masterKey(1))))
	defer moving.Close()
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := moving.Rewrap(cancelled); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	progress, err := moving.Rewrap(ctx)
	if err != nil || progress.Done < 20 || progress.Remaining != 0 || progress.Skipped != 0 {
		t.Fatal(progress, err)
	}
	done := must(keycask.Open(path, keycask.WithMasterKeys(masterKey(2))))
	defer done.Close()
	seen := map[string]string{}
	for user, err := range done.Users(ctx) {
		if err != nil || user.Key != nil || user.MasterKey != 1 || user.Created().IsZero() {
			t.Fatal(user, err)
		}
		seen[user.Name] = must(done.Decrypt(user.Name, tokens[user.Name])).Expose()
	}
	for user := range tokens {
		if seen[user] != user {
			t.Fatalf("%s came back as %q", user, seen[user])
		}
	}
	for _, err := range done.Users(cancelled) {
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	for range done.Users(ctx) {
		break
	}
	report := must(moving.Check())
	if report.Users != 20 || report.Good != 20 || report.Damaged+report.Unopened+uint64(report.Findings) != 0 || report.Finding != "" ||
		report.States[0] != keycask.Active || report.States[1] != keycask.Retired || report.Keys[1] != 0 {
		t.Fatalf("%+v", report)
	}
	stats := must(done.Stats())
	if stats.CachedUsers != 20 || stats.Misses < 20 || stats.Handles < 3 {
		t.Fatalf("%+v", stats)
	}
}

func TestWhatIsCachedAllocatesNothing(t *testing.T) {
	store := open(t)
	plaintext, room := []byte(apiKey), make([]byte, 0, 512)
	token := must(store.AppendEncrypt(nil, "alice", plaintext))
	key := must(store.Key("alice"))
	defer key.Close()
	for name, work := range map[string]func() error{
		"store encrypt": func() error { _, err := store.AppendEncrypt(room, "alice", plaintext); return err },
		"store decrypt": func() error { _, err := store.AppendDecrypt(room, "alice", token); return err },
		"key encrypt":   func() error { _, err := key.AppendEncrypt(room, plaintext); return err },
		"key decrypt":   func() error { _, err := key.AppendDecrypt(room, token); return err },
	} {
		if allocations := testing.AllocsPerRun(100, func() {
			if err := work(); err != nil {
				t.Fatal(err)
			}
		}); allocations != 0 {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
}

func TestTenThousandGoroutinesAskForOneUncachedUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	token := must(openAt(t, path).Encrypt("alice", "sk-acme"))
	store := openAt(t, path)
	var begin, all sync.WaitGroup
	var failed atomic.Int64
	begin.Add(1)
	for range 10_000 {
		all.Add(1)
		go func() {
			defer all.Done()
			begin.Wait()
			if secret, err := store.Decrypt("alice", token); err != nil || secret.Expose() != "sk-acme" {
				failed.Add(1)
			}
		}()
	}
	begin.Done()
	all.Wait()
	stats := must(store.Stats())
	if failed.Load() != 0 || stats.StoreReads > 70 {
		t.Fatalf("%d failed, %d reads of the store", failed.Load(), stats.StoreReads)
	}
}

func TestAStoreMayBeClosedWhileItIsUsed(t *testing.T) {
	for range 50 {
		store := must(keycask.Open(":memory:", keycask.WithMasterKeys(masterKey(1))))
		token := must(store.Encrypt("alice", "sk-acme"))
		var begun, all sync.WaitGroup
		for range 8 {
			begun.Add(1)
			all.Add(1)
			go func() {
				defer all.Done()
				begun.Done()
				for {
					secret, err := store.Decrypt("alice", token)
					if err != nil {
						wants(t, keycask.ErrHandle, err)
						return
					}
					if secret.Expose() != "sk-acme" {
						t.Error("a wrong answer")
						return
					}
				}
			}()
		}
		begun.Wait()
		for range 3 {
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		}
		all.Wait()
	}
}

func TestProgramsMayBeStartedWhileAStoreWorks(t *testing.T) {
	store := openAt(t, filepath.Join(t.TempDir(), "keys.db"))
	var all sync.WaitGroup
	for worker := range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range 25 {
				user := fmt.Sprint("user ", worker, " ", i)
				token := must(store.Encrypt(user, user))
				if err := exec.Command("true").Run(); err != nil {
					t.Error(err)
				}
				if secret, err := store.Decrypt(user, token); err != nil || secret.Expose() != user {
					t.Error(err)
				}
			}
		}()
	}
	all.Wait()
}

func TestWhatIsForgottenIsFreed(t *testing.T) {
	before := keycask.HandleCount()
	for range 100 {
		store := must(keycask.Open(":memory:", keycask.WithMasterKeys(masterKey(1))))
		_ = must(store.Key("alice"))
	}
	for keycask.HandleCount() > before {
		runtime.GC()
	}
}

func TestAKeyKeepsItsStoreFromBeingCollected(t *testing.T) {
	before := keycask.HandleCount()
	key := must(must(keycask.Open(":memory:", keycask.WithMasterKeys(masterKey(1)))).Key("alice"))
	_ = must(must(keycask.Open(":memory:", keycask.WithMasterKeys(masterKey(1)))).Key("alice"))
	for keycask.HandleCount() > before+2 { // Until the other store and its key are gone.
		runtime.GC()
	}
	if _, err := key.Encrypt("sk-acme"); err != nil {
		t.Fatal(err)
	}
	_ = key.Close()
}

func TestAMillionCallsLeaveNothingBehind(t *testing.T) {
	store := open(t)
	token := []byte(must(store.Encrypt("alice", apiKey)))
	room := make([]byte, 0, 512)
	handles := keycask.HandleCount()
	resident := func() (pages int) {
		_, err := fmt.Sscan(strings.Fields(string(must(os.ReadFile("/proc/self/statm"))))[1], &pages)
		if err != nil {
			t.Fatal(err)
		}
		return pages
	}
	work := func(times int) {
		for range times {
			if _, err := store.AppendDecrypt(room, "alice", token); err != nil {
				t.Fatal(err)
			}
			if _, err := store.AppendEncrypt(room, "alice", token[:51]); err != nil {
				t.Fatal(err)
			}
		}
	}
	work(50_000)
	runtime.GC()
	before := resident()
	work(450_000)
	runtime.GC()
	if keycask.HandleCount() > handles { // There may be fewer: what other tests have dropped is collected meanwhile.
		t.Fatalf("%d handles and not %d", keycask.HandleCount(), handles)
	}
	if grown := resident() - before; grown > 1024 && !withRaceDetector { // Which keeps a history of its own.
		t.Fatalf("%d pages more", grown)
	}
}

// The statuses by the library's names.
func statuses() map[string]keycask.Status {
	all := map[string]keycask.Status{}
	for _, line := range strings.Split(strings.TrimSpace(string(must(os.ReadFile("../../abi/status.txt")))), "\n") {
		name, number, _ := strings.Cut(line, " ")
		all[name] = keycask.Status(must(strconv.Atoi(number)))
	}
	return all
}

func TestEveryStatusOfTheLibraryHasAName(t *testing.T) {
	source := string(must(os.ReadFile("errors.go")))
	for name := range statuses() {
		if strings.HasPrefix(name, "KC_E_") && !strings.Contains(source, "C."+name+"\n") {
			t.Errorf("errors.go has no %s", name)
		}
	}
}

func TestEveryFlagOfTheLibraryHasItsPlace(t *testing.T) {
	known := map[string]string{
		"KC_EXISTING": "call.go", "KC_CACHED_ONLY": "call.go", "KC_STRICT": "call.go", "KC_TELL_STALE": "store.go",
		"KC_OPEN_READ_ONLY": "store.go", "KC_OPEN_MUST_EXIST": "store.go", "KC_OPEN_SNAPSHOTS": "store.go",
		"KC_OPEN_UNLOCKED": "store.go",
		"KC_NONE":          "store.go", "KC_FROM_ENVIRONMENT": "store.go", "KC_KEY_SIZE": "keycask.go", "KC_HASH_SIZE": "keycask.go",
		"KC_MASTER_KEY_TEXT_SIZE": "keycask.go", "KC_MASTER_KEY_UNREGISTERED": "operations.go",
		"KC_MASTER_KEY_ACTIVE": "operations.go", "KC_MASTER_KEY_RETIRING": "operations.go",
		"KC_MASTER_KEY_RETIRED": "operations.go",
		"KC_NUL_TERMINATED":     "", // Go's strings have a length.
	}
	for _, line := range strings.Split(strings.TrimSpace(string(must(os.ReadFile("../../abi/constants.txt")))), "\n") {
		name, _, _ := strings.Cut(line, " ")
		file, placed := known[name]
		if !placed || file != "" && !strings.Contains(string(must(os.ReadFile(file))), "C."+name) {
			t.Errorf("%s has no place in this package", name)
		}
	}
}

func TestEveryFunctionOfTheLibraryIsCalled(t *testing.T) {
	var source []byte
	for _, file := range append(must(filepath.Glob("*.go")), "calls.h") {
		if !strings.HasSuffix(file, "_test.go") {
			source = append(source, must(os.ReadFile(file))...)
		}
	}
	for _, name := range strings.Fields(string(must(os.ReadFile("../../abi/symbols.txt")))) {
		switch name {
		case "kc_wipe": // Go's own memory is wiped by Go.
		case "kc_encrypted_size", "kc_decrypted_size": // The length output of KC_E_BUFFER says it, in the same call.
		default:
			if !regexp.MustCompile(`\b` + name + `\(`).Match(source) {
				t.Errorf("%s is not called", name)
			}
		}
	}
}

func TestHashesAndVersions(t *testing.T) {
	if keycask.Hash("sk-acme") != "5f8eee912cd7c0ccb238560e8a22e7f78909e6dac18288188f7f4ea35112700d" {
		t.Fatal(keycask.Hash("sk-acme"))
	}
	if !strings.HasPrefix(keycask.Version(), "1.") {
		t.Fatal(keycask.Version())
	}
}
