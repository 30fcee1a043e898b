package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"parley/internal/app"
)

// The parts stop within four seconds each; they try again to reach the server within
// fifteen. Both are trebled, for slow machines.
const (
	stopTime  = 60 * time.Second
	untilTime = 60 * time.Second
)

// startServer starts Parley with all its parts, or names the server of the environment.
func startServer(t *testing.T) server {
	t.Helper()
	if ws := os.Getenv("PARLEY_E2E_WEBSOCKET"); ws != "" {
		return server{websocket: ws, domain: os.Getenv("PARLEY_E2E_DOMAIN"), secret: []byte(os.Getenv("PARLEY_E2E_TOKEN_SECRET"))}
	}
	in := newInstallation(t)
	in.start(app.All...)
	srv := in.server()
	if err := awaitFocus(srv); err != nil {
		t.Fatal(err)
	}
	return srv
}

// installation is a configuration with free ports and a data directory.
type installation struct {
	t       *testing.T
	dir     string
	ports   map[string]int
	extra   string   // further lines of the configuration
	environ []string // further settings

	starts int // how often a process was started
}

func newInstallation(t *testing.T) *installation {
	in := &installation{t: t, dir: t.TempDir(), ports: map[string]int{}}
	for _, p := range []string{"c2s", "http", "components", "media-tcp", "colibri", "web", "media"} {
		in.ports[p] = freePort(t)
	}
	return in
}

// config writes a configuration file of its own for each start: a part that was
// started before may still be reading its one.
func (in *installation) config() string {
	text := fmt.Sprintf(`
log: {level: debug}
metrics: {serve: '', xmppd: '', focus: '', bridge: '', web: ''}
xmppd: {c2s_listen: '127.0.0.1:%d', http_listen: '127.0.0.1:%d', component_listen: '127.0.0.1:%d'}
bridge: {media: {port: %d, addresses: [127.0.0.1], tcp: {port: %d}}, websocket: {listen: '127.0.0.1:%d'}}
web: {https_listen: '', http_listen: '127.0.0.1:%d'}
%s
`, in.ports["c2s"], in.ports["http"], in.ports["components"], in.ports["media"], in.ports["media-tcp"],
		in.ports["colibri"], in.ports["web"], in.extra)
	in.starts++
	file := filepath.Join(in.dir, fmt.Sprintf("parley-%d.yaml", in.starts))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		in.t.Fatal(err)
	}
	return file
}

// process is one running parley.
type process struct {
	t     *testing.T
	logs  *output
	stop  func()
	ended chan error
}

// start runs parts in one process. It ends with the test if it is not stopped before.
func (in *installation) start(parts ...app.Part) *process {
	in.t.Helper()
	p := &process{t: in.t, logs: &output{}, ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	file := in.config()
	go func() {
		p.ended <- app.Run(ctx, app.Options{
			Parts: parts, ConfigFile: file, Environ: in.environ, Data: filepath.Join(in.dir, "data"),
			Program: "parley", Stdout: io.Discard, Stderr: p.logs,
		})
	}()
	var once sync.Once
	p.stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-p.ended:
				if err != nil {
					in.t.Errorf("%v: %v", parts, err)
				}
			case <-time.After(stopTime):
				in.t.Errorf("%v does not stop", parts)
			}
			if in.t.Failed() {
				in.t.Logf("the log of %v:\n%s", parts, p.logs)
			}
		})
	}
	in.t.Cleanup(p.stop)
	if slices.Contains(parts, app.XMPPD) {
		p.waitFor(fmt.Sprintf("127.0.0.1:%d", in.ports["http"]))
	}
	return p
}

// server is where plays find the installation; xmppd must have run once.
func (in *installation) server() server {
	in.t.Helper()
	var secrets struct {
		Token string `yaml:"token_secret"`
	}
	b, err := os.ReadFile(filepath.Join(in.dir, "data", "secrets.yaml"))
	if err == nil {
		err = yaml.Unmarshal(b, &secrets)
	}
	if err != nil || secrets.Token == "" {
		in.t.Fatalf("token secret: %v", err)
	}
	return server{
		websocket: fmt.Sprintf("ws://127.0.0.1:%d/xmpp-websocket", in.ports["http"]),
		domain:    "meet.localhost", secret: []byte(secrets.Token), ports: in.ports,
	}
}

// awaitFocus asks for a room until the focus answers that it is there, as clients do.
func awaitFocus(srv server) error {
	v := vars{"roomname": uniqueRoom()}
	a := newActor("Early", nil)
	defer a.hangUp()
	if failure, err := a.connect(srv, v); failure != nil || err != nil {
		return fmt.Errorf("log-in: %s %w", failure, err)
	}
	text := `<iq id="{id}" to="focus.{domain}" type="set" xmlns="jabber:client"><conference room="{roomname}@conference.{domain}" xmlns="http://jitsi.org/protocol/focus"/></iq>`
	answer, err := parseElements(`<iq id="{id}" play:more="x" xmlns="jabber:client"/>`)
	if err != nil {
		return err
	}
	v["domain"] = srv.domain
	for end := time.Now().Add(stageTime); time.Now().Before(end); {
		v["id"] = uniqueRoom()
		request, err := parseElements(text)
		if err != nil {
			return err
		}
		filled, err := request[0].fill(v)
		if err == nil {
			err = a.send(filled)
		}
		if err != nil {
			return err
		}
		e, _, err := a.take(answer[0], v)
		if err != nil {
			return err
		}
		if c := e.child("conference"); e.attr("type") == "result" && c != nil && c.attr("ready") == "true" {
			return nil
		}
	}
	return errors.New("the focus is not ready")
}

// waitFor returns when the address accepts connections.
func (p *process) waitFor(addr string) {
	p.t.Helper()
	p.until("something listens on "+addr, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// says waits for text in the log.
func (p *process) says(text string) {
	p.t.Helper()
	p.until("the log says "+text, func() bool { return strings.Contains(p.logs.String(), text) })
}

// until waits for the condition, and fails if the process ends or time runs out.
func (p *process) until(what string, condition func() bool) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(untilTime)
	for !condition() {
		select {
		case <-tick.C:
		case err := <-p.ended:
			p.ended <- nil
			p.t.Fatalf("ended before %s: %v\n%s", what, err, p.logs)
		case <-deadline:
			p.t.Fatalf("not within %v: %s\n%s", untilTime, what, p.logs)
		}
	}
}

// lastPort is the port freePort gave last; each process of tests begins somewhere else.
var lastPort atomic.Int32

const firstPort, portCount = 20_000, 10_000

func init() { lastPort.Store(int32(rand.IntN(portCount))) }

// freePort returns a port nobody uses, for TCP or UDP, and gives none twice. It is none of
// those the system hands out (32768 and up): a part that is not started yet, or starts
// again, would find it taken by somebody's outgoing connection.
func freePort(t *testing.T) int {
	t.Helper()
	for range portCount {
		port := firstPort + int(lastPort.Add(1))%portCount
		addr := fmt.Sprintf(":%d", port)
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		c, err := net.ListenPacket("udp", addr)
		_ = l.Close()
		if err != nil {
			continue
		}
		_ = c.Close()
		return port
	}
	t.Fatal("no free port")
	return 0
}

// output is a buffer several goroutines write.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
