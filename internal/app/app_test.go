package app

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/admin"
)

// everywhereFree moves every listener to a free port.
const everywhereFree = `
xmppd: {c2s_listen: "127.0.0.1:0", http_listen: "127.0.0.1:0", component_listen: "127.0.0.1:0"}
bridge: {media: {port: 0, tcp: {port: 0}}, websocket: {listen: "127.0.0.1:0"}}
web: {https_listen: "127.0.0.1:0", http_listen: "127.0.0.1:0"}
metrics: {serve: "127.0.0.1:0", xmppd: "127.0.0.1:0", focus: "127.0.0.1:0", bridge: "127.0.0.1:0", web: "127.0.0.1:0"}
log: {level: debug}
`

// buffer is a log several goroutines write to.
type buffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// running is a parley under test.
type running struct {
	data   data
	stdout *bufio.Reader
	log    *buffer
	stop   func() error
}

func runParts(t *testing.T, dir string, parts ...Part) *running {
	t.Helper()
	file := filepath.Join(t.TempDir(), "parley.yaml")
	require.NoError(t, os.WriteFile(file, []byte(everywhereFree), 0o600))
	r, w := io.Pipe()
	run := &running{data: data(dir), stdout: bufio.NewReader(r), log: &buffer{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := Run(ctx, Options{Parts: parts, ConfigFile: file, Data: dir, Program: "parley", Stdout: w, Stderr: run.log})
		w.CloseWithError(io.EOF)
		done <- err
	}()
	var once sync.Once
	var result error
	run.stop = func() error {
		once.Do(func() { cancel(); result = <-done })
		return result
	}
	t.Cleanup(func() { run.stop() })
	return run
}

// text reads the start text.
func (r *running) text(t *testing.T, last string) string {
	t.Helper()
	var b strings.Builder
	for {
		line, err := r.stdout.ReadString('\n')
		b.WriteString(line)
		require.NoError(t, err, "%s\n%s", b.String(), r.log.String())
		if strings.Contains(line, last) {
			return b.String()
		}
	}
}

// eventually asks until ok, for at most a minute.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

func (r *running) ctl(t *testing.T, words ...string) string {
	t.Helper()
	var out bytes.Buffer
	for _, part := range append([]Part{""}, All...) {
		err := admin.Call(t.Context(), r.data.socket(part), words, "", &out)
		if err == nil {
			return out.String()
		}
		require.ErrorIs(t, err, admin.ErrNotRunning)
	}
	t.Fatal("nobody answers")
	return ""
}

func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := runParts(t, dir, All...)
	text := first.text(t, "and join ROOM@")
	link := regexp.MustCompile(`moderator +(http://localhost:(\d+))/([a-z-]+)\?jwt=(\S+)`).FindStringSubmatch(text)
	require.NotNil(t, link, text)
	require.Contains(t, text, "register alice meet.localhost")
	require.Contains(t, text, "Ctrl-C")
	base := "http://127.0.0.1:" + link[2]

	eventually(t, "healthy", func() bool { status, _ := get(t, base+"/about/health"); return status == 200 })
	_, body := get(t, base+"/config.js")
	require.Contains(t, body, `"domain": "meet.localhost"`)
	status, _ := get(t, base+"/http-bind")
	require.Equal(t, 200, status, "the XMPP server is reached in-process")

	out := first.ctl(t, "status")
	for _, want := range []string{"xmppd   up", "web     up", "bridge  up", "focus   up", "logged in"} {
		require.Contains(t, out, want)
	}
	require.Contains(t, first.ctl(t, "register", "alice", "meet.localhost", "wonderland"), "registered")
	out = first.ctl(t, "reload")
	require.Contains(t, out, "certificate: valid until")
	require.Contains(t, out, "settings: unchanged", "a running server is as its settings say")

	// The links are for the person at the terminal, not for the log.
	require.NotContains(t, first.log.String(), link[4])
	require.NotContains(t, first.log.String(), "eyJ")
	secrets, err := first.data.loadSecrets()
	require.NoError(t, err)
	require.NotContains(t, first.log.String(), secrets.FocusPassword)

	// A second process on the same data is refused in one sentence.
	second := runParts(t, dir, All...)
	require.ErrorContains(t, second.stop(), "already runs with its data in "+dir)

	began := time.Now()
	require.NoError(t, first.stop())
	t.Logf("stopped within %v (wanted: 5 s)", time.Since(began))
	require.Less(t, time.Since(began), 15*time.Second)
	require.NoFileExists(t, first.data.socket(""))

	// The next start keeps everything, so old links work.
	third := runParts(t, dir, All...)
	third.text(t, "and join ROOM@")
	again, err := third.data.loadSecrets()
	require.NoError(t, err)
	require.Equal(t, secrets, again)
	require.Contains(t, third.ctl(t, "users"), "alice@meet.localhost")
	require.NoError(t, third.stop())
}

func TestPartsAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for _, part := range []Part{Focus, Bridge, Web, XMPPD} { // the server last
		r := runParts(t, dir, part)
		r.text(t, "parley "+string(part)+" runs")
		require.Contains(t, r.ctl(t, "status"), string(part))
		defer func() { require.NoError(t, r.stop()) }()
	}
}

func TestTakenPortNamesTheKey(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	for key, variable := range map[string]string{
		"xmppd.c2s_listen": "PARLEY_XMPPD_C2S_LISTEN", "web.http_listen": "PARLEY_WEB_HTTP_LISTEN",
		"bridge.websocket.listen": "PARLEY_BRIDGE_WEBSOCKET_LISTEN", "metrics.serve": "PARLEY_METRICS_SERVE",
	} {
		file := filepath.Join(t.TempDir(), "parley.yaml")
		require.NoError(t, os.WriteFile(file, []byte(everywhereFree), 0o600))
		err := Run(t.Context(), Options{Parts: All, ConfigFile: file, Data: filepath.Join(t.TempDir(), "data"),
			Environ: []string{variable + "=" + ln.Addr().String()}, Stderr: io.Discard})
		require.ErrorContains(t, err, key+": ")
		require.ErrorContains(t, err, ln.Addr().String())
		require.ErrorContains(t, err, "stop what listens there")
	}
}
