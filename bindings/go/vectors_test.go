package keycask_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"keycask.dev/go/keycask"
)

// What the Python module answered; the parts that are read here.
type vectors struct {
	Tokens []struct{ Key, Plaintext, Token string }
	Pool   []struct {
		MasterKey string `json:"master_key"`
		PoolKey   string `json:"pool_key"`
		Tokens    []struct{ Plaintext, Token string }
	}
	Hashes []struct {
		APIKey string `json:"api_key"`
		Hex    string
	}
	IsEncrypted []struct {
		Value     string
		Encrypted bool
	} `json:"is_encrypted"`
	ReferenceDB struct {
		File           string
		MasterKey      string `json:"master_key"`
		WrongMasterKey string `json:"wrong_master_key"`
		Users          []struct {
			User             string `json:"user_id"`
			Plaintext, Token string
		}
	} `json:"reference_db"`
}

// What keycask answers besides.
type ours struct {
	Decode []struct {
		Name, Key, Token string
		Keycask, Strict  answer
	}
	MasterKeyEnv []struct {
		Name, Value string
		Keycask     answer
	} `json:"master_key_env"`
	Differences []struct{ Section, Case string }
}

type answer struct {
	OK     string `json:"ok_hex"`
	Status string
}

const folder = "../../tests/vectors"

func read[T any](t *testing.T, name string) (all T) {
	if err := json.Unmarshal(must(os.ReadFile(filepath.Join(folder, name))), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func master(text string) keycask.Secret { return keycask.NewSecret(must(hex.DecodeString(text))) }

func imported(t *testing.T, text string) *keycask.Key {
	key := must(keycask.ImportKey(must(hex.DecodeString(text))))
	t.Cleanup(func() { _ = key.Close() })
	return key
}

func TestTheModulesTokensPoolKeysAndHashesAreItsOwn(t *testing.T) {
	all := read[vectors](t, "vectors.json")
	for _, each := range all.Tokens {
		if plaintext := must(imported(t, each.Key).Decrypt(each.Token)).Expose(); plaintext != each.Plaintext {
			t.Errorf("%s opens to %q", each.Token, plaintext)
		}
	}
	for _, each := range all.Pool {
		store := must(keycask.Open(":memory:", keycask.WithMasterKeys(master(each.MasterKey))))
		pool := must(store.PoolKey())
		if hex.EncodeToString(must(pool.Export()).Bytes()) != each.PoolKey {
			t.Errorf("another pool key under %s", each.MasterKey)
		}
		for _, token := range each.Tokens {
			if plaintext := must(pool.Decrypt(token.Token)).Expose(); plaintext != token.Plaintext {
				t.Errorf("%s opens to %q", token.Token, plaintext)
			}
		}
		_, _ = pool.Close(), store.Close()
	}
	for _, each := range all.Hashes {
		if keycask.Hash(each.APIKey) != each.Hex {
			t.Errorf("the hash of %q", each.APIKey)
		}
	}
	differs := map[string]bool{}
	for _, each := range read[ours](t, "keycask.json").Differences {
		differs[each.Section+each.Case] = true
	}
	for _, each := range all.IsEncrypted {
		if keycask.IsEncrypted(each.Value) != each.Encrypted && !differs["is_encrypted"+each.Value] {
			t.Errorf("%q", each.Value)
		}
	}
	if len(all.Tokens)*len(all.Pool)*len(all.Hashes)*len(all.IsEncrypted) == 0 {
		t.Fatal("a list is empty")
	}
}

func TestEveryTextIsReadAsTheLibraryReadsIt(t *testing.T) {
	all := read[ours](t, "keycask.json")
	statuses := statuses()
	told := func(name string, want answer, bytes []byte, err error) {
		t.Helper()
		if want.Status != "" {
			wants(t, statuses[want.Status], err)
		} else if err != nil || hex.EncodeToString(bytes) != want.OK {
			t.Errorf("%s: %v, and not %+v", name, err, want)
		}
	}
	for _, each := range all.Decode {
		key := imported(t, each.Key)
		secret, err := key.Decrypt(each.Token)
		told(each.Name, each.Keycask, secret.Bytes(), err)
		secret, err = key.Decrypt(each.Token, keycask.Strict)
		told(each.Name+", strictly", each.Strict, secret.Bytes(), err)
	}
	for _, each := range all.MasterKeyEnv {
		key, err := keycask.DecodeMasterKey(each.Value)
		if each.Keycask.Status == "KC_E_MASTER_KEY_MISSING" {
			each.Keycask.Status = "KC_E_MASTER_KEY_INVALID" // Blank: none in the environment, a wrong one as a text.
		}
		told(each.Name, each.Keycask, key.Bytes(), err)
	}
	if len(all.Decode) < 50 || len(all.MasterKeyEnv) < 50 {
		t.Fatal("a list is too short")
	}
}

func TestTheModulesStoreOpens(t *testing.T) {
	reference := read[vectors](t, "vectors.json").ReferenceDB
	path := filepath.Join(t.TempDir(), "keys.db")
	if err := os.WriteFile(path, must(os.ReadFile(filepath.Join(folder, reference.File))), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := keycask.Open(path, keycask.WithMasterKeys(master(reference.WrongMasterKey)))
	wants(t, keycask.ErrMasterKeyWrong, err)
	store := must(keycask.Open(path, keycask.WithMasterKeys(master(reference.MasterKey))))
	defer store.Close()
	for _, each := range reference.Users {
		if plaintext := must(store.Decrypt(each.User, each.Token)).Expose(); plaintext != each.Plaintext {
			t.Errorf("%s: %q", each.User, plaintext)
		}
	}
	if len(reference.Users) == 0 {
		t.Fatal("the store has no users")
	}
}
