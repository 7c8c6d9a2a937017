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

	store *Store
	user  string
}

// Column is a token column's value of a user, NULL at first.
func (s *Store) Column(user string) *Column { return &Column{store: s, user: user} }

// Set gives the column a plaintext.
func (c *Column) Set(plaintext string) { c.Secret, c.Valid = NewSecret([]byte(plaintext)), true }

// Scan takes what the database holds: a token, plaintext from before tokens, or NULL.
func (c *Column) Scan(value any) error {
	c.Secret, c.Valid = Secret{}, false
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
	if !IsEncrypted(text) {
		c.Set(text)
		return nil
	}
	secret, err := c.store.Decrypt(c.user, text)
	if err == nil {
		c.Secret, c.Valid = secret, true
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
