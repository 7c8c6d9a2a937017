//go:build cgo

package keycask

import (
	"database/sql/driver"
	"fmt"
)

// A Column is a value of a database's token column: a secret of one user in the program, a token in the database.
//
//	column := store.Column("alice")
//	column.Set("sk-alice-1234")
//	_, err := db.Exec("UPDATE users SET openai_key = ? WHERE name = 'alice'", column)
//	err = db.QueryRow("SELECT openai_key FROM users WHERE name = 'alice'").Scan(column)
//
// A value from before tokens is read as the plaintext that it is, and becomes a token when it is written.
type Column struct {
	// Secret is the plaintext; without meaning where Valid is false.
	Secret Secret
	// Valid is false for NULL.
	Valid bool
	// Stale is whether what was scanned should be written anew: it was plaintext from before tokens, or a token under an
	// earlier key of the user.
	Stale bool
	// TokensOnly refuses plaintext from before tokens, ErrFormat. Whoever can write the database could take the "v2:" off a
	// token: set it once all values are tokens.
	TokensOnly bool

	store *Store
	user  string
}

// Column is a token column's value of a user, NULL at first.
func (s *Store) Column(user string) *Column { return &Column{store: s, user: user} }

// Set gives the column a plaintext.
func (c *Column) Set(plaintext string) { c.take(NewSecret([]byte(plaintext)), false) }

func (c *Column) take(secret Secret, stale bool) { c.Secret, c.Valid, c.Stale = secret, true, stale }

// Scan takes what the database holds: a token, plaintext from before tokens, or NULL.
func (c *Column) Scan(value any) error {
	c.Secret, c.Valid, c.Stale = Secret{}, false, false
	var text string
	switch value := value.(type) {
	case nil:
		return nil
	case string:
		text = value
	case []byte:
		text = string(value)
	default:
		return fmt.Errorf("keycask: a token column holds text, and not a %T", value)
	}
	var flags Flag
	if c.TokensOnly {
		flags = Strict
	} else if !IsEncrypted(text) {
		c.take(NewSecret([]byte(text)), true)
		return nil
	}
	secret, stale, err := c.store.DecryptTold(c.user, text, flags)
	if err == nil {
		c.take(secret, stale)
	}
	return err
}

// Value is a new token of the secret, or NULL.
func (c *Column) Value() (driver.Value, error) {
	if !c.Valid {
		return nil, nil
	}
	token, err := c.store.EncryptBytes(c.user, c.Secret.Bytes())
	if err != nil {
		return nil, err
	}
	return token, nil
}
