package keycask_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"keycask.dev/go/keycask"
)

func TestSecretsSayNothingHoweverTheyArePrinted(t *testing.T) {
	store := open(t)
	secret := must(store.Decrypt("alice", must(store.Encrypt("alice", "sk-acme"))))
	column := store.Column("alice")
	column.Set("sk-acme")
	type hidden struct{ api, master keycask.Secret } // fmt asks no method of a field that is not exported.
	type shown struct{ API, Master keycask.Secret }
	var said strings.Builder
	for _, value := range []any{
		secret, &secret, masterKey(7), []keycask.Secret{secret}, map[string]keycask.Secret{"s": secret},
		hidden{secret, masterKey(7)}, &hidden{secret, masterKey(7)}, shown{secret, masterKey(7)}, column, *column,
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%o", "%U", "%c", "%T"} {
			fmt.Fprintf(&said, verb, value)
		}
		fmt.Fprint(&said, value)
		said.Write(must(json.Marshal(value)))
		slog.New(slog.NewJSONHandler(&said, nil)).Info("s", "value", value)
		slog.New(slog.NewTextHandler(&said, nil)).Info("s", "value", value)
	}
	said.Write(must(xml.Marshal(shown{secret, masterKey(7)})))
	for _, shown := range []string{"sk-acme", "736b2d", "736B2D", "115 107", "c2st", "07070707", "7 7 7", "7,7,7", "0x7, 0x7", "\a\a"} {
		if strings.Contains(said.String(), shown) {
			t.Errorf("%q is shown", shown)
		}
	}
	if strings.Count(said.String(), "[redacted]") < 50 {
		t.Fatal(said.String())
	}
}

func TestAWipedSecretIsWipedInItsCopies(t *testing.T) {
	given := []byte("sk-acme")
	secret := keycask.NewSecret(given)
	again := secret
	secret.Wipe()
	if again.Expose() != strings.Repeat("\x00", 7) || string(given) != "sk-acme" {
		t.Fatalf("%q, and what it was made of is %q", again.Expose(), given)
	}
}

// What is searched for in memory must not be there by the search itself: it is kept, and searched for, with its bits flipped.
func flip(text []byte) {
	for i := range text {
		text[i] ^= 0xff
	}
}

// Where the process's writable memory has the text that `flipped` is with its bits flipped.
func found(t *testing.T, flipped []byte) (places []string) {
	memory := must(os.Open("/proc/self/mem"))
	defer memory.Close()
	piece := make([]byte, 1<<20)
	for lines := bufio.NewScanner(bytes.NewReader(must(os.ReadFile("/proc/self/maps")))); lines.Scan(); {
		var from, to uint64
		var rights string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &rights); err != nil {
			t.Fatal(err)
		}
		// A text that lies across the end of a piece is found by the next, which begins before it.
		for at := from; rights[:2] == "rw" && at < to; at += uint64(len(piece) - len(flipped)) {
			read, _ := memory.ReadAt(piece[:min(uint64(len(piece)), to-at)], int64(at))
			flip(piece[:read])
			if bytes.Contains(piece[:read], flipped) {
				places = append(places, lines.Text())
			}
			clear(piece)
		}
	}
	return places
}

func TestNothingIsLeftInMemoryOfASecretThatWasWiped(t *testing.T) {
	if withRaceDetector {
		t.Skip("the race detector's shadow memory is too large to look through")
	}
	store := open(t)
	key := must(store.Key("alice"))
	defer key.Close()
	for _, size := range []int{40, 200, 256, 257, 5000} {
		plaintext := make([]byte, size)
		_, _ = rand.Read(plaintext)
		token := must(store.EncryptBytes("alice", plaintext))
		flip(plaintext)
		secret := must(store.Decrypt("alice", token))
		if places := found(t, plaintext[:32]); len(places) == 0 {
			t.Fatal("the search finds nothing")
		}
		secret.Wipe()
		secret = must(key.Decrypt(token))
		secret.Wipe()
		if places := found(t, plaintext[:32]); len(places) > 0 {
			t.Errorf("of %d bytes: %s", size, places)
		}
	}
}
