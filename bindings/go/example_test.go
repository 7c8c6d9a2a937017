package keycask_test

import (
	"errors"
	"fmt"
	"log"

	"keycask.dev/go/keycask"
)

func Example() {
	// Without WithMasterKeys the master key is in API_KEY_MASTER_KEY.
	store, err := keycask.Open(":memory:", keycask.WithMasterKeys(masterKey(1)))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	token, err := store.Encrypt("alice", "sk-alice-1234") // To be kept in Redis, or in a column.
	if err != nil {
		log.Fatal(err)
	}
	secret, err := store.Decrypt("alice", token)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(secret, len(secret.Expose()))
	// Output: [redacted] 13
}

func ExampleStore_Decrypt() {
	store, err := keycask.Open(":memory:", keycask.WithMasterKeys(masterKey(1)))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	_, err = store.Decrypt("mallory", "v2:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==")
	fmt.Println(errors.Is(err, keycask.ErrUnknownUser))
	// Output: true
}

func ExampleIsEncrypted() {
	fmt.Println(keycask.IsEncrypted("v2:AAAA"), keycask.IsEncrypted("sk-from-before-tokens"))
	// Output: true false
}
