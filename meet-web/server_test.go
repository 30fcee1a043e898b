package meetweb

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/coder/websocket"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var script = strings.Repeat("console.log('hello');\n", 50)

func page() fstest.MapFS {
	return fstest.MapFS{
		"index.html":                {Data: []byte("<!doctype html><title>Parley</title>")},
		"placeholder.html":          {Data: []byte("<!doctype html>not built")},
		"favicon.svg":               {Data: []byte("<svg/>")},
		"assets/app-B1x2Y3z4.js":    {Data: []byte(script)},
		"assets/app-B1x2Y3z4.js.br": {Data: []byte("brotli")},
	}
}

// front is a server under test without listeners.
func front(t *testing.T, change func(*Config, *Options)) *Server {
	t.Helper()
	cfg := DefaultConfig()
	cfg.HTTPSListen = ""
	opts := Options{Dist: page(), Version: "1.2.3"}
	if change != nil {
		change(&cfg, &opts)
	}
	log, _ := logtest.NewNullLogger()
	s, err := New(cfg, logrus.NewEntry(log), opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, p := range []*proxy{s.xmpp, s.bridge, s.focus} {
			p.rp.Transport.(*http.Transport).CloseIdleConnections()
		}
	})
	return s
}

func ask(s *Server, method, target string, header ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

// A client that names a body and does not send it gets an answer, not a connection
// for ever, wherever the request goes.
func TestSlowBodiesEnd(t *testing.T) {
	part := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	defer part.Close()
	s := front(t, func(c *Config, _ *Options) { c.XMPPAddress = part.Listener.Addr().String() })
	s.bodyTimeout = 100 * time.Millisecond
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	for request, want := range map[string]string{
		"POST /http-bind": "408 Request Timeout", "PUT /room": "405 Method Not Allowed", "GET /config.js": "200 OK",
	} {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		_, err = io.WriteString(conn, request+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n<bo")
		require.NoError(t, err)
		answer, err := io.ReadAll(conn)
		require.NoError(t, err, request)
		require.Contains(t, string(answer), "HTTP/1.1 "+want, request)
	}
	// And a quick body has all the time for its answer.
	resp, err := http.Post(srv.URL+"/http-bind", "text/xml", strings.NewReader("<body/>"))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, "<body/>", text(t, resp))
}

func TestPageIsTheSameForAllRooms(t *testing.T) {
	s := front(t, nil)
	for _, path := range []string{"/", "/Daily", "/acme/daily", "/Daily?jwt=x"} {
		r := ask(s, "GET", path)
		require.Equal(t, 200, r.StatusCode)
		require.Equal(t, "no-cache", r.Header.Get("Cache-Control"))
		require.Contains(t, text(t, r), "<title>Parley</title>")
		require.Equal(t, 304, ask(s, "GET", path, "If-None-Match", r.Header.Get("ETag")).StatusCode)
	}
	require.Equal(t, 405, ask(s, "POST", "/Daily").StatusCode)
	require.Equal(t, 404, ask(s, "GET", "/about").StatusCode)
	require.Contains(t, text(t, ask(s, "GET", "/-x/y")), "may not start or end")
	require.Empty(t, text(t, ask(s, "HEAD", "/Daily")))
}

func TestWithoutABuiltPage(t *testing.T) {
	s := front(t, func(_ *Config, o *Options) {
		o.Dist = fstest.MapFS{"placeholder.html": {Data: []byte("not built")}}
	})
	r := ask(s, "GET", "/Daily")
	require.Equal(t, 503, r.StatusCode)
	require.Equal(t, "not built", text(t, r))
}

func TestAssets(t *testing.T) {
	s := front(t, nil)
	const path = "/assets/app-B1x2Y3z4.js"
	r := ask(s, "GET", path)
	require.Equal(t, script, text(t, r))
	require.Equal(t, "public, max-age=31536000, immutable", r.Header.Get("Cache-Control"))
	require.Equal(t, "text/javascript; charset=utf-8", r.Header.Get("Content-Type"))
	require.Equal(t, "*", r.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "Accept-Encoding", r.Header.Get("Vary"))
	plain := r.Header.Get("ETag")

	r = ask(s, "GET", path, "Accept-Encoding", "gzip, br;q=0")
	require.Equal(t, "gzip", r.Header.Get("Content-Encoding"))
	require.NotEqual(t, plain, r.Header.Get("ETag"))
	z, err := gzip.NewReader(r.Body)
	require.NoError(t, err)
	unpacked, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, script, string(unpacked))

	r = ask(s, "GET", path, "Accept-Encoding", "gzip, deflate, br")
	require.Equal(t, "br", r.Header.Get("Content-Encoding"))
	require.Equal(t, "brotli", text(t, r))
	require.Equal(t, 404, ask(s, "GET", path+".br").StatusCode)
	require.Equal(t, "image/svg+xml", ask(s, "GET", "/favicon.ico").Header.Get("Content-Type"))
}

func TestSecurityHeaders(t *testing.T) {
	s := front(t, func(c *Config, _ *Options) { c.FrameAncestors = []string{"https://a.example", "'self'"} })
	for _, path := range []string{"/", "/config.js", "/nothing/at/all", "/_unlock"} {
		h := ask(s, "GET", path).Header
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"), path)
		require.Contains(t, h.Get("Content-Security-Policy"), "script-src 'self' 'wasm-unsafe-eval';", path)
		require.Contains(t, h.Get("Content-Security-Policy"), "frame-ancestors https://a.example 'self'", path)
		require.Contains(t, h.Get("Permissions-Policy"), "camera=(self)", path)
		require.Empty(t, h.Get("X-Frame-Options"), path)
		require.Empty(t, h.Get("Strict-Transport-Security"), path)
	}
	secure := func(host string) string {
		r := httptest.NewRequest("GET", "https://"+host+"/", nil)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w.Header().Get("Strict-Transport-Security")
	}
	require.Equal(t, "max-age=63072000", secure("meet.example.com"))
	require.Empty(t, secure("localhost:8443"))
	require.Empty(t, secure("192.0.2.1:8443"))
	require.Empty(t, secure("meet.localhost"))
}

// configObject reads the object out of config.js.
func configObject(t *testing.T, r *http.Response) map[string]any {
	t.Helper()
	body := text(t, r)
	object, ok := strings.CutPrefix(strings.TrimSuffix(body, ";\n"), "var config = ")
	require.True(t, ok, body)
	var config map[string]any
	require.NoError(t, json.Unmarshal([]byte(object), &config))
	return config
}

func TestConfigFollowsTheRequest(t *testing.T) {
	s := front(t, func(c *Config, _ *Options) { c.Page = map[string]any{"resolution": 360, "evil": "</script>"} })
	c := configObject(t, ask(s, "GET", "http://localhost:8000/config.js"))
	require.Equal(t, map[string]any{"domain": "meet.localhost", "muc": "conference.meet.localhost", "focus": "focus.meet.localhost"}, c["hosts"])
	require.Equal(t, "http://localhost:8000/http-bind", c["bosh"])
	require.Equal(t, "ws://localhost:8000/xmpp-websocket", c["websocket"])
	require.Equal(t, map[string]any{"enabled": false}, c["p2p"])
	require.EqualValues(t, 360, c["resolution"])
	require.NotContains(t, text(t, ask(s, "GET", "/config.js")), "</script>")

	c = configObject(t, ask(s, "GET", "https://meet.example.com/Acme/config.js?room=x"))
	require.Equal(t, "wss://meet.example.com/acme/xmpp-websocket", c["websocket"])
	require.Equal(t, "conference.acme.meet.localhost", c["hosts"].(map[string]any)["muc"])

	for _, host := range []string{`a";alert(1)//`, "a b", "", "[::1", strings.Repeat("a", 300)} {
		require.Equal(t, 400, ask(s, "GET", "/config.js", "Host", host).StatusCode, host)
	}
	require.Equal(t, "ws://[::1]:8000/xmpp-websocket", configObject(t, ask(s, "GET", "/config.js", "Host", "[::1]:8000"))["websocket"])
}

func TestForwardedHeadersNeedTrust(t *testing.T) {
	forwarded := []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "meet.example.com"}
	s := front(t, func(c *Config, _ *Options) { c.TrustedProxies = []string{"192.0.2.0/24"} }) // httptest calls from 192.0.2.1
	require.Equal(t, "https://meet.example.com/http-bind", configObject(t, ask(s, "GET", "/config.js", forwarded...))["bosh"])
	s = front(t, func(c *Config, _ *Options) { c.TrustedProxies = []string{"10.0.0.1"} })
	require.Equal(t, "http://example.com/http-bind", configObject(t, ask(s, "GET", "/config.js", forwarded...))["bosh"])
}

func TestSmallEndpoints(t *testing.T) {
	s := front(t, nil)
	require.Equal(t, "User-agent: *\nDisallow: /\n", text(t, ask(s, "GET", "/robots.txt")))
	require.Contains(t, text(t, ask(s, "GET", "/about/version")), `"version":"1.2.3"`)
	require.Contains(t, text(t, ask(s, "GET", "/.well-known/host-meta")), `href="ws://example.com/xmpp-websocket"`)
	require.Contains(t, text(t, ask(s, "GET", "/.well-known/host-meta.json")), `"href":"http://example.com/http-bind"`)
	unlock := ask(s, "GET", "/_unlock")
	require.Equal(t, []string{"no-store", "*"}, []string{unlock.Header.Get("Cache-Control"), unlock.Header.Get("Access-Control-Allow-Origin")})
	require.Equal(t, 404, ask(s, "POST", "/conference-request/v1").StatusCode)
	require.Equal(t, 405, ask(s, "DELETE", "/http-bind").StatusCode)
}

// upstream is a part behind the front; dial reaches it whatever the address.
func upstream(t *testing.T, h http.HandlerFunc) (dial dialFunc) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
	}
}

func TestXMPPProxy(t *testing.T) {
	got := make(chan *http.Request, 1)
	dial := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.Clone(context.Background())
		w.Header().Set("Server", "inner")
		w.Header().Set("Content-Type", "text/xml")
		w.Write(append([]byte("you said "), body...))
	})
	s := front(t, func(_ *Config, o *Options) { o.DialXMPP = dial })
	r := httptest.NewRequest("POST", "/acme/http-bind?room=daily&token=t", strings.NewReader("<body/>"))
	r.Header.Set("X-Forwarded-For", "6.6.6.6") // from a peer nobody trusts
	r.Header.Set("Cookie", "a=b")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	require.Equal(t, "you said <body/>", w.Body.String())
	require.Equal(t, "text/xml", w.Header().Get("Content-Type"))
	require.Empty(t, w.Header().Get("Server"))
	in := <-got
	require.Equal(t, "/http-bind?prefix=acme&room=daily&token=t", in.URL.String())
	require.Equal(t, "example.com", in.Host)
	require.Equal(t, "192.0.2.1", in.Header.Get("X-Forwarded-For"))
	require.Equal(t, "http", in.Header.Get("X-Forwarded-Proto"))
	require.Empty(t, in.Header.Get("Cookie"))

	w = httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/http-bind", strings.NewReader(strings.Repeat("x", maxProxiedBody+1))))
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
}

func TestSilentPartsAreOneSentence(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := ln.Addr().String()
	ln.Close()
	s := front(t, func(c *Config, _ *Options) { c.XMPPAddress, c.Bridges = addr, map[string]string{"b": addr} })
	r := ask(s, "POST", "/http-bind")
	require.Equal(t, 503, r.StatusCode)
	require.Equal(t, "The XMPP server behind this page is not running; try again in a moment.\n", text(t, r))
	require.NotEmpty(t, r.Header.Get("Retry-After"))
	r = ask(s, "GET", "/about/health")
	require.Equal(t, 503, r.StatusCode)
	require.Equal(t, "The XMPP server does not answer.\n", text(t, r))
	r = ask(s, "GET", "/colibri-ws/b/c/e?pwd=x", "Upgrade", "websocket", "Connection", "Upgrade")
	require.Equal(t, 503, r.StatusCode)

	broken := front(t, func(_ *Config, o *Options) {
		o.DialXMPP = upstream(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	})
	require.Equal(t, 502, ask(broken, "GET", "/http-bind").StatusCode)
	require.Equal(t, 200, ask(broken, "GET", "/about/health").StatusCode)
}

func TestOnlyKnownBridgesAreReached(t *testing.T) {
	paths := make(chan string, 1)
	s := front(t, func(c *Config, o *Options) {
		c.Bridges = map[string]string{"b1": "bridge:1"}
		o.DialBridge = upstream(t, func(w http.ResponseWriter, r *http.Request) { paths <- r.URL.String() })
	})
	upgrade := []string{"Upgrade", "websocket", "Connection", "Upgrade"}
	for _, path := range []string{"/colibri-ws/169.254.169.254/c/e", "/colibri-ws/b2/c/e", "/colibri-ws//c/e", "/colibri-ws/b1", "/colibri-ws/b1/c/e/f"} {
		require.Equal(t, 404, ask(s, "GET", path, upgrade...).StatusCode, path)
	}
	require.Equal(t, 426, ask(s, "GET", "/colibri-ws/b1/c/e").StatusCode)
	ask(s, "GET", "/colibri-ws/b1/c/e?pwd=x", upgrade...)
	require.Equal(t, "/colibri-ws/b1/c/e?pwd=x", <-paths)
	ask(s, "GET", "/colibri-relay-ws/b1/c/east?pwd=x", upgrade...) // another bridge
	require.Equal(t, "/colibri-relay-ws/b1/c/east?pwd=x", <-paths)
}

func TestOriginList(t *testing.T) {
	s := front(t, func(c *Config, o *Options) {
		c.AllowedOrigins = []string{"https://partner.example"}
		o.DialXMPP = upstream(t, func(w http.ResponseWriter, _ *http.Request) {})
	})
	for from, want := range map[string]int{"https://partner.example": 200, "http://example.com": 200, "": 200, "https://evil.example": 403, "null": 403} {
		require.Equal(t, want, ask(s, "GET", "/xmpp-websocket", "Origin", from).StatusCode, from)
	}
}

func certificate(t *testing.T) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c, nil }
}

// run serves on free ports until the returned stop is called.
func run(t *testing.T, s *Server) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-done:
		t.Fatal(err)
	}
	return func() error { cancel(); return <-done }
}

func TestSocketsPassAndEndWithTheServer(t *testing.T) {
	dial := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"xmpp"}, InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for {
			kind, data, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if conn.Write(r.Context(), kind, data) != nil {
				return
			}
		}
	})
	s := front(t, func(c *Config, o *Options) {
		c.HTTPListen, c.HTTPSListen = "127.0.0.1:0", "127.0.0.1:0"
		o.GetCertificate, o.DialXMPP = certificate(t), dial
	})
	stop := run(t, s)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	for _, url := range []string{"ws://" + s.HTTPAddr().String(), "wss://" + s.HTTPSAddr().String()} {
		conn, _, err := websocket.Dial(t.Context(), url+"/xmpp-websocket", &websocket.DialOptions{Subprotocols: []string{"xmpp"}, HTTPClient: client})
		require.NoError(t, err)
		defer conn.CloseNow()
		require.Equal(t, "xmpp", conn.Subprotocol())
		require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte("<open/>")))
		_, data, err := conn.Read(t.Context())
		require.NoError(t, err)
		require.Equal(t, "<open/>", string(data))
		if strings.HasPrefix(url, "wss") {
			require.NoError(t, stop())
			_, _, err = conn.Read(t.Context())
			require.Error(t, err)
		}
	}
}

func TestBothListenersServeThePage(t *testing.T) {
	s := front(t, func(c *Config, o *Options) {
		c.HTTPListen, c.HTTPSListen, o.GetCertificate = "127.0.0.1:0", "127.0.0.1:0", certificate(t)
	})
	stop := run(t, s)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	for url, proto := range map[string]string{"http://" + s.HTTPAddr().String(): "HTTP/1.1", "https://" + s.HTTPSAddr().String(): "HTTP/2.0"} {
		r, err := client.Get(url + "/daily")
		require.NoError(t, err)
		require.Equal(t, proto, r.Proto)
		require.Contains(t, text(t, r), "<title>Parley</title>")
		r.Body.Close()
	}
	require.NoError(t, stop())
}

func TestPlainWordsOnTheSecurePort(t *testing.T) {
	s := front(t, func(c *Config, o *Options) {
		c.HTTPListen, c.HTTPSListen, o.GetCertificate = "", "127.0.0.1:0", certificate(t)
	})
	stop := run(t, s)
	conn, err := net.Dial("tcp", s.HTTPSAddr().String())
	require.NoError(t, err)
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, 400, r.StatusCode)
	require.Contains(t, text(t, r), "HTTPS server")
	require.NoError(t, stop())
}

func TestTakenPortIsOneSentence(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	s := front(t, func(c *Config, _ *Options) { c.HTTPListen = ln.Addr().String() })
	require.EqualError(t, s.Run(t.Context()), "http_listen: cannot listen on "+ln.Addr().String()+": bind: address already in use")
}

func TestConfigMistakes(t *testing.T) {
	for key, change := range map[string]func(*Config){
		"https_listen":    func(c *Config) { c.HTTPListen, c.HTTPSListen = "", "" },
		"http_listen":     func(c *Config) { c.HTTPListen = "8000" },
		"xmpp_address":    func(c *Config) { c.XMPPAddress = "x" },
		"domain":          func(c *Config) { c.Domain = "a/b" },
		"bridges":         func(c *Config) { c.Bridges = map[string]string{"a/b": "x:1"} },
		"bridges.a":       func(c *Config) { c.Bridges = map[string]string{"a": "x"} },
		"frame_ancestors": func(c *Config) { c.FrameAncestors = []string{"x; script-src *"} },
		"trusted_proxies": func(c *Config) { c.TrustedProxies = []string{"proxy"} },
		"proxy_timeout":   func(c *Config) { c.ProxyTimeout = time.Minute },
		"max_connections": func(c *Config) { c.MaxConnections = 0 },
	} {
		c := DefaultConfig()
		change(&c)
		require.ErrorContains(t, c.Validate(), key+":", key)
	}
	require.NoError(t, DefaultConfig().Validate())
}

func TestAccessLogHidesTokens(t *testing.T) {
	log, hook := logtest.NewNullLogger()
	cfg := DefaultConfig()
	cfg.HTTPSListen, cfg.AccessLog = "", true
	s, err := New(cfg, logrus.NewEntry(log), Options{Dist: page()})
	require.NoError(t, err)
	ask(s, "GET", "/daily?jwt=s3cr3t&lang=de", "Referer", "http://x/?jwt=s3cr3t")
	line, err := hook.LastEntry().String()
	require.NoError(t, err)
	require.NotContains(t, line, "s3cr3t")
	require.Contains(t, line, "status=200")
}

// Files of people come from the address of the page, so no page may run them.
func TestUpload(t *testing.T) {
	part := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
		w.Header().Set("X-Got", fmt.Sprintf("%s %s %s %d", r.Method, r.URL.EscapedPath(), r.Header.Get("Authorization"), n))
		if strings.HasSuffix(r.URL.Path, ".js") {
			w.Header().Set("Content-Type", "text/javascript")
			w.Header().Set("Content-Disposition", `attachment; filename="x.js"`)
		}
	}))
	defer part.Close()
	s := front(t, func(c *Config, _ *Options) { c.XMPPAddress = part.Listener.Addr().String() })
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	req, err := http.NewRequest(http.MethodPut, srv.URL+"/upload/id/my%20file.js", bytes.NewReader(make([]byte, 2*maxProxiedBody)))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer x")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, fmt.Sprintf("PUT /upload/id/my%%20file.js Bearer x %d", 2*maxProxiedBody), resp.Header.Get("X-Got"))
	require.Equal(t, "application/octet-stream", resp.Header.Get("Content-Type"))
	require.Contains(t, resp.Header.Values("Content-Security-Policy"), "default-src 'none'; sandbox")
	require.Equal(t, []string{"nosniff"}, resp.Header.Values("X-Content-Type-Options"))
	resp, err = http.Post(srv.URL+"/upload/id/x.png", "image/png", nil)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
	for _, path := range []string{"/upload/..%2Fmetrics", "/upload/id/..%2F..%2Fmetrics", "/upload/id/a%5Cb"} {
		resp, err = http.Get(srv.URL + path)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusNotFound, resp.StatusCode, path)
		require.Empty(t, resp.Header.Get("X-Got"), path)
	}
	require.False(t, IsRoom("upload"))
}
