package keycask_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"keycask.dev/go/keycask"
)

// Cases that differ from a good one in a single thing, and the status of each.
type failures struct {
	Good struct {
		Token, User, Store string
		MasterKey          string `json:"master_key"`
	}
	Tokens []struct {
		Sentence, Token, Key, Status string
		Flags                        []string
	}
	MasterKeys []struct{ Sentence, Text, Status string } `json:"master_keys"`
	Stores     []struct {
		Sentence, Call, Status string
		Length                 int
		Patches                []struct {
			At    int
			Bytes string
		}
	}
	Calls []struct {
		Sentence, Call, Status string
		Given                  struct {
			User       *string `json:"user_hex"`
			Raw        string  `json:"raw_hex"`
			MasterKeys *string `json:"master_keys_hex"`
			Location   *string
			Token      string
			Flags      []string
		}
	}
}

func flags(names []string) (all keycask.Flag) {
	known := map[string]keycask.Flag{"KC_STRICT": keycask.Strict, "KC_EXISTING": keycask.Existing, "KC_CACHED_ONLY": keycask.CachedOnly}
	for _, name := range names {
		all |= known[name]
	}
	return all
}

func TestWhatDiffersInOneThingIsRefusedForThat(t *testing.T) {
	all, statuses := read[failures](t, "failures.json"), statuses()
	refused := func(sentence, status string, err error) {
		t.Helper()
		t.Log(sentence)
		wants(t, statuses[status], err)
	}
	for _, each := range all.Tokens {
		_, err := imported(t, each.Key).Decrypt(each.Token, flags(each.Flags))
		refused(each.Sentence, each.Status, err)
	}
	for _, each := range all.MasterKeys {
		_, err := keycask.DecodeMasterKey(each.Text)
		refused(each.Sentence, each.Status, err)
	}
	with := keycask.WithMasterKeys(master(all.Good.MasterKey))
	good := must(os.ReadFile(filepath.Join(folder, all.Good.Store)))
	for _, each := range all.Stores {
		altered := make([]byte, each.Length)
		copy(altered, good)
		for _, patch := range each.Patches {
			copy(altered[patch.At:], must(hex.DecodeString(patch.Bytes)))
		}
		path := filepath.Join(t.TempDir(), "keys.db")
		if err := os.WriteFile(path, altered, 0o600); err != nil {
			t.Fatal(err)
		}
		store, err := keycask.Open(path, with)
		if each.Call != "open" && err == nil {
			if each.Call == "encrypt" {
				_, err = store.Encrypt(all.Good.User, "sk")
			} else {
				_, err = store.Decrypt(all.Good.User, all.Good.Token)
			}
		}
		refused(each.Sentence, each.Status, err)
		if store != nil {
			_ = store.Close()
		}
	}
	store := must(keycask.Open(":memory:", with))
	defer store.Close()
	token := must(store.Encrypt(all.Good.User, "sk-acme"))
	for _, each := range all.Calls {
		user, location, text, keys := all.Good.User, ":memory:", token, with
		if each.Given.User != nil {
			user = string(must(hex.DecodeString(*each.Given.User)))
		}
		if each.Given.Location != nil {
			location = *each.Given.Location
		}
		if each.Given.Token != "" {
			text = each.Given.Token
		}
		if each.Given.MasterKeys != nil {
			keys = keycask.WithMasterKeys(master(*each.Given.MasterKeys))
		}
		var err error
		switch how := flags(each.Given.Flags); each.Call {
		case "encrypt":
			_, err = store.Encrypt(user, "sk-acme", how)
		case "decrypt":
			_, err = store.Decrypt(user, text, how)
		case "user_key":
			_, err = store.Key(user, how)
		case "key_import":
			_, err = keycask.ImportKey(must(hex.DecodeString(each.Given.Raw)))
		case "open":
			_, err = keycask.Open(location, keys)
		default:
			t.Fatalf("no call %s", each.Call)
		}
		refused(each.Call+": "+each.Sentence, each.Status, err)
	}
	if len(all.Tokens)+len(all.MasterKeys)+len(all.Stores)+len(all.Calls) < 150 {
		t.Fatal("there are too few cases")
	}
}
