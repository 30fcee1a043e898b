package jwtauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MaxTokenBytes bounds what is looked at: a longer token is malformed.
const MaxTokenBytes = 16 << 10

// Verifier checks tokens against one configuration. It is safe for concurrent use;
// nothing in it changes but fetched keys. Close ends it.
type Verifier struct {
	cfg    Config
	alg    string
	keys   keyring
	parser *jwt.Parser
}

// Option changes how a Verifier works.
type Option func(*options)

type options struct{ report func(Fetch) }

// ReportFetches has f told of every attempt to fetch keys. It is called from any
// goroutine.
func ReportFetches(f func(Fetch)) Option { return func(o *options) { o.report = f } }

// NewVerifier validates the configuration and reads its key files. Keys from a server
// are fetched later, when Prepare is called or a token needs one.
func NewVerifier(cfg Config, opts ...Option) (*Verifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	keys, err := loadKeys(cfg, o.report)
	if err != nil {
		return nil, err
	}
	alg := cfg.algorithm()
	// Times are checked here, not by the library: its texts are not those that
	// clients know.
	parser := jwt.NewParser(jwt.WithValidMethods([]string{alg}), jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding())
	return &Verifier{cfg: cfg, alg: alg, keys: keys, parser: parser}, nil
}

// AllowEmpty tells whether people without a token are let in.
func (v *Verifier) AllowEmpty() bool { return v.cfg.AllowEmpty }

// Prepare begins to fetch a key set and does not wait for it.
func (v *Verifier) Prepare(now time.Time) {
	if v.keys.remote != nil {
		v.keys.remote.warm(now)
	}
}

// Close ends what is being fetched; tokens that need further keys are refused. It may
// be called twice.
func (v *Verifier) Close() {
	if v.keys.remote != nil {
		v.keys.remote.Close()
	}
}

// Verify checks a token, with the current time as an argument, and returns its
// claims. The error is always an *Error. An empty token where guests are allowed
// gives nil claims and no error. It may wait for a key that has to be fetched, once,
// until ctx ends.
//
// The order of the checks and their texts are those web clients have learnt from
// Prosody's token plug-in; the first failing one counts.
func (v *Verifier) Verify(ctx context.Context, token string, now time.Time) (*Claims, error) {
	if token == "" {
		if v.cfg.AllowEmpty {
			return nil, nil
		}
		return nil, refuse(Missing, "token required")
	}
	body, err := v.open(ctx, token, now)
	if err != nil {
		return nil, err
	}
	c, err := newClaims(body)
	if err != nil {
		return nil, err
	}
	if err := v.checkTimes(c, now); err != nil {
		return nil, err
	}
	if err := v.checkParties(c); err != nil {
		return nil, err
	}
	return c, nil
}

// open splits the token, looks at its header, and verifies the signature.
func (v *Verifier) open(ctx context.Context, token string, now time.Time) (map[string]any, *Error) {
	parts := strings.Split(token, ".")
	if len(token) > MaxTokenBytes || len(parts) != 3 || parts[0] == "" || parts[1] == "" {
		return nil, refuse(Malformed, "Invalid token")
	}
	header, ok := segment(parts[0])
	if !ok {
		return nil, refuse(Malformed, "Invalid header")
	}
	if parts[2] == "" {
		// An unsigned token; upstream does not look further.
		kind := Malformed
		if strings.EqualFold(text(header["alg"]), "none") {
			kind = AlgNone
		}
		return nil, refuse(kind, "Invalid token")
	}
	key, err := v.key(ctx, header, now)
	if err != nil {
		return nil, err
	}
	body, ok := segment(parts[1])
	if !ok {
		return nil, refuse(Malformed, "Invalid body")
	}
	if _, err := base64.RawURLEncoding.Strict().DecodeString(parts[2]); err != nil {
		return nil, refuse(Malformed, "Invalid signature")
	}
	if text(header["typ"]) != "JWT" {
		return nil, refuse(Malformed, "Invalid typ")
	}
	if header["crit"] != nil { // extensions we would have to understand (RFC 7515 §4.1.11)
		return nil, refuse(Malformed, "Invalid header")
	}
	if alg := text(header["alg"]); alg != v.alg {
		kind := WrongAlg
		if strings.EqualFold(alg, "none") {
			kind = AlgNone
		}
		return nil, refuse(kind, "Invalid or incorrect alg")
	}
	if _, err := v.parser.Parse(token, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
		return nil, refuse(BadSignature, "Invalid signature")
	}
	return body, nil
}

// key chooses the key for a header. With a key set the token has to name it. The
// algorithm is compared before anything is fetched.
func (v *Verifier) key(ctx context.Context, header map[string]any, now time.Time) (any, *Error) {
	if !v.keys.named() {
		return v.keys.single, nil
	}
	kid := text(header["kid"])
	alg := text(header["alg"])
	switch {
	case kid == "":
		return nil, refuse(UnknownKey, "'kid' claim is missing")
	case alg == "":
		return nil, refuse(Malformed, "'alg' claim is missing")
	case strings.HasPrefix(alg, "HS"):
		return nil, refuse(WrongAlg, "'kid' claim only support with RS family")
	case alg != v.alg:
		return nil, nil // is refused before a key is needed
	}
	key, err := v.keys.find(ctx, kid, now)
	if err != nil {
		kind := KeyUnavailable
		if IsUnknown(err) {
			kind = UnknownKey
		}
		e := refuse(kind, "could not obtain public key")
		e.Cause = err
		return nil, e
	}
	return key, nil
}

func (v *Verifier) checkTimes(c *Claims, now time.Time) *Error {
	if c.Expires.IsZero() && v.cfg.RequireExp {
		return refuse(NoExpiry, "'exp' claim is missing")
	}
	if !c.Expires.IsZero() && !now.Before(c.Expires.Add(v.cfg.Leeway)) {
		since := int64(now.Sub(c.Expires) / time.Second)
		valid := ""
		if !c.IssuedAt.IsZero() {
			valid = fmt.Sprintf(", valid for:%d sec", int64(c.Expires.Sub(c.IssuedAt)/time.Second))
		}
		return refuse(Expired, fmt.Sprintf("Not acceptable by exp (%d sec since expired%s)", since, valid))
	}
	if !c.NotBefore.IsZero() && now.Add(v.cfg.Leeway).Before(c.NotBefore) {
		e := refuse(NotYetValid, "Not acceptable by nbf")
		e.Cause = fmt.Errorf("it is valid in %d sec; if it was made just now, compare the clocks", int64(c.NotBefore.Sub(now)/time.Second))
		return e
	}
	return nil
}

func (v *Verifier) checkParties(c *Claims) *Error {
	accepted := func(list []string, names ...string) bool {
		return slices.Contains(list, "*") || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(list, n) })
	}
	switch {
	case c.Issuer == "":
		return refuse(WrongIssuer, "'iss' claim is missing")
	case !accepted(v.cfg.issuers(), c.Issuer):
		return refuse(WrongIssuer, "invalid 'iss' claim")
	case len(c.Audience) == 0:
		return refuse(WrongAudience, "'aud' claim is missing")
	case !accepted(v.cfg.audiences(), c.Audience...):
		return refuse(WrongAudience, "invalid 'aud' claim")
	case c.Room == "" && v.cfg.RequireRoom:
		return &Error{Kind: NoRoom, Text: "room claim is missing", Condition: "not-authorized"}
	case c.Subject == "":
		return &Error{Kind: NoSubject, Text: "sub claim is missing", Condition: "not-authorized"}
	}
	return nil
}

// segment decodes one part of a token: a JSON object in unpadded base64url.
func segment(s string) (map[string]any, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, false
	}
	var m map[string]any
	if json.Unmarshal(raw, &m) != nil || m == nil {
		return nil, false
	}
	return m, true
}
