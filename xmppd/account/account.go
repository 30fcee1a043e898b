// Package account keeps the local accounts: names and SCRAM keys (RFC 5802), never
// passwords.
//
// For each account there are keys for SHA-1, which web clients need, and SHA-256,
// from one salt, so that both mechanisms and PLAIN work. Accounts of our own
// services are managed: they follow the configuration at each start, and nobody
// changes them by command. The database is shared with offline commands; nothing is
// cached here.
//
// What an account may do is decided elsewhere; contact lists are kept by xmppd.
package account

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/xdg-go/scram"
	"mellium.im/xmpp/jid"

	"parley/internal/store"
)

// Iterations of the key derivation for new passwords.
const Iterations = 10000

const (
	saltBytes   = 16
	maxPassword = 1024 // bytes
)

// Errors of the functions below.
var (
	ErrNotFound = errors.New("the given user does not exist on the server")
	ErrExists   = errors.New("user exists")
	ErrName     = errors.New("this is no user name")
	ErrDomain   = errors.New("the given hostname does not exist in the config")
	ErrPassword = errors.New("this password cannot be used: it is empty, too long, or holds characters that cannot be typed")
)

// ManagedError is returned for a change of an account that the configuration manages.
type ManagedError struct {
	Account string
	Setting string // the configuration key to change instead
}

func (e *ManagedError) Error() string {
	return fmt.Sprintf("%s belongs to a service of this server; change %s in the configuration instead", e.Account, e.Setting)
}

//go:embed migrations/*.sql
var migrations embed.FS

// Hash is one of the two hash functions with stored keys.
type Hash string

// The hash functions.
const (
	SHA1   Hash = "SHA-1"
	SHA256 Hash = "SHA-256"
)

// Service is an account the configuration manages.
type Service struct {
	Name, Domain string
	Password     string
	Setting      string // the key of Password in the configuration, for messages
}

// Account is an entry of a listing.
type Account struct {
	Name, Domain     string
	Created, Changed time.Time
	Seen             time.Time // when the last session ended; zero if never
	Managed          bool
	Disabled         bool
}

// String is the address.
func (a Account) String() string { return a.Name + "@" + a.Domain }

// Accounts are the accounts of all hosts. Its methods may be called from any goroutine.
type Accounts struct {
	db      *store.Store
	hosts   map[string]bool
	managed map[string]Service // by address
	decoy   []byte             // key for the salts of accounts that do not exist

	deleted func(name, domain string) // set before use, may be nil
}

// OnDelete has f called after an account was removed through a, so that its
// sessions can be ended. Set it before a is used by others.
func (a *Accounts) OnDelete(f func(name, domain string)) { a.deleted = f }

// New opens the accounts in a store. hosts are the domains that may have accounts;
// services are managed accounts, which Ensure writes.
func New(ctx context.Context, db *store.Store, hosts []string, services []Service) (*Accounts, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := db.Migrate(ctx, "account", dir); err != nil {
		return nil, err
	}
	a := &Accounts{db: db, hosts: make(map[string]bool), managed: make(map[string]Service), decoy: make([]byte, 32)}
	if _, err := rand.Read(a.decoy); err != nil {
		return nil, err
	}
	if err := a.keepDecoy(ctx); err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	for _, h := range hosts {
		a.hosts[strings.ToLower(h)] = true
	}
	for _, s := range services {
		a.managed[s.Name+"@"+s.Domain] = s
	}
	return a, nil
}

// keepDecoy takes the key of made-up salts from the database, or puts it there: salts
// that change when the server begins anew are those of names nobody has.
func (a *Accounts) keepDecoy(ctx context.Context) error {
	return a.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO account_decoy (one, key) VALUES (1, ?) ON CONFLICT DO NOTHING`, a.decoy); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT key FROM account_decoy`).Scan(&a.decoy)
	})
}

// Ensure gives every managed account the password of the configuration.
func (a *Accounts) Ensure(ctx context.Context) error {
	for addr, s := range a.managed {
		if ok, err := a.Check(ctx, s.Name, s.Domain, s.Password); err == nil && ok {
			continue
		}
		name, domain, err := a.prepare(s.Name, s.Domain)
		if err != nil {
			return fmt.Errorf("service account %s: %w", addr, err)
		}
		if err := a.put(ctx, name, domain, s.Password, true, true); err != nil {
			return fmt.Errorf("service account %s: %w", addr, err)
		}
	}
	return nil
}

// Create makes a new account; ErrExists if there is one.
func (a *Accounts) Create(ctx context.Context, name, domain, password string) error {
	return a.change(ctx, name, domain, password, true, false)
}

// SetPassword changes the password of an account; ErrNotFound if there is none.
func (a *Accounts) SetPassword(ctx context.Context, name, domain, password string) error {
	return a.change(ctx, name, domain, password, false, true)
}

// Register makes an account or replaces its password, as prosodyctl register does.
func (a *Accounts) Register(ctx context.Context, name, domain, password string) error {
	return a.change(ctx, name, domain, password, true, true)
}

func (a *Accounts) change(ctx context.Context, name, domain, password string, create, replace bool) error {
	name, domain, err := a.prepare(name, domain)
	if err != nil {
		return err
	}
	if err := a.free(name, domain); err != nil {
		return err
	}
	return a.put(ctx, name, domain, password, create, replace)
}

func (a *Accounts) free(name, domain string) error {
	if s, ok := a.managed[name+"@"+domain]; ok {
		return &ManagedError{Account: name + "@" + domain, Setting: s.Setting}
	}
	return nil
}

func (a *Accounts) prepare(name, domain string) (string, string, error) {
	j, err := jid.New(name, domain, "")
	if err != nil || j.Localpart() == "" {
		return "", "", ErrName
	}
	if !a.hosts[j.Domainpart()] {
		return "", "", fmt.Errorf("%w: %s; accounts can be in %s", ErrDomain, j.Domainpart(), strings.Join(slices.Sorted(maps.Keys(a.hosts)), ", "))
	}
	return j.Localpart(), j.Domainpart(), nil
}

func (a *Accounts) put(ctx context.Context, name, domain, password string, create, replace bool) error {
	salt := make([]byte, saltBytes)
	if _, err := rand.Read(salt); err != nil {
		return err
	}
	k1, err := derive(scram.SHA1, password, salt, Iterations)
	if err != nil {
		return err
	}
	k256, err := derive(scram.SHA256, password, salt, Iterations)
	if err != nil {
		return err
	}
	now := time.Now().Unix()
	return a.db.Write(ctx, func(tx *sql.Tx) error {
		var one int
		err := tx.QueryRowContext(ctx, `SELECT 1 FROM accounts WHERE domain = ? AND name = ?`, domain, name).Scan(&one)
		there := err == nil
		switch {
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return err
		case there && !replace:
			return ErrExists
		case !there && !create:
			return ErrNotFound
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO accounts (domain, name, iterations, salt, sha1_stored, sha1_server, sha256_stored, sha256_server, created, changed)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (domain, name) DO UPDATE SET iterations = excluded.iterations, salt = excluded.salt,
				sha1_stored = excluded.sha1_stored, sha1_server = excluded.sha1_server,
				sha256_stored = excluded.sha256_stored, sha256_server = excluded.sha256_server, changed = excluded.changed`,
			domain, name, Iterations, salt, k1.StoredKey, k1.ServerKey, k256.StoredKey, k256.ServerKey, now, now)
		return err
	})
}

func derive(h scram.HashGeneratorFcn, password string, salt []byte, iterations int) (scram.StoredCredentials, error) {
	if password == "" || len(password) > maxPassword {
		return scram.StoredCredentials{}, ErrPassword
	}
	c, err := h.NewClient("", password, "")
	if err != nil {
		return scram.StoredCredentials{}, ErrPassword
	}
	k, err := c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: iterations})
	if err != nil {
		return k, ErrPassword
	}
	return k, nil
}

// MayDelete says why an account could not be removed, if so.
func (a *Accounts) MayDelete(name, domain string) error {
	name, domain, err := a.prepare(name, domain)
	if err != nil {
		return err
	}
	return a.free(name, domain)
}

// Delete removes an account.
func (a *Accounts) Delete(ctx context.Context, name, domain string) error {
	name, domain, err := a.prepare(name, domain)
	if err != nil {
		return err
	}
	if err := a.free(name, domain); err != nil {
		return err
	}
	err = a.db.Write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM accounts WHERE domain = ? AND name = ?`, domain, name)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err == nil && n == 0 {
			return ErrNotFound
		}
		return nil
	})
	if err == nil && a.deleted != nil {
		a.deleted(name, domain)
	}
	return err
}

// List is all accounts of a domain, of all domains if it is empty, sorted.
func (a *Accounts) List(ctx context.Context, domain string) ([]Account, error) {
	rows, err := a.db.Read().QueryContext(ctx, `SELECT name, domain, created, changed, seen, disabled FROM accounts
		WHERE domain = ?1 OR ?1 = '' ORDER BY domain, name`, domain)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	defer rows.Close()
	var out []Account
	for rows.Next() {
		var x Account
		var created, changed, seen int64
		if err := rows.Scan(&x.Name, &x.Domain, &created, &changed, &seen, &x.Disabled); err != nil {
			return nil, fmt.Errorf("list accounts: %w", err)
		}
		x.Created, x.Changed = time.Unix(created, 0), time.Unix(changed, 0)
		if seen > 0 {
			x.Seen = time.Unix(seen, 0)
		}
		_, x.Managed = a.managed[x.String()]
		out = append(out, x)
	}
	return out, rows.Err()
}

// SetDisabled bars an account from logging in, or lets it again. Its sessions are
// the caller's business.
func (a *Accounts) SetDisabled(ctx context.Context, name, domain string, disabled bool) error {
	name, domain, err := a.prepare(name, domain)
	if err != nil {
		return err
	}
	if err := a.free(name, domain); err != nil {
		return err
	}
	return a.update(ctx, `UPDATE accounts SET disabled = ? WHERE domain = ? AND name = ?`, disabled, domain, name)
}

// Saw notes that a session of the account ended now.
func (a *Accounts) Saw(ctx context.Context, name, domain string, now time.Time) error {
	return a.update(ctx, `UPDATE accounts SET seen = ? WHERE domain = ? AND name = ?`, now.Unix(), domain, name)
}

func (a *Accounts) update(ctx context.Context, query string, args ...any) error {
	return a.db.Write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err == nil && n == 0 {
			return ErrNotFound
		}
		return nil
	})
}

// Disabled says whether an account may not log in.
func (a *Accounts) Disabled(ctx context.Context, name, domain string) (off bool, err error) {
	err = a.db.Read().QueryRowContext(ctx, `SELECT disabled FROM accounts WHERE domain = ? AND name = ?`, domain, name).Scan(&off)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return off, err
}

// Seen is when the account's last session ended, zero if there was none or no such account.
func (a *Accounts) Seen(ctx context.Context, name, domain string) (time.Time, error) {
	var seen int64
	err := a.db.Read().QueryRowContext(ctx, `SELECT seen FROM accounts WHERE domain = ? AND name = ?`, domain, name).Scan(&seen)
	if errors.Is(err, sql.ErrNoRows) || err == nil && seen == 0 {
		return time.Time{}, nil
	}
	return time.Unix(seen, 0), err
}

// Exists says whether there is such an account.
func (a *Accounts) Exists(ctx context.Context, name, domain string) (bool, error) {
	var one int
	err := a.db.Read().QueryRowContext(ctx, `SELECT 1 FROM accounts WHERE domain = ? AND name = ?`, domain, name).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Credentials are the stored keys of an account. For an account that does not
// exist they are made up, always the same ones for a name, so that a stranger
// cannot find out who exists; real is false then.
func (a *Accounts) Credentials(ctx context.Context, name, domain string, h Hash) (c scram.StoredCredentials, real bool, err error) {
	stored, server := "sha1_stored", "sha1_server"
	if h == SHA256 {
		stored, server = "sha256_stored", "sha256_server"
	}
	var salt []byte
	err = a.db.Read().QueryRowContext(ctx, `SELECT salt, iterations, `+stored+`, `+server+` FROM accounts WHERE domain = ? AND name = ?`,
		domain, name).Scan(&salt, &c.Iters, &c.StoredKey, &c.ServerKey)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		m := hmac.New(sha256.New, a.decoy)
		_, _ = fmt.Fprintf(m, "%s@%s", name, domain)
		sum := m.Sum(nil)
		c.Salt, c.Iters = string(sum[:saltBytes]), Iterations
		c.StoredKey, c.ServerKey = sum, sum
		if h == SHA1 {
			c.StoredKey, c.ServerKey = sum[:20], sum[:20]
		}
		return c, false, nil
	case err != nil:
		return c, false, fmt.Errorf("read account: %w", err)
	}
	c.Salt = string(salt)
	return c, true, nil
}

// Check compares a password given in clear. It takes as long for an account that
// does not exist.
func (a *Accounts) Check(ctx context.Context, name, domain, password string) (bool, error) {
	want, real, err := a.Credentials(ctx, name, domain, SHA256)
	if err != nil {
		return false, err
	}
	got, err := derive(scram.SHA256, password, []byte(want.Salt), want.Iters)
	if err != nil {
		return false, nil
	}
	return hmac.Equal(got.StoredKey, want.StoredKey) && real, nil
}
