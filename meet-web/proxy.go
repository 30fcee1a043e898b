package meetweb

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// Bounds of what is passed on.
const (
	maxProxiedBody = 512 << 10 // a BOSH body holds stanzas of at most 256 KiB
	dialTimeout    = 5 * time.Second
	warnInterval   = 30 * time.Second // between two lines about the same silent part
)

// dialFunc opens a connection, as net.Dialer.DialContext does.
type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// proxy passes requests to one part of ours. Which address is meant stands in
// the context of the request, put there by us alone.
type proxy struct {
	rp   *httputil.ReverseProxy
	log  *logrus.Entry
	what string // "the XMPP server"

	mu     sync.Mutex // guards warned
	warned time.Time  // last line about its silence
}

// target is where one request goes: our choice, not the client's.
type target struct {
	addr   string
	path   string
	prefix string // tenant, passed as a query parameter
	file   bool   // somebody's file, of any size
	body   *timedBody
}

type targetKey struct{}

func newProxy(what string, dial dialFunc, timeout time.Duration, trusted func(*http.Request) bool, log *logrus.Entry) *proxy {
	p := &proxy{log: log, what: what}
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	p.rp = &httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) { rewrite(pr, trusted(pr.In)) },
		Transport: &http.Transport{
			DialContext:           dial,
			MaxIdleConnsPerHost:   64,
			IdleConnTimeout:       90 * time.Second,
			ResponseHeaderTimeout: timeout,
			DisableCompression:    true,
		},
		FlushInterval:  -1,
		ErrorHandler:   p.failed,
		ModifyResponse: dropHeaders,
		ErrorLog:       quietLog(log),
	}
	return p
}

func rewrite(pr *httputil.ProxyRequest, trusted bool) {
	t := pr.In.Context().Value(targetKey{}).(target)
	pr.Out.URL = &url.URL{Scheme: "http", Host: t.addr, Path: t.path, RawQuery: pr.In.URL.RawQuery}
	if t.prefix != "" {
		q := "prefix=" + url.QueryEscape(t.prefix)
		if pr.Out.URL.RawQuery != "" {
			q += "&" + pr.Out.URL.RawQuery
		}
		pr.Out.URL.RawQuery = q
	}
	pr.Out.Host = pr.In.Host // the public name, which the server may show
	pr.Out.Header.Del("Cookie")
	if trusted {
		pr.Out.Header["X-Forwarded-For"] = pr.In.Header["X-Forwarded-For"]
	}
	pr.SetXForwarded()
	if proto := pr.In.Header.Get("X-Forwarded-Proto"); trusted && proto != "" {
		pr.Out.Header.Set("X-Forwarded-Proto", proto)
	}
}

// dropHeaders keeps a part from weakening what the front says about itself.
func dropHeaders(r *http.Response) error {
	if r.Request.Context().Value(targetKey{}).(target).file {
		keepFile(r)
		return nil
	}
	for _, name := range []string{"Server", "X-Content-Type-Options", "Referrer-Policy", "Content-Security-Policy", "Permissions-Policy",
		"Strict-Transport-Security", "Set-Cookie"} {
		r.Header.Del(name)
	}
	return nil
}

// keepFile leaves a stranger's file what its part says about it, which forbids it nearly
// everything, and makes sure that no page runs it as a script: it comes from the address
// of ours.
func keepFile(r *http.Response) {
	r.Header.Del("Server")
	r.Header.Del("Set-Cookie")
	if strings.HasPrefix(r.Header.Get("Content-Disposition"), "attachment") {
		r.Header.Set("Content-Type", "application/octet-stream")
	}
}

// serve passes the request to t.
func (p *proxy) serve(w http.ResponseWriter, r *http.Request, t target) {
	if r.Body != nil && r.Header.Get("Upgrade") == "" {
		t.body, _ = r.Body.(*timedBody)
		if !t.file {
			r.Body = http.MaxBytesReader(w, r.Body, maxProxiedBody)
		}
	}
	p.rp.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), targetKey{}, t)))
}

// failed answers for a part that does not: one sentence to the person, one line
// now and then to the operator.
func (p *proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	var tooLarge *http.MaxBytesError
	var timeout net.Error
	switch {
	case r.Context().Value(targetKey{}).(target).body.late():
		sentence(w, r, http.StatusRequestTimeout, "The request did not arrive in time.")
		return
	case r.Context().Err() != nil: // the client left, or we are stopping
		w.WriteHeader(http.StatusBadGateway)
		return
	case errors.As(err, &tooLarge):
		sentence(w, r, http.StatusRequestEntityTooLarge, "The request is larger than 512 KiB.")
		return
	}
	p.warn(err)
	var op *net.OpError
	w.Header().Set("Retry-After", "2")
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		sentence(w, r, http.StatusServiceUnavailable, upper(p.what)+" behind this page is not running; try again in a moment.")
	case errors.As(err, &timeout) && timeout.Timeout():
		sentence(w, r, http.StatusGatewayTimeout, upper(p.what)+" behind this page did not answer in time.")
	default:
		sentence(w, r, http.StatusBadGateway, upper(p.what)+" behind this page broke off its answer; try again in a moment.")
	}
}

func (p *proxy) warn(err error) {
	p.mu.Lock()
	due := time.Since(p.warned) > warnInterval
	if due {
		p.warned = time.Now()
	}
	p.mu.Unlock()
	if due {
		p.log.WithError(err).Warn(p.what + " does not answer the web front")
	}
}

// upper makes a phrase the start of a sentence.
func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
