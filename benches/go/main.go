// keycask through its Go binding, and the same token by Go's own packages: `go-bench keycask|own STORE`, with the line protocol of
// benches/bench.h.
package main

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log"
	"os"
	"time"

	"keycask.dev/go/keycask"
)

// A way to make and to open a token; both append, so that neither allocates.
type way interface {
	encrypt(dst, plaintext []byte) []byte
	decrypt(dst, token []byte) ([]byte, error)
}

type binding struct{ store *keycask.Store }

func (b binding) encrypt(dst, plaintext []byte) []byte {
	return must(b.store.AppendEncrypt(dst, "user-0@example.com", plaintext))
}

func (b binding) decrypt(dst, token []byte) ([]byte, error) {
	return b.store.AppendDecrypt(dst, "user-0@example.com", token)
}

type own struct {
	gcm    cipher.AEAD
	sealed []byte
}

func (o *own) encrypt(dst, plaintext []byte) []byte {
	o.sealed = append(o.sealed[:0], make([]byte, 12)...)
	rand.Read(o.sealed)
	o.sealed = o.gcm.Seal(o.sealed, o.sealed, plaintext, nil)
	return base64.URLEncoding.AppendEncode(append(dst, "v2:"...), o.sealed)
}

func (o *own) decrypt(dst, token []byte) ([]byte, error) {
	var err error
	if o.sealed, err = base64.URLEncoding.AppendDecode(o.sealed[:0], token[3:]); err != nil {
		return nil, err
	}
	return o.gcm.Open(dst, o.sealed[:12], o.sealed[12:], nil)
}

func main() {
	log.SetFlags(0)
	var way way
	switch os.Args[1] {
	case "keycask":
		way = binding{must(keycask.Open(os.Args[2], keycask.WithMasterKeys(keycask.NewSecret(append([]byte{1}, make([]byte, 31)...)))))}
	case "own":
		way = &own{gcm: must(cipher.NewGCM(must(aes.NewCipher(make([]byte, 32)))))}
	}
	var token, opened []byte
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var work string
		var size, threads, count int
		must(fmt.Sscan(lines.Text(), &work, &size, &threads, &count))
		plaintext := bytes.Repeat([]byte("k"), size)
		token = way.encrypt(token[:0], plaintext)
		began := time.Now()
		switch {
		case threads != 1:
			fmt.Println("-")
			continue
		case work == "encrypt":
			for range count {
				token = way.encrypt(token[:0], plaintext)
			}
		case work == "decrypt":
			for range count {
				opened = must(way.decrypt(opened[:0], token))
			}
		default:
			fmt.Println("-")
			continue
		}
		fmt.Println(time.Since(began).Nanoseconds())
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
