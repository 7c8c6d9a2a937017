// The smallest Go program that uses keycask. With a LOCATION it is a peer of tests/interop/peers.py: the master key is in
// API_KEY_MASTER_KEY, and each line on standard input is a call.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"strings"

	"keycask.dev/go/keycask"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		store := must(keycask.Open(":memory:", keycask.WithMasterKeys(keycask.NewSecret(make([]byte, keycask.KeySize)))))
		if secret := must(store.Decrypt("alice", must(store.Encrypt("alice", "sk-alice-1234")))); secret.Expose() != "sk-alice-1234" {
			log.Fatal("it came back otherwise")
		}
		return
	}
	store := must(keycask.Open(os.Args[1]))
	defer store.Close()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(answer(store, strings.Split(lines.Text(), "\t")))
	}
}

func answer(store *keycask.Store, call []string) string {
	verb, user, text := call[0], call[1], call[2]
	if verb == "encrypt" {
		token, err := store.EncryptBytes(user, must(hex.DecodeString(text)))
		return orError(token, err)
	}
	secret, err := store.Decrypt(user, text)
	return orError(hex.EncodeToString(secret.Bytes()), err)
}

func orError(text string, err error) string {
	if err != nil {
		return "! " + err.Error()
	}
	return text
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
