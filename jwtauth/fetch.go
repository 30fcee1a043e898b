package jwtauth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bounds of one fetch. What is larger, slower or elsewhere is a failure.
const (
	maxKeySet    = 1 << 20  // bytes of a key set
	maxKeyPEM    = 64 << 10 // bytes of one key
	maxRedirects = 3
	fetchTries   = 2 // attempts in all, the second only after a timeout
)

// Fetch is one attempt to get keys, for those who look after the server.
type Fetch struct {
	// URL is what was asked, without its query.
	URL string
	// Keys is how many usable keys came.
	Keys int
	// Err is why none did; nil if some did.
	Err error
}

// errNoKey is the answer of a key server that says it has no such key.
var errNoKey = errors.New("there is no such key")

// fetched are the keys of one answer by kid, and how long the answer may be kept;
// zero when it does not say.
type fetched struct {
	keys map[string]any
	age  time.Duration
}

// source gets keys by HTTP. It is never changed.
type source struct {
	client *http.Client
	family family
	base   string // of a key server, ending in "/"; "" when set is used
	set    string // URL of a key set
}

func newSource(c Config) *source {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		// Dialling and the handshake have the time of the whole request.
		DialContext:       (&net.Dialer{}).DialContext,
		ForceAttemptHTTP2: true, MaxIdleConns: 2, MaxConnsPerHost: maxFlights, IdleConnTimeout: 30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	s := &source{family: algorithms[c.algorithm()].family, set: c.JWKSURL}
	if c.KeyServer != "" {
		s.base = strings.TrimSuffix(c.KeyServer, "/") + "/"
	}
	plain := c.AllowPlainHTTP
	s.client = &http.Client{Transport: transport, Timeout: c.KeyTimeout, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return errors.New("too many redirects")
		}
		return checkKeyURL(r.URL, plain)
	}}
	return s
}

// checkKeyURL lets keys come only by ways on which nobody can change them.
func checkKeyURL(u *url.URL, plain bool) error {
	switch {
	case u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("is no web address")
	case u.Scheme == "https" || plain || isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("must begin with https:// (allow_plain_http accepts http://, by which keys can be forged on the way)")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// get fetches the key of a kid, or the whole set.
func (s *source) get(ctx context.Context, kid string) (f fetched, err error) {
	for range fetchTries {
		if f, err = s.try(ctx, kid); !isTimeout(err) || ctx.Err() != nil {
			return f, err
		}
	}
	return f, err
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// address is what is asked for a kid. A hash cannot lead elsewhere, whatever the kid
// says.
func (s *source) address(kid string) string {
	if s.base == "" {
		return s.set
	}
	sum := sha256.Sum256([]byte(kid))
	return s.base + hex.EncodeToString(sum[:]) + ".pem"
}

func (s *source) try(ctx context.Context, kid string) (fetched, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address(kid), nil)
	if err != nil {
		return fetched{}, err
	}
	req.Header.Set("User-Agent", "Parley")
	res, err := s.client.Do(req)
	if err != nil {
		return fetched{}, bare(err)
	}
	defer res.Body.Close()
	limit := int64(maxKeySet)
	if s.base != "" {
		limit = maxKeyPEM
	}
	switch res.StatusCode {
	case http.StatusOK, http.StatusNoContent: // some key servers say 204 with a key
	default:
		if s.base != "" && (res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone) {
			return fetched{}, errNoKey
		}
		return fetched{}, fmt.Errorf("the answer is %s", res.Status)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return fetched{}, bare(err)
	}
	if int64(len(data)) > limit {
		return fetched{}, fmt.Errorf("the answer has more than %d bytes", limit)
	}
	f := fetched{age: maxAge(res.Header.Get("Cache-Control"))}
	f.keys, err = s.parse(kid, data)
	return f, err
}

// parse reads one PEM key, or a key set in one of the two forms in use.
func (s *source) parse(kid string, data []byte) (map[string]any, error) {
	if s.base == "" {
		return parseKeySet(data, s.family)
	}
	key, err := parsePublicPEM(data)
	if err == nil {
		err = fits(key, s.family)
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{kid: key}, nil
}

// bare takes the address off an error of the client: its query may hold a secret, and
// the report names the rest.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// withoutQuery is an address as it may stand in a log.
func withoutQuery(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	u.RawQuery, u.Fragment, u.User = "", "", nil
	return u.String()
}

// maxAge reads how long an answer may be kept (RFC 9111 §5.2.2.1).
func maxAge(header string) time.Duration {
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		if n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
			return time.Duration(n) * time.Second
		}
	}
	return 0
}
