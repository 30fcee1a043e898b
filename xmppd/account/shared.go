package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"github.com/xdg-go/scram"
)

// Shared lets services log in under any name with one secret, so that a deployment can
// grow without an account for each of them. It keeps nothing and is never changed.
type Shared struct {
	current, previous [sha256.Size]byte // digests, so that comparing tells no lengths
	hasPrevious       bool
	sha1, sha256      scram.StoredCredentials
}

// NewShared takes the secret, and the one it has followed: that is good in PLAIN while
// services learn the new one. previous may be empty.
func NewShared(secret, previous string) (*Shared, error) {
	s := &Shared{current: sha256.Sum256([]byte(secret)), previous: sha256.Sum256([]byte(previous)), hasPrevious: previous != ""}
	salt := make([]byte, saltBytes)
	if _, err := rand.Read(salt); err != nil {
		return nil, err
	}
	var err error
	if s.sha1, err = derive(scram.SHA1, secret, salt, Iterations); err != nil {
		return nil, fmt.Errorf("shared secret: %w", err)
	}
	if s.sha256, err = derive(scram.SHA256, secret, salt, Iterations); err != nil {
		return nil, fmt.Errorf("shared secret: %w", err)
	}
	return s, nil
}

// Credentials are the same for every name.
func (s *Shared) Credentials(_ context.Context, _, _ string, h Hash) (scram.StoredCredentials, bool, error) {
	if h == SHA256 {
		return s.sha256, true, nil
	}
	return s.sha1, true, nil
}

// Check compares a password with the secrets.
func (s *Shared) Check(_ context.Context, _, _, password string) (bool, error) {
	sum := sha256.Sum256([]byte(password))
	ok := subtle.ConstantTimeCompare(sum[:], s.current[:])
	if s.hasPrevious {
		ok |= subtle.ConstantTimeCompare(sum[:], s.previous[:])
	}
	return ok == 1, nil
}

// Disabled is false: there is nobody in particular to be shut out.
func (s *Shared) Disabled(context.Context, string, string) (bool, error) { return false, nil }
