package jwtauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keyHost is a server of keys that counts what it is asked.
type keyHost struct {
	*httptest.Server
	mu      sync.Mutex
	asked   []string
	answer  http.HandlerFunc
	fetched chan Fetch
}

func newKeyHost(t *testing.T, answer http.HandlerFunc) *keyHost {
	h := &keyHost{answer: answer, fetched: make(chan Fetch, 1000)}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.asked = append(h.asked, r.URL.Path)
		f := h.answer
		h.mu.Unlock()
		f(w, r)
	}))
	t.Cleanup(h.Server.Close)
	return h
}

func (h *keyHost) say(f http.HandlerFunc) {
	h.mu.Lock()
	h.answer = f
	h.mu.Unlock()
}

func (h *keyHost) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.asked)
}

// verifier fetches keys from the host: single ones, or the set at /keys.
func (h *keyHost) verifier(t *testing.T, set bool, change ...func(*Config)) *Verifier {
	t.Helper()
	cfg := DefaultConfig()
	if set {
		cfg.JWKSURL = h.URL + "/keys?code=hush"
	} else {
		cfg.KeyServer = h.URL + "/asap"
	}
	for _, c := range change {
		c(&cfg)
	}
	v, err := NewVerifier(cfg, ReportFetches(func(f Fetch) { h.fetched <- f }))
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

// next is the next report of a fetch.
func (h *keyHost) next(t *testing.T) Fetch {
	t.Helper()
	select {
	case f := <-h.fetched:
		return f
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was fetched")
		return Fetch{}
	}
}

func pemOf(t testing.TB, key any) []byte {
	_, data := publicPEM(t, key)
	return data
}

func text200(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }
}

func signedBy(t testing.TB, key *rsa.PrivateKey, kid string) string {
	return sign(t, jwt.SigningMethodRS256, key, body("exp", now.Add(1000*time.Hour).Unix()), "kid", kid)
}

// set is a key set of RSA keys by kid.
func set(t testing.TB, keys map[string]*rsa.PublicKey) []byte {
	t.Helper()
	enc := base64.RawURLEncoding.EncodeToString
	list := []map[string]any{{"kty": "oct", "kid": "x"}, {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"}, {"kty": "RSA", "kid": "enc", "use": "enc"}}
	for kid, k := range keys {
		list = append(list, map[string]any{"kty": "RSA", "kid": kid, "n": enc(k.N.Bytes()), "e": enc(big.NewInt(int64(k.E)).Bytes())})
	}
	b, err := json.Marshal(map[string]any{"keys": list})
	require.NoError(t, err)
	return b
}

func refused(t testing.TB, v *Verifier, token string, at time.Time) *Error {
	t.Helper()
	_, err := v.Verify(context.Background(), token, at)
	var e *Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "could not obtain public key", e.Text)
	assert.Equal(t, "not-allowed", e.Condition)
	return e
}

func accepted(t testing.TB, v *Verifier, token string, at time.Time) {
	t.Helper()
	c, err := v.Verify(context.Background(), token, at)
	require.NoError(t, err)
	assert.Equal(t, "demo", c.Room)
}

func TestKeyServer(t *testing.T) {
	key := rsaKey(t)
	sum := sha256.Sum256([]byte("jitsi/1"))
	path := "/asap/" + hex.EncodeToString(sum[:]) + ".pem"
	h := newKeyHost(t, text200(pemOf(t, &key.PublicKey)))
	v := h.verifier(t, false)
	v.Prepare(now) // there is nothing to fetch yet
	token := signedBy(t, key, "jitsi/1")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { accepted(t, v, token, now) })
	}
	all.Wait()
	accepted(t, v, token, now.Add(5*time.Hour))
	assert.Equal(t, []string{path}, h.asked, "twenty log-ins and one later fetch once")
	f := h.next(t)
	assert.Equal(t, Fetch{URL: h.URL + path, Keys: 1}, f)

	_, err := v.Verify(context.Background(), signedBy(t, otherKey(t), "jitsi/1"), now)
	assert.ErrorIs(t, err, &Error{Kind: BadSignature})
	for _, bad := range []struct {
		token, text string
	}{
		{sign(t, jwt.SigningMethodRS256, key, body()), "'kid' claim is missing"},
		{sign(t, jwt.SigningMethodRS256, key, body(), "kid", "k", "alg", nil), "'alg' claim is missing"},
		{sign(t, jwt.SigningMethodHS256, pemOf(t, &key.PublicKey), body(), "kid", "jitsi/1"), "'kid' claim only support with RS family"},
		{sign(t, jwt.SigningMethodRS512, key, body(), "kid", "k"), "Invalid or incorrect alg"},
	} {
		_, err := v.Verify(context.Background(), bad.token, now)
		assert.ErrorContains(t, err, bad.text)
	}
	assert.Equal(t, 1, h.count(), "tokens that cannot be good make nobody fetch")
}

// Some key servers answer 204 and a key; a certificate is a key, too.
func TestKeyServerCertificate(t *testing.T) {
	key := rsaKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	h := newKeyHost(t, text200(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	accepted(t, h.verifier(t, false), signedBy(t, key, "c"), now)
}

func TestKeyServerRefusals(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	answers := []struct {
		name   string
		answer http.HandlerFunc
		kind   Kind
		cause  string
	}{
		{"not there", http.NotFound, UnknownKey, "there is no such key"},
		{"broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, KeyUnavailable, "the answer is 502 Bad Gateway"},
		{"empty", text200(nil), KeyUnavailable, "no PEM block"},
		{"endless", text200(make([]byte, maxKeyPEM+1)), KeyUnavailable, "more than 65536 bytes"},
		{"short key", text200(pemOf(t, &small.PublicKey)), KeyUnavailable, "RSA key of 1024 bits"},
		{"other kind", text200(pemOf(t, &ec.PublicKey)), KeyUnavailable, "does not go with the algorithm"},
		{"sent to plain HTTP", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://keys.example.com/", http.StatusFound)
		}, KeyUnavailable, "must begin with https://"},
		{"round and round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }, KeyUnavailable, "too many redirects"},
	}
	for _, a := range answers {
		t.Run(a.name, func(t *testing.T) {
			h := newKeyHost(t, a.answer)
			v := h.verifier(t, false)
			token := signedBy(t, rsaKey(t), "k")
			e := refused(t, v, token, now)
			assert.Equal(t, a.kind, e.Kind)
			assert.ErrorContains(t, e.Cause, a.cause)
			h.next(t)
			before := h.count()
			assert.Equal(t, a.kind, refused(t, v, token, now.Add(pause-time.Second)).Kind)
			assert.Equal(t, before, h.count(), "it is not asked again at once")
			refused(t, v, token, now.Add(pause))
			assert.Equal(t, 2*before, h.count())
		})
	}
}

func TestKeyServerSilent(t *testing.T) {
	h := newKeyHost(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	v := h.verifier(t, false, func(c *Config) { c.KeyTimeout = time.Second })
	e := refused(t, v, signedBy(t, rsaKey(t), "k"), now)
	assert.Equal(t, KeyUnavailable, e.Kind)
	assert.Equal(t, fetchTries, h.count(), "a timeout is worth another try")

	// Who waits does not outlive the server.
	asked := make(chan struct{})
	h.say(func(_ http.ResponseWriter, r *http.Request) { close(asked); <-r.Context().Done() })
	v = h.verifier(t, false)
	done := make(chan error)
	go func() {
		_, err := v.Verify(context.Background(), signedBy(t, rsaKey(t), "k"), now)
		done <- err
	}()
	<-asked
	v.Close()
	assert.ErrorIs(t, <-done, &Error{Kind: KeyUnavailable})
	v.Close()
	assert.ErrorContains(t, refused(t, v, signedBy(t, rsaKey(t), "other"), now), "the server stops")
}

// Strangers choose what is fetched; they cannot have us fetch without end, nor push out
// the keys that are used.
func TestKeyServerFlood(t *testing.T) {
	key := rsaKey(t)
	h := newKeyHost(t, nil)
	h.say(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/asap/"+hex.EncodeToString(sha(t, "good"))+".pem" {
			_, _ = w.Write(pemOf(t, &key.PublicKey))
			return
		}
		http.NotFound(w, r)
	})
	v := h.verifier(t, false)
	good := signedBy(t, key, "good")
	accepted(t, v, good, now)
	evil := otherKey(t)
	for i := range 2 * perMinute {
		e := refused(t, v, signedBy(t, evil, fmt.Sprint("k", i)), now)
		assert.Equal(t, UnknownKey, e.Kind)
	}
	assert.Equal(t, perMinute, h.count())
	accepted(t, v, good, now)
	assert.ErrorIs(t, refused(t, v, signedBy(t, evil, strings.Repeat("k", maxKid+1)), now), errKidTooLong)
	refused(t, v, signedBy(t, evil, "later"), now.Add(time.Minute))
	assert.Equal(t, perMinute+1, h.count(), "a minute later others get their turn")
}

// One network cannot use up the attempts of all.
func TestKeyServerFloodFromOneNetwork(t *testing.T) {
	good, evil := rsaKey(t), otherKey(t)
	h := newKeyHost(t, nil)
	h.say(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/asap/"+hex.EncodeToString(sha(t, "good"))+".pem" {
			_, _ = w.Write(pemOf(t, &good.PublicKey))
			return
		}
		http.NotFound(w, r)
	})
	v := h.verifier(t, false)
	ask := func(from, kid string) error {
		ctx := AskedFrom(context.Background(), netip.MustParseAddr(from))
		key := evil
		if kid == "good" {
			key = good
		}
		_, err := v.Verify(ctx, signedBy(t, key, kid), now)
		return err
	}
	for i := range 3 * perAsker {
		assert.ErrorIs(t, ask(fmt.Sprintf("2001:db8::%x", i), fmt.Sprint("k", i)), &Error{Kind: UnknownKey})
		assert.ErrorIs(t, ask("192.0.2.1", fmt.Sprint("l", i)), &Error{Kind: UnknownKey})
	}
	assert.Equal(t, 2*perAsker, h.count(), "a /64 is one asker, an IPv4 address another")
	assert.ErrorContains(t, errors.Unwrap(ask("192.0.2.1", "good")), "too many")
	assert.NoError(t, ask("192.0.2.2", "good"))
	assert.NoError(t, ask("192.0.2.1", "good"), "a known key needs no attempt")
	// Where a proxy hides who asks nobody is counted alone.
	for i := range perAsker + 1 {
		_ = ask("127.0.0.1", fmt.Sprint("m", i))
	}
	assert.Equal(t, 3*perAsker+2, h.count())
}

func sha(t testing.TB, s string) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

func TestKeyServerCache(t *testing.T) {
	key := rsaKey(t)
	h := newKeyHost(t, text200(pemOf(t, &key.PublicKey)))
	v := h.verifier(t, false, func(c *Config) { c.KeyCacheSize = 2 })
	for i, kid := range []string{"a", "b", "a", "c", "a", "b"} {
		accepted(t, v, signedBy(t, key, kid), now.Add(time.Duration(i)*time.Second))
	}
	assert.Equal(t, 4, h.count(), "b made room for c")
}

func TestKeySet(t *testing.T) {
	a, b := rsaKey(t), otherKey(t)
	h := newKeyHost(t, text200(set(t, map[string]*rsa.PublicKey{"a": &a.PublicKey})))
	v := h.verifier(t, true)
	v.Prepare(now)
	assert.Equal(t, Fetch{URL: h.URL + "/keys", Keys: 1}, h.next(t), "the query of an address may be a secret")
	accepted(t, v, signedBy(t, a, "a"), now)
	assert.Equal(t, UnknownKey, refused(t, v, signedBy(t, b, "b"), now.Add(time.Second)).Kind)
	assert.Equal(t, 1, h.count(), "the set is not fetched again for every unknown kid")

	// The maker of tokens takes a new key; the old one is good for a while.
	h.say(text200(set(t, map[string]*rsa.PublicKey{"b": &b.PublicKey})))
	at := now.Add(time.Minute)
	accepted(t, v, signedBy(t, b, "b"), at)
	accepted(t, v, signedBy(t, a, "a"), at.Add(lateAge-time.Second))
	assert.Equal(t, UnknownKey, refused(t, v, signedBy(t, a, "a"), at.Add(lateAge)).Kind)
	h.next(t)
	h.next(t)

	// It goes on with what it has while the server cannot be asked, for a day.
	h.say(http.NotFound)
	at = at.Add(lateAge + 2*usualAge)
	accepted(t, v, signedBy(t, b, "b"), at)
	assert.Error(t, h.next(t).Err)
	accepted(t, v, signedBy(t, b, "b"), at.Add(time.Hour))
	h.next(t)
	assert.Equal(t, KeyUnavailable, refused(t, v, signedBy(t, b, "b"), at.Add(lateAge+2*deadAge)).Kind)
}

// TestKeySetTurnsOver: whoever makes tokens signs with a new key as soon as it is published,
// every ten seconds, while many log in with it and with the one before. Nobody is refused,
// and a key costs one fetch however many come with it at once.
func TestKeySetTurnsOver(t *testing.T) {
	keys := []*rsa.PrivateKey{rsaKey(t), otherKey(t)} // in turn, under ever new names
	name := func(turn int) string { return fmt.Sprintf("key-%d", turn) }
	publish := func(turn int) http.HandlerFunc {
		return text200(set(t, map[string]*rsa.PublicKey{name(turn - 1): &keys[(turn+1)%2].PublicKey, name(turn): &keys[turn%2].PublicKey}))
	}
	h := newKeyHost(t, publish(1))
	v := h.verifier(t, true)
	v.Prepare(now)
	h.next(t)
	for turn := 2; turn < 12; turn++ {
		h.say(publish(turn))
		at := now.Add(time.Duration(turn) * 10 * time.Second)
		before, fresh := signedBy(t, keys[(turn+1)%2], name(turn-1)), signedBy(t, keys[turn%2], name(turn))
		errs := make(chan error, 16)
		for i := range cap(errs) {
			go func() {
				_, err := v.Verify(t.Context(), []string{before, fresh}[i%2], at)
				errs <- err
			}()
		}
		for range cap(errs) {
			require.NoError(t, <-errs, "turn %d", turn)
		}
		require.Equal(t, Fetch{URL: h.URL + "/keys", Keys: 2}, h.next(t))
		require.Equal(t, turn, h.count(), "one fetch a turn")
	}
}

// An old set is fetched again behind the back of those who use it.
func TestKeySetAge(t *testing.T) {
	key := rsaKey(t)
	good := set(t, map[string]*rsa.PublicKey{"a": &key.PublicKey})
	h := newKeyHost(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=600")
		_, _ = w.Write(good)
	})
	v := h.verifier(t, true)
	token := signedBy(t, key, "a")
	accepted(t, v, token, now)
	h.next(t)
	accepted(t, v, token, now.Add(8*time.Minute))
	assert.Equal(t, 1, h.count())
	waiting, free := make(chan struct{}), make(chan struct{})
	h.say(func(w http.ResponseWriter, _ *http.Request) { close(waiting); <-free; _, _ = w.Write(good) })
	accepted(t, v, token, now.Add(9*time.Minute)) // although the server has not answered
	<-waiting
	close(free)
	assert.NoError(t, h.next(t).Err)
	h.say(http.NotFound)
	accepted(t, v, token, now.Add(5*time.Hour))
	assert.Equal(t, 2, h.count())
}

func TestKeySetForms(t *testing.T) {
	r := rsaKey(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	x := ec.X.FillBytes(make([]byte, 32))
	y := ec.Y.FillBytes(make([]byte, 32))
	enc := base64.RawURLEncoding.EncodeToString
	byKid, err := json.Marshal(map[string]any{"k": string(pemOf(t, &r.PublicKey)), "other": "x", "number": 1})
	require.NoError(t, err)
	ecSet, err := json.Marshal(map[string]any{"keys": []any{map[string]string{"kty": "EC", "kid": "k", "crv": "P-256", "x": enc(x), "y": enc(y)}}})
	require.NoError(t, err)
	for _, c := range []struct {
		alg    string
		data   []byte
		method jwt.SigningMethod
		key    any
	}{
		{"RS256", byKid, jwt.SigningMethodRS256, r},
		{"PS256", byKid, jwt.SigningMethodPS256, r},
		{"ES256", ecSet, jwt.SigningMethodES256, ec},
	} {
		t.Run(c.alg, func(t *testing.T) {
			h := newKeyHost(t, text200(c.data))
			v := h.verifier(t, true, func(cfg *Config) { cfg.Algorithm = c.alg })
			accepted(t, v, sign(t, c.method, c.key, body(), "kid", "k"), now)
		})
	}
	for _, bad := range []string{"", "[]", "{}", `{"keys":[]}`, `{"keys":1}`, `{"k":"no key"}`} {
		_, err := parseKeySet([]byte(bad), familyRSA)
		assert.Error(t, err, bad)
	}
}

func TestKeyAddresses(t *testing.T) {
	for _, c := range []struct {
		set, server string
		plain       bool
		says        string
	}{
		{"https://id.example.com/keys", "", false, ""},
		{"", "https://id.example.com/asap/", false, ""},
		{"http://127.0.0.1:8080/keys", "", false, ""},
		{"", "http://[::1]/", false, ""},
		{"", "http://keys:8080/", true, ""},
		{"http://id.example.com/keys", "", false, "jwks_url: must begin with https://"},
		{"", "http://keys:8080/", false, "key_server: must begin with https://"},
		{"", "keys.example.com", false, "key_server: is no web address"},
		{"file:///etc/keys", "", true, "jwks_url: is no web address"},
		{"https://a/", "https://b/", false, "set only one"},
	} {
		cfg := DefaultConfig()
		cfg.JWKSURL, cfg.KeyServer, cfg.AllowPlainHTTP = c.set, c.server, c.plain
		if err := cfg.Validate(); c.says == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, c.says)
		}
	}
}

func TestMaxAge(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "max-age=60": time.Minute, "public, Max-Age=120, x": 2 * time.Minute, `max-age="60"`: time.Minute,
		"max-age=-1": 0, "max-age=99999999999999": 0, "no-store": 0,
	} {
		assert.Equal(t, want, maxAge(header), header)
	}
}

func FuzzKeySet(f *testing.F) {
	key := rsaKey(f)
	f.Add(set(f, map[string]*rsa.PublicKey{"a": &key.PublicKey}))
	f.Add([]byte(`{"k":"-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----"}`))
	f.Add(pemOf(f, &key.PublicKey))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, fam := range []family{familyRSA, familyECDSA} {
			keys, err := parseKeySet(data, fam)
			if (err == nil) != (len(keys) > 0) || len(keys) > maxSetKeys {
				t.Fatalf("%d keys, %v", len(keys), err)
			}
			for _, k := range keys {
				if fits(k, fam) != nil {
					t.Fatalf("%T for family %d", k, fam)
				}
			}
		}
		_, _ = parsePublicPEM(data)
	})
}
