package jwtauth

import (
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

// Verifier checks tokens against one configuration. It is never changed and
// safe for concurrent use.
type Verifier struct {
	cfg    Config
	alg    string
	keys   keyring
	parser *jwt.Parser
}

// NewVerifier validates the configuration and reads its key files.
func NewVerifier(cfg Config) (*Verifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	keys, err := loadKeys(cfg)
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

// Verify checks a token, with the current time as an argument, and returns its
// claims. The error is always an *Error. An empty token where guests are allowed
// gives nil claims and no error.
//
// The order of the checks and their texts are those web clients have learnt from
// Prosody's token plug-in; the first failing one counts.
func (v *Verifier) Verify(token string, now time.Time) (*Claims, error) {
	if token == "" {
		if v.cfg.AllowEmpty {
			return nil, nil
		}
		return nil, refuse(Missing, "token required")
	}
	body, err := v.open(token)
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
func (v *Verifier) open(token string) (map[string]any, *Error) {
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
	key, err := v.key(header)
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

// key chooses the key for a header. With a key set the token has to name it.
func (v *Verifier) key(header map[string]any) (any, *Error) {
	if v.keys.byID == nil {
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
	case v.keys.byID[kid] == nil:
		return nil, refuse(UnknownKey, "could not obtain public key")
	}
	return v.keys.byID[kid], nil
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
		return refuse(NotYetValid, "Not acceptable by nbf")
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
