// Package sasl is the server's side of log-in mechanisms (RFC 6120 §6): PLAIN,
// SCRAM-SHA-1, SCRAM-SHA-256 and their -PLUS forms, ANONYMOUS with or without a room token.
//
// An Exchange is one attempt; what it proves is an Identity. Which mechanisms a
// host offers on which transport, and the XML around them, is decided in
// xmppd/c2s.
package sasl

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/xdg-go/scram"
	"mellium.im/xmpp/jid"

	"parley/jwtauth"
	"parley/xmppd/account"
)

// Failure is a refused attempt, in the words of RFC 6120 §6.5.
type Failure struct {
	Condition string
	Text      string
	// Cause is for the log; it may say more than the peer should know, never secrets.
	Cause error
}

func (f *Failure) Error() string {
	if f.Text == "" {
		return f.Condition
	}
	return f.Condition + ": " + f.Text
}

func (f *Failure) Unwrap() error { return f.Cause }

// Conditions of RFC 6120 §6.5.
const (
	Aborted            = "aborted"
	EncryptionRequired = "encryption-required"
	IncorrectEncoding  = "incorrect-encoding"
	InvalidAuthzid     = "invalid-authzid"
	InvalidMechanism   = "invalid-mechanism"
	MalformedRequest   = "malformed-request"
	NotAllowed         = "not-allowed"
	NotAuthorized      = "not-authorized"
	AccountDisabled    = "account-disabled"
	TemporaryFailure   = "temporary-auth-failure"
)

// wrongText is what somebody with a wrong password reads; the same for an unknown name.
const wrongText = "Unable to authorize you with the authentication credentials you've sent."

// Names of the mechanisms.
const (
	Plain       = "PLAIN"
	ScramSHA1   = "SCRAM-SHA-1"
	ScramSHA256 = "SCRAM-SHA-256"
	Anonymous   = "ANONYMOUS"

	ScramSHA1Plus   = "SCRAM-SHA-1-PLUS"
	ScramSHA256Plus = "SCRAM-SHA-256-PLUS"
)

// Identity is what a successful exchange proved.
type Identity struct {
	Name      string // local part, prepared
	Anonymous bool
	Token     any // verified claims, nil without a token
}

// Exchange is one log-in attempt. Next takes what the peer sent, decoded; the
// answer goes into a challenge, or with done into the success. A failed Exchange is over.
type Exchange interface {
	Next(ctx context.Context, response []byte) (answer []byte, done bool, err error)
	// Identity is valid once done.
	Identity() Identity
}

// Accounts are the password accounts of a host; account.Accounts are.
type Accounts interface {
	Credentials(ctx context.Context, name, domain string, h account.Hash) (c scram.StoredCredentials, real bool, err error)
	Check(ctx context.Context, name, domain, password string) (bool, error)
	Disabled(ctx context.Context, name, domain string) (bool, error)
}

// enabled refuses whoever proved to be the owner of a disabled account.
func enabled(ctx context.Context, a Accounts, name, domain string) error {
	off, err := a.Disabled(ctx, name, domain)
	switch {
	case err != nil:
		return &Failure{Condition: TemporaryFailure, Cause: err}
	case off:
		return &Failure{Condition: AccountDisabled, Text: "This account has been disabled."}
	}
	return nil
}

// TokenVerifier checks room tokens; jwtauth.Verifier does.
type TokenVerifier interface {
	Verify(ctx context.Context, token string, now time.Time) (*jwtauth.Claims, error)
}

// NewPassword starts PLAIN or a SCRAM mechanism; nil for another name. bindings are
// those offered on the stream.
func NewPassword(mechanism, domain string, a Accounts, bindings []scram.ChannelBinding) Exchange {
	switch mechanism {
	case Plain:
		return &plain{domain: domain, accounts: a}
	case ScramSHA1:
		return newScram(scram.SHA1, account.SHA1, domain, a, bindings, false)
	case ScramSHA256:
		return newScram(scram.SHA256, account.SHA256, domain, a, bindings, false)
	case ScramSHA1Plus:
		return newScram(scram.SHA1, account.SHA1, domain, a, bindings, true)
	case ScramSHA256Plus:
		return newScram(scram.SHA256, account.SHA256, domain, a, bindings, true)
	}
	return nil
}

// Claimer is an Exchange that knows who the peer says it is before that is proved, for
// the log.
type Claimer interface{ Claimed() string }

type plain struct {
	domain   string
	accounts Accounts
	claimed  string
	id       Identity
}

func (p *plain) Identity() Identity { return p.id }

// Claimed implements Claimer.
func (p *plain) Claimed() string { return p.claimed }

// Next reads authzid NUL authcid NUL password (RFC 4616).
func (p *plain) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	parts := bytes.Split(response, []byte{0})
	if len(parts) != 3 || len(parts[1]) == 0 || len(parts[2]) == 0 {
		return nil, false, &Failure{Condition: MalformedRequest}
	}
	name, err := prepare(string(parts[1]), p.domain)
	if err != nil {
		return nil, false, err
	}
	p.claimed = name
	if err := authzid(string(parts[0]), name, p.domain); err != nil {
		return nil, false, err
	}
	ok, err := p.accounts.Check(ctx, name, p.domain, string(parts[2]))
	if err != nil {
		return nil, false, &Failure{Condition: TemporaryFailure, Cause: err}
	}
	if !ok {
		return nil, false, &Failure{Condition: NotAuthorized, Text: wrongText}
	}
	if err := enabled(ctx, p.accounts, name, p.domain); err != nil {
		return nil, false, err
	}
	p.id = Identity{Name: name}
	return nil, true, nil
}

func prepare(name, domain string) (string, error) {
	j, err := jid.New(name, domain, "")
	if err != nil || j.Localpart() == "" {
		return "", &Failure{Condition: NotAuthorized, Text: wrongText}
	}
	return j.Localpart(), nil
}

// authzid allows to act as oneself only.
func authzid(id, name, domain string) error {
	if id == "" || id == name+"@"+domain {
		return nil
	}
	if j, err := jid.Parse(id); err == nil && j.Bare().String() == name+"@"+domain {
		return nil
	}
	return &Failure{Condition: InvalidAuthzid, Text: "One may act as oneself only"}
}

type scramExchange struct {
	domain   string
	accounts Accounts
	server   *scram.Server
	bindings []scram.ChannelBinding
	plus     bool
	conv     *scram.ServerConversation // nil until the first message
	err      error                     // of the look-up
	name     string
	real     bool
	id       Identity
}

func newScram(h scram.HashGeneratorFcn, which account.Hash, domain string, a Accounts, bindings []scram.ChannelBinding, plus bool) *scramExchange {
	x := &scramExchange{domain: domain, accounts: a, bindings: bindings, plus: plus}
	x.server, x.err = h.NewServer(func(user string) (scram.StoredCredentials, error) {
		name, err := prepare(user, domain)
		if err != nil {
			x.err = err
			return scram.StoredCredentials{}, err
		}
		x.name = name
		var c scram.StoredCredentials
		c, x.real, err = a.Credentials(context.Background(), name, domain, which)
		if err != nil {
			x.err = &Failure{Condition: TemporaryFailure, Cause: err}
		}
		return c, err
	})
	if x.err != nil {
		x.err = &Failure{Condition: TemporaryFailure, Cause: x.err}
	}
	return x
}

// Claimed implements Claimer.
func (x *scramExchange) Claimed() string { return x.name }

// begin chooses the binding the client names in its first message.
func (x *scramExchange) begin(first string) error {
	flag, _, _ := strings.Cut(first, ",")
	kind, bound := strings.CutPrefix(flag, "p=")
	if bound != x.plus {
		return &Failure{Condition: MalformedRequest}
	}
	if len(x.bindings) == 0 {
		x.conv = x.server.NewConversation()
		return nil
	}
	cb := x.bindings[0]
	for _, b := range x.bindings {
		if string(b.Type) == kind {
			cb = b
		}
	}
	x.conv = x.server.NewConversationWithChannelBinding(cb)
	return nil
}

func (x *scramExchange) Identity() Identity { return x.id }

// Next is a step of RFC 5802.
func (x *scramExchange) Next(ctx context.Context, response []byte) ([]byte, bool, error) {
	if x.err != nil {
		return nil, false, x.err
	}
	if len(response) == 0 {
		return nil, false, &Failure{Condition: MalformedRequest}
	}
	if x.conv == nil {
		if err := x.begin(string(response)); err != nil {
			return nil, false, err
		}
	}
	answer, err := x.conv.Step(string(response))
	if x.err != nil {
		return nil, false, x.err
	}
	if err != nil {
		// The library's error may hold key material: it is not kept.
		if answer == "" && !x.conv.Done() {
			return nil, false, &Failure{Condition: MalformedRequest}
		}
		return nil, false, &Failure{Condition: NotAuthorized, Text: wrongText}
	}
	if !x.conv.Done() {
		return []byte(answer), false, nil
	}
	if !x.conv.Valid() || !x.real {
		return nil, false, &Failure{Condition: NotAuthorized, Text: wrongText}
	}
	if err := authzid(x.conv.AuthzID(), x.name, x.domain); err != nil {
		return nil, false, err
	}
	if err := enabled(ctx, x.accounts, x.name, x.domain); err != nil {
		return nil, false, err
	}
	x.id = Identity{Name: x.name}
	return []byte(answer), true, nil
}

// AnonymousOptions are the rules of an ANONYMOUS log-in.
type AnonymousOptions struct {
	// Verifier checks tokens; nil where tokens mean nothing, and are then discarded.
	Verifier TokenVerifier
	Token    string // of the URL or header
	// Client is where the peer is, as far as it is known: what its token makes the server
	// fetch is counted there.
	Client netip.Addr
	// Name is the wanted local part, for a session to be resumed; "" makes a new one.
	Name string
}

type anonymous struct {
	o  AnonymousOptions
	id Identity
}

// NewAnonymous starts ANONYMOUS (RFC 4505). What the peer sends along is ignored.
func NewAnonymous(o AnonymousOptions) Exchange { return &anonymous{o: o} }

func (a *anonymous) Identity() Identity { return a.id }

func (a *anonymous) Next(ctx context.Context, _ []byte) ([]byte, bool, error) {
	a.id = Identity{Name: a.o.Name, Anonymous: true}
	if a.o.Verifier != nil {
		claims, err := a.o.Verifier.Verify(jwtauth.AskedFrom(ctx, a.o.Client), a.o.Token, time.Now())
		var refused *jwtauth.Error
		switch {
		case errors.As(err, &refused):
			return nil, false, &Failure{Condition: refused.Condition, Text: refused.Text, Cause: err}
		case err != nil:
			return nil, false, &Failure{Condition: TemporaryFailure, Cause: err}
		case claims != nil:
			a.id.Token = claims
		}
	}
	if a.id.Name == "" {
		a.id.Name = uuid()
	}
	return nil, true, nil
}

// uuid is a random UUID; web clients take its first eight digits as their nick
// (lib-jitsi-meet, JitsiConference).
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
