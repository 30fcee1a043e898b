package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"parley/internal/app"
)

// startServer starts Parley with all its parts, or names the server of the environment.
func startServer(t *testing.T) server {
	t.Helper()
	if ws := os.Getenv("PARLEY_E2E_WEBSOCKET"); ws != "" {
		return server{websocket: ws, domain: os.Getenv("PARLEY_E2E_DOMAIN"), secret: []byte(os.Getenv("PARLEY_E2E_TOKEN_SECRET"))}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "parley.yaml")
	ports := map[string]int{}
	for _, p := range []string{"c2s", "http", "components", "media-tcp", "colibri", "web"} {
		ports[p] = freePort(t, "tcp")
	}
	ports["media"] = freePort(t, "udp")
	text := fmt.Sprintf(`
log: {level: debug}
metrics: {serve: ''}
xmppd: {c2s_listen: '127.0.0.1:%d', http_listen: '127.0.0.1:%d', component_listen: '127.0.0.1:%d'}
bridge: {media: {port: %d, addresses: [127.0.0.1], tcp: {port: %d}}, websocket: {listen: '127.0.0.1:%d'}}
web: {https_listen: '', http_listen: '127.0.0.1:%d'}
`, ports["c2s"], ports["http"], ports["components"], ports["media"], ports["media-tcp"], ports["colibri"], ports["web"])
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, logs := &output{}, &output{}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- app.Run(ctx, app.Options{
			Parts: app.All, ConfigFile: file, Data: filepath.Join(dir, "data"),
			Program: "parley", Stdout: out, Stderr: logs,
		})
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("serve: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("serve does not stop")
		}
		if t.Failed() {
			t.Logf("the server's log:\n%s", logs)
		}
	})
	waitFor(t, ended, logs, fmt.Sprintf("127.0.0.1:%d", ports["http"]))
	var secrets struct {
		Token string `yaml:"token_secret"`
	}
	b, err := os.ReadFile(filepath.Join(dir, "data", "secrets.yaml"))
	if err == nil {
		err = yaml.Unmarshal(b, &secrets)
	}
	if err != nil || secrets.Token == "" {
		t.Fatalf("token secret: %v", err)
	}
	srv := server{
		websocket: fmt.Sprintf("ws://127.0.0.1:%d/xmpp-websocket", ports["http"]),
		domain:    "meet.localhost", secret: []byte(secrets.Token), ports: ports,
	}
	if err := awaitFocus(srv); err != nil {
		t.Fatalf("%v\n%s", err, logs)
	}
	return srv
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
func waitFor(t *testing.T, ended chan error, logs *output, addr string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-tick.C:
		case err := <-ended:
			ended <- nil
			t.Fatalf("serve ended: %v\n%s", err, logs)
		case <-deadline:
			t.Fatalf("nothing listens on %s\n%s", addr, logs)
		}
	}
}

func freePort(t *testing.T, network string) int {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.LocalAddr().(*net.UDPAddr).Port
	}
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
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
