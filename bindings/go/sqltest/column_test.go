// Package sqltest uses the token column with a database, by mattn/go-sqlite3: so two SQLites are loaded in one process.
package sqltest

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"keycask.dev/go/keycask"
)

func opened(t *testing.T, path string) (*keycask.Store, *sql.DB) {
	store, err := keycask.Open(path, keycask.WithMasterKeys(keycask.NewSecret(make([]byte, keycask.KeySize))))
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite3", path+"?_busy_timeout=10000")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = store.Close(), db.Close() })
	return store, db
}

func run(t *testing.T, db *sql.DB, statement string, values ...any) {
	t.Helper()
	if _, err := db.Exec(statement, values...); err != nil {
		t.Fatal(err)
	}
}

func TestATokenColumnWritesTokensAndReadsLegacyPlaintextAsSuch(t *testing.T) {
	store, db := opened(t, filepath.Join(t.TempDir(), "keys.db"))
	run(t, db, "CREATE TABLE users(name TEXT PRIMARY KEY, openai_key TEXT)")
	key := store.Column("alice")
	key.Set("sk-alice")
	run(t, db, "INSERT INTO users VALUES ('alice', ?), ('bob', 'sk-from-before'), ('carol', NULL)", key)

	var raw string
	if err := db.QueryRow("SELECT openai_key FROM users WHERE name = 'alice'").Scan(&raw); err != nil || !keycask.IsEncrypted(raw) {
		t.Fatal(raw, err)
	}
	for user, want := range map[string]string{"alice": "sk-alice", "bob": "sk-from-before"} {
		key := store.Column(user)
		if err := db.QueryRow("SELECT openai_key FROM users WHERE name = ?", user).Scan(key); err != nil {
			t.Fatal(err)
		}
		if !key.Valid || key.Secret.Expose() != want {
			t.Fatalf("%s has %q", user, key.Secret.Expose())
		}
		if key.Stale != (user == "bob") {
			t.Errorf("%s: stale is %v", user, key.Stale)
		}
		run(t, db, "UPDATE users SET openai_key = ? WHERE name = ?", key, user)
	}
	if err := db.QueryRow("SELECT openai_key FROM users WHERE name = 'bob'").Scan(&raw); err != nil || !strings.HasPrefix(raw, "v2:") {
		t.Fatal("plaintext from before tokens stayed when it was written", err)
	}
	none := store.Column("carol")
	if err := db.QueryRow("SELECT openai_key FROM users WHERE name = 'carol'").Scan(none); err != nil || none.Valid {
		t.Fatal(err)
	}
	if value, err := none.Value(); value != nil || err != nil {
		t.Fatal(value, err)
	}
	another := store.Column("bob")
	err := db.QueryRow("SELECT openai_key FROM users WHERE name = 'alice'").Scan(another)
	if !errors.Is(err, keycask.ErrAuthentication) || another.Valid {
		t.Fatal(err)
	}
	if err := another.Scan(1.5); err == nil {
		t.Fatal("a number was taken for a token")
	}
}

func TestATokenColumnSaysWhatShouldBeWrittenAnewAndMayRefusePlaintext(t *testing.T) {
	store, db := opened(t, filepath.Join(t.TempDir(), "keys.db"))
	run(t, db, "CREATE TABLE users(name TEXT PRIMARY KEY, openai_key TEXT)")
	key := store.Column("alice")
	key.Set("sk-alice")
	run(t, db, "INSERT INTO users VALUES ('alice', ?), ('bob', 'sk-from-before')", key)
	if err := store.RotateUser("alice"); err != nil {
		t.Fatal(err)
	}
	const query = "SELECT openai_key FROM users WHERE name = ?"
	if err := db.QueryRow(query, "alice").Scan(key); err != nil || !key.Stale {
		t.Fatal("a token under an earlier key is not stale", err)
	}
	run(t, db, "UPDATE users SET openai_key = ? WHERE name = 'alice'", key)
	key.TokensOnly = true
	if err := db.QueryRow(query, "alice").Scan(key); err != nil || key.Stale || key.Secret.Expose() != "sk-alice" {
		t.Fatal(key.Stale, err)
	}
	key = store.Column("bob")
	key.TokensOnly = true
	if err := db.QueryRow(query, "bob").Scan(key); !errors.Is(err, keycask.ErrFormat) || key.Valid {
		t.Fatal("plaintext was taken", err)
	}
}

func threads(t *testing.T) (number int) {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestTenThousandGoroutinesWaitForALockedStoreInFewThreads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	first, db := opened(t, path)
	token, err := first.Encrypt("alice", "sk-alice")
	if err != nil {
		t.Fatal(err)
	}
	store, err := keycask.Open(path, keycask.WithMasterKeys(keycask.NewSecret(make([]byte, keycask.KeySize))),
		keycask.WithBusyTimeout(10*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	db.SetMaxOpenConns(1)
	run(t, db, "BEGIN EXCLUSIVE")
	var begun, all sync.WaitGroup
	for number := range 10_000 {
		begun.Add(1)
		all.Add(1)
		go func() {
			defer all.Done()
			begun.Done()
			if number%100 == 0 {
				if _, err := store.Encrypt(fmt.Sprint("user ", number), "sk"); err != nil {
					t.Error(err)
				}
			} else if secret, err := store.Decrypt("alice", token); err != nil || secret.Expose() != "sk-alice" {
				t.Error(err)
			}
		}()
	}
	begun.Wait()
	for stats := (keycask.Stats{}); stats.BusyWaits == 0; {
		if stats, err = store.Stats(); err != nil {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
	if waiting := threads(t); waiting > 200 {
		t.Errorf("%d threads", waiting)
	}
	run(t, db, "ROLLBACK")
	all.Wait()
	if most := threads(t); most > 200 { // Go ends no thread that it has.
		t.Errorf("%d threads", most)
	}
}

func TestTheHostsSQLiteSharesTheStoresFileAndLosesNothing(t *testing.T) {
	store, db := opened(t, filepath.Join(t.TempDir(), "keys.db"))
	run(t, db, "CREATE TABLE notes(text TEXT)")
	done := make(chan error)
	const each = 200
	go func() {
		var err error
		for range each {
			if _, failed := db.Exec("INSERT INTO notes VALUES ('note')"); failed != nil {
				err = failed
			}
		}
		done <- err
	}()
	tokens := map[string]string{}
	for i := range each {
		user := "user " + string(rune('a'+i%26)) + string(rune('a'+i/26))
		token, err := store.Encrypt(user, user)
		if err != nil {
			t.Fatal(err)
		}
		tokens[user] = token
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var notes, users int
	if err := db.QueryRow("SELECT (SELECT count(*) FROM notes), (SELECT count(*) FROM encryption_keys)").Scan(&notes, &users); err != nil {
		t.Fatal(err)
	}
	if notes != each || users != len(tokens) {
		t.Fatal(notes, users)
	}
	for user, token := range tokens {
		if secret, err := store.Decrypt(user, token); err != nil || secret.Expose() != user {
			t.Fatal(user, err)
		}
	}
}
