package jwtauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const secret = "0123456789abcdef0123456789abcdef"

var now = time.Unix(1_800_000_000, 0)

func hs256() Config {
	cfg := DefaultConfig()
	cfg.Secret = secret
	return cfg
}

func verifier(t testing.TB, change ...func(*Config)) *Verifier {
	t.Helper()
	cfg := hs256()
	for _, c := range change {
		c(&cfg)
	}
	v, err := NewVerifier(cfg)
	require.NoError(t, err)
	return v
}

// body is what the tokens of the recordings claim, changed by pairs of name and
// value; a nil value removes the claim.
func body(changes ...any) jwt.MapClaims {
	m := jwt.MapClaims{
		"iss": "parley", "aud": "parley", "sub": "meet.example.com", "room": "demo",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == nil {
			delete(m, changes[i].(string))
		} else {
			m[changes[i].(string)] = changes[i+1]
		}
	}
	return m
}

func sign(t testing.TB, method jwt.SigningMethod, key any, claims jwt.MapClaims, header ...any) string {
	t.Helper()
	tok := jwt.NewWithClaims(method, claims)
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == nil {
			delete(tok.Header, header[i].(string))
		} else {
			tok.Header[header[i].(string)] = header[i+1]
		}
	}
	s, err := tok.SignedString(key)
	require.NoError(t, err)
	return s
}

func hs(t testing.TB, changes ...any) string {
	return sign(t, jwt.SigningMethodHS256, []byte(secret), body(changes...))
}

// raw joins parts that need not be JSON, signed as HS256.
func raw(t testing.TB, header, claims string) string {
	t.Helper()
	enc := base64.RawURLEncoding.EncodeToString
	msg := enc([]byte(header)) + "." + enc([]byte(claims))
	sig, err := jwt.SigningMethodHS256.Sign(msg, []byte(secret))
	require.NoError(t, err)
	return msg + "." + enc(sig)
}

// The texts are those of Jitsi's token/util.lib.lua and luajwtjitsi.lib.lua, as recorded
// from the real server.
func TestVerifyRefusals(t *testing.T) {
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, body()).SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	good := hs(t)
	cases := []struct {
		name, token string
		kind        Kind
		text        string
	}{
		{"missing", "", Missing, "token required"},
		{"garbage", "abc", Malformed, "Invalid token"},
		{"two parts", "a.b", Malformed, "Invalid token"},
		{"four parts", good + ".x", Malformed, "Invalid token"},
		{"too long", good + strings.Repeat("a", MaxTokenBytes), Malformed, "Invalid token"},
		{"header no base64", "!!." + strings.SplitN(good, ".", 2)[1], Malformed, "Invalid header"},
		{"header no JSON", raw(t, "{", "{}"), Malformed, "Invalid header"},
		{"body no JSON", raw(t, `{"alg":"HS256","typ":"JWT"}`, "{"), Malformed, "Invalid body"},
		{"body no object", raw(t, `{"alg":"HS256","typ":"JWT"}`, "null"), Malformed, "Invalid body"},
		{"signature no base64", good[:len(good)-1] + "!", Malformed, "Invalid signature"},
		{"no typ", sign(t, jwt.SigningMethodHS256, []byte(secret), body(), "typ", nil), Malformed, "Invalid typ"},
		{"extension it would have to know", sign(t, jwt.SigningMethodHS256, []byte(secret), body(), "crit", []string{"x"}), Malformed, "Invalid header"},
		{"alg none", unsigned, AlgNone, "Invalid token"},
		{"alg none with signature", unsigned + "AAAA", AlgNone, "Invalid or incorrect alg"},
		{"alg nOnE with signature", raw(t, `{"alg":"nOnE","typ":"JWT"}`, "{}"), AlgNone, "Invalid or incorrect alg"},
		{"HS512", sign(t, jwt.SigningMethodHS512, []byte(secret), body()), WrongAlg, "Invalid or incorrect alg"},
		{"other secret", sign(t, jwt.SigningMethodHS256, []byte("another secret of thirty-two byt"), body()), BadSignature, "Invalid signature"},
		{"changed body", strings.Split(good, ".")[0] + "." + strings.Split(hs(t, "room", "*"), ".")[1] + "." + strings.Split(good, ".")[2], BadSignature, "Invalid signature"},
		{"expired", hs(t, "exp", now.Unix()-3620, "iat", now.Unix()-7220), Expired, "Not acceptable by exp (3620 sec since expired, valid for:3600 sec)"},
		{"expired without iat", hs(t, "exp", now.Unix()-61, "iat", nil), Expired, "Not acceptable by exp (61 sec since expired)"},
		{"not yet", hs(t, "nbf", now.Unix()+3600), NotYetValid, "Not acceptable by nbf"},
		{"exp as text", hs(t, "exp", "tomorrow"), Malformed, "exp must be number"},
		{"nbf as text", hs(t, "nbf", "tomorrow"), Malformed, "nbf must be number"},
		{"no exp", hs(t, "exp", nil), NoExpiry, "'exp' claim is missing"},
		{"other iss", hs(t, "iss", "other"), WrongIssuer, "invalid 'iss' claim"},
		{"no iss", hs(t, "iss", nil), WrongIssuer, "'iss' claim is missing"},
		{"other aud", hs(t, "aud", "other"), WrongAudience, "invalid 'aud' claim"},
		{"aud list", hs(t, "aud", []string{"a", "b"}), WrongAudience, "invalid 'aud' claim"},
		{"no aud", hs(t, "aud", nil), WrongAudience, "'aud' claim is missing"},
		{"no room", hs(t, "room", nil), NoRoom, "room claim is missing"},
		{"no sub", hs(t, "sub", nil), NoSubject, "sub claim is missing"},
	}
	v := verifier(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			claims, err := v.Verify(context.Background(), c.token, now)
			assert.Nil(t, claims)
			var e *Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, c.kind, e.Kind)
			assert.Equal(t, c.text, e.Text)
			assert.NotContains(t, e.Kind.String(), "kind-")
			if c.kind == NoRoom || c.kind == NoSubject {
				assert.Equal(t, "not-authorized", e.Condition)
			} else {
				assert.Equal(t, "not-allowed", e.Condition)
			}
			assert.ErrorIs(t, err, &Error{Kind: c.kind})
		})
	}
}

func TestVerifyAccepts(t *testing.T) {
	cases := []struct {
		name    string
		changes []any
		config  func(*Config)
	}{
		{"plain", nil, nil},
		{"aud in a list", []any{"aud", []string{"x", "parley"}}, nil},
		{"just expired, within leeway", []any{"exp", now.Unix() - 59}, nil},
		{"almost valid, within leeway", []any{"nbf", now.Unix() + 59}, nil},
		{"any issuer and audience", []any{"iss", "a", "aud", "b"}, func(c *Config) { c.Issuers = []string{"*"}; c.Audiences = []string{"*"} }},
		{"no exp where not required", []any{"exp", nil}, func(c *Config) { c.RequireExp = false }},
		{"no room where not required", []any{"room", nil}, func(c *Config) { c.RequireRoom = false }},
		{"far future", []any{"exp", 1e300}, nil},
		{"no context", nil, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.config == nil {
				c.config = func(*Config) {}
			}
			_, err := verifier(t, c.config).Verify(context.Background(), hs(t, c.changes...), now)
			require.NoError(t, err)
		})
	}
}

func TestVerifyEmptyAllowed(t *testing.T) {
	claims, err := verifier(t, func(c *Config) { c.AllowEmpty = true }).Verify(context.Background(), "", now)
	require.NoError(t, err)
	assert.Nil(t, claims)
	assert.False(t, claims.IsModerator())
}

func TestClaims(t *testing.T) {
	c, err := verifier(t).Verify(context.Background(), hs(t, "context", map[string]any{
		"user": map[string]any{
			"id": "u1", "name": "Ann", "email": "ann@example.com", "avatar": "https://x/a.png", "moderator": "true",
			"affiliation": "owner", "age": 7, "odd": []int{1},
		},
		"group":    "g1",
		"tenant":   "t1",
		"features": map[string]any{"recording": true, "livestreaming": "true", "outbound-call": "false", "odd": 3},
		"room":     map[string]any{"regex": "true"},
	}), now)
	require.NoError(t, err)
	assert.Equal(t, "demo", c.Room)
	assert.Equal(t, []string{"parley"}, c.Audience)
	assert.True(t, c.RoomRegex)
	assert.Equal(t, "g1", c.Group)
	assert.Equal(t, "t1", c.Tenant)
	assert.Equal(t, map[string]bool{"recording": true, "livestreaming": true, "outbound-call": false, "odd": false}, c.Features)
	assert.Equal(t, "Ann", c.User.Name)
	assert.Equal(t, "7", c.User.Fields["age"])
	assert.NotContains(t, c.User.Fields, "odd")
	assert.True(t, c.IsModerator())
	assert.Equal(t, now.Add(time.Hour), c.Expires)
}

func TestIsModerator(t *testing.T) {
	user := func(kv ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i].(string)] = kv[i+1]
		}
		return map[string]any{"user": m}
	}
	cases := []struct {
		name    string
		changes []any
		want    bool
	}{
		{"nothing said", nil, false},
		{"moderator", []any{"context", user("moderator", true)}, true},
		{"moderator as text", []any{"context", user("moderator", "true")}, true},
		{"owner", []any{"context", user("affiliation", "owner")}, true},
		{"teacher", []any{"context", user("affiliation", "teacher")}, true},
		{"member", []any{"context", user("affiliation", "member")}, false},
		{"explicit no wins over owner", []any{"context", user("affiliation", "owner", "moderator", false)}, false},
		{"top level", []any{"moderator", true}, true},
		{"top level no wins", []any{"moderator", false, "context", user("moderator", true)}, false},
		{"number is no statement", []any{"context", user("moderator", 1)}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			claims, err := verifier(t).Verify(context.Background(), hs(t, c.changes...), now)
			require.NoError(t, err)
			assert.Equal(t, c.want, claims.IsModerator())
		})
	}
}

func TestFirebaseUser(t *testing.T) {
	c, err := verifier(t).Verify(context.Background(), hs(t, "user_id", "f1"), now)
	require.NoError(t, err)
	assert.Equal(t, "f1", c.User.ID)
}

// newRSAKey makes a key once for all tests: that takes its time on a slow machine.
func newRSAKey() func() (*rsa.PrivateKey, error) {
	return sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
}

var firstKey, secondKey = newRSAKey(), newRSAKey()

func rsaKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := firstKey()
	require.NoError(t, err)
	return key
}

// otherKey is not rsaKey.
func otherKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := secondKey()
	require.NoError(t, err)
	return key
}

func publicPEM(t testing.TB, key any) (file string, data []byte) {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	data = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	file = filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	return file, data
}

// A public key is public: whoever has it must not be able to sign with it as if
// it were a secret.
func TestForgedHMACWithPublicKey(t *testing.T) {
	key := rsaKey(t)
	file, data := publicPEM(t, &key.PublicKey)
	v := verifier(t, func(c *Config) { c.Secret = ""; c.PublicKeyFile = file })

	_, err := v.Verify(context.Background(), sign(t, jwt.SigningMethodRS256, key, body()), now)
	require.NoError(t, err)

	for _, m := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
		_, err = v.Verify(context.Background(), sign(t, m, data, body()), now)
		assert.ErrorIs(t, err, &Error{Kind: WrongAlg}, m.Alg())
	}
	// The header lies about the algorithm.
	forged := sign(t, jwt.SigningMethodHS256, data, body(), "alg", "RS256")
	_, err = v.Verify(context.Background(), forged, now)
	assert.ErrorIs(t, err, &Error{Kind: BadSignature})
	// And the other way round: an RS token where a secret is configured.
	_, err = verifier(t).Verify(context.Background(), sign(t, jwt.SigningMethodRS256, key, body()), now)
	assert.ErrorIs(t, err, &Error{Kind: WrongAlg})
}

func TestES256File(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	file, _ := publicPEM(t, &key.PublicKey)
	v := verifier(t, func(c *Config) { c.Secret = ""; c.PublicKeyFile = file; c.Algorithm = "ES256" })
	_, err = v.Verify(context.Background(), sign(t, jwt.SigningMethodES256, key, body()), now)
	require.NoError(t, err)

	_, err = NewVerifier(func() Config { c := hs256(); c.Secret = ""; c.PublicKeyFile = file; return c }())
	require.ErrorContains(t, err, "does not go with the algorithm")
}

func TestJWKS(t *testing.T) {
	r := rsaKey(t)
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	point, err := e.PublicKey.Bytes()
	require.NoError(t, err)
	enc := base64.RawURLEncoding.EncodeToString
	set := map[string]any{"keys": []map[string]string{
		{"kty": "RSA", "kid": "r1", "n": enc(r.N.Bytes()), "e": enc(big.NewInt(int64(r.E)).Bytes())},
		{"kty": "EC", "kid": "e1", "crv": "P-256", "x": enc(point[1:33]), "y": enc(point[33:])},
		{"kty": "oct", "kid": "h1", "k": "c2VjcmV0"},
	}}
	data, err := json.Marshal(set)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "jwks.json")
	require.NoError(t, os.WriteFile(file, data, 0o600))

	rs := verifier(t, func(c *Config) { c.Secret = ""; c.JWKSFile = file })
	_, err = rs.Verify(context.Background(), sign(t, jwt.SigningMethodRS256, r, body(), "kid", "r1"), now)
	require.NoError(t, err)
	refusals := map[string]string{
		sign(t, jwt.SigningMethodRS256, r, body()):                                    "'kid' claim is missing",
		sign(t, jwt.SigningMethodRS256, r, body(), "kid", "nobody"):                   "could not obtain public key",
		sign(t, jwt.SigningMethodHS256, []byte("secret"), body(), "kid", "h1"):        "'kid' claim only support with RS family",
		raw(t, `{"kid":"r1","typ":"JWT"}`, "{}"):                                      "'alg' claim is missing",
		sign(t, jwt.SigningMethodRS256, otherKey(t), body(), "kid", "r1"):             "Invalid signature",
		sign(t, jwt.SigningMethodES256, e, body(), "kid", "r1"):                       "Invalid or incorrect alg",
		sign(t, jwt.SigningMethodRS256, r, body("exp", "never"), "kid", "r1"):         "exp must be number",
		sign(t, jwt.SigningMethodRS256, r, body("iss", "x", "aud", "y"), "kid", "r1"): "invalid 'iss' claim",
	}
	for token, text := range refusals {
		_, err := rs.Verify(context.Background(), token, now)
		var refused *Error
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, text, refused.Text)
	}

	es := verifier(t, func(c *Config) { c.Secret = ""; c.JWKSFile = file; c.Algorithm = "ES256" })
	_, err = es.Verify(context.Background(), sign(t, jwt.SigningMethodES256, e, body(), "kid", "e1"), now)
	require.NoError(t, err)
}

func TestConfigMistakes(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		small = nil // the runtime refuses such keys by itself
	}
	cases := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no key", func(c *Config) { c.Secret = "" }, "no key is configured"},
		{"short secret", func(c *Config) { c.Secret = "short" }, "at least 32 bytes"},
		{"two keys", func(c *Config) { c.JWKSFile = "x" }, "only one of"},
		{"unknown algorithm", func(c *Config) { c.Algorithm = "none" }, "algorithm: \"none\" is not one of"},
		{"RS with a secret", func(c *Config) { c.Algorithm = "RS256" }, "does not go with the configured key"},
		{"HS with a key file", func(c *Config) { c.Secret = ""; c.PublicKeyFile = "x"; c.Algorithm = "HS256" }, "does not go with"},
		{"negative leeway", func(c *Config) { c.Leeway = -1 }, "leeway"},
		{"no app id", func(c *Config) { c.AppID = "" }, "app_id"},
		{"empty issuer", func(c *Config) { c.Issuers = []string{""} }, "empty name"},
		{"file missing", func(c *Config) { c.Secret = ""; c.PublicKeyFile = "/does/not/exist" }, "public_key_file"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cfg := hs256()
			c.change(&cfg)
			_, err := NewVerifier(cfg)
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), secret)
		})
	}
	cfg := hs256()
	cfg.Secret, cfg.AllowShortSecret = "secret", true
	_, err = NewVerifier(cfg)
	require.NoError(t, err)
	if small != nil {
		cfg.Secret = ""
		cfg.PublicKeyFile, _ = publicPEM(t, &small.PublicKey)
		_, err = NewVerifier(cfg)
		require.ErrorContains(t, err, "1024 bits")
	}
}

func TestMint(t *testing.T) {
	cfg := hs256()
	token, err := Mint(cfg, Grant{
		Room: "demo", Subject: "meet.example.com", ID: "u1", Name: "Ann", Moderator: true, Group: "g",
		Features: map[string]bool{"recording": true}, TTL: time.Hour, NotBefore: now,
	}, now)
	require.NoError(t, err)
	c, err := verifier(t).Verify(context.Background(), token, now)
	require.NoError(t, err)
	assert.True(t, c.IsModerator())
	assert.Equal(t, "Ann", c.User.Name)
	assert.Equal(t, "meet.example.com", c.Subject)
	assert.Equal(t, map[string]bool{"recording": true}, c.Features)

	guest, err := Mint(cfg, Grant{Room: "*", Subject: "meet.example.com", TTL: time.Hour}, now)
	require.NoError(t, err)
	c, err = verifier(t).Verify(context.Background(), guest, now)
	require.NoError(t, err)
	assert.False(t, c.IsModerator())
	assert.Equal(t, No, c.User.Moderator)

	for name, g := range map[string]Grant{
		"room":      {Subject: "x", TTL: 1},
		"subject":   {Room: "x", TTL: 1},
		"life time": {Room: "x", Subject: "x"},
		"bytes":     {Room: "x", Subject: "x", TTL: 1, Name: strings.Repeat("n", MaxTokenBytes)},
	} {
		_, err := Mint(cfg, g, now)
		require.ErrorContains(t, err, name)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(hs(f))
	f.Add("")
	f.Add("a.b.c")
	f.Add(raw(f, `{"alg":"HS256","typ":"JWT"}`, `{"exp":-1,"nbf":1e308,"aud":[1,"x"],"context":{"user":[],"features":1,"room":{"regex":true}}}`))
	f.Add(raw(f, `{"alg":"none","typ":"JWT"}`, `{}`))
	v := verifier(f)
	good := hs(f)
	f.Fuzz(func(t *testing.T, token string) {
		c, err := v.Verify(context.Background(), token, now)
		if err == nil && (c == nil || token != good) {
			// Only tokens signed here can pass, and only the seeds are.
			t.Fatalf("accepted %q", token)
		}
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Text == "" || e.Condition == "") {
			t.Fatalf("error without text: %v", err)
		}
	})
}

// FuzzClaims looks at bodies that are properly signed.
func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"exp":-1,"nbf":1e308,"aud":[1,"x"],"context":{"user":[],"features":1,"room":{"regex":true}}}`))
	f.Add([]byte(`{"iss":"parley","aud":"parley","sub":"*","room":"a[b","exp":1900000000,"context":{"room":{"regex":true}}}`))
	f.Add([]byte(`{"iss":"parley","aud":["parley"],"sub":"t","room":"%w+-%d*[%a_]","exp":1900000000,"context":{"room":{"regex":"true"}}}`))
	v := verifier(f)
	f.Fuzz(func(t *testing.T, claims []byte) {
		c, err := v.Verify(context.Background(), raw(t, `{"alg":"HS256","typ":"JWT"}`, string(claims)), now)
		if err != nil {
			return
		}
		c.IsModerator()
		_ = v.AllowRoom(c, Room{Node: "[t]demo-1", Host: "conference.meet.example.com"})
		_ = v.AllowRoom(c, Room{Node: "demo", Host: "conference"})
	})
}
