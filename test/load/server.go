//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// server is a server under test.
type server struct {
	name          string
	xmpp, http    netip.AddrPort
	domain, rooms string // where clients log in, and where rooms are
	cmd           *exec.Cmd
	log           *os.File
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// stop ends the process, politely first.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(5*time.Second, func() { _ = s.cmd.Process.Kill() })
	_ = s.cmd.Wait()
	kill.Stop()
	_ = s.log.Close()
}

// freePorts finds loopback ports nobody listens on.
func freePorts(n int) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		out = append(out, ln.Addr().(*net.TCPAddr).AddrPort())
	}
	return out, nil
}

// launch starts a program and waits until both ports answer.
func (s *server) launch(ctx context.Context, dir, program string, args ...string) error {
	var err error
	if s.log, err = os.Create(filepath.Join(dir, "output")); err != nil {
		return err
	}
	s.cmd = exec.CommandContext(ctx, program, args...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	deadline := time.Now().Add(20 * time.Second)
	for _, a := range []netip.AddrPort{s.xmpp, s.http} {
		for {
			c, err := net.DialTimeout("tcp", a.String(), time.Second)
			if err == nil {
				_ = c.Close()
				break
			}
			if time.Now().After(deadline) {
				s.stop()
				said, _ := os.ReadFile(s.log.Name())
				return fmt.Errorf("%s does not listen on %v; it said: %s", s.name, a, said)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}

// lifted are the limits of parley that the load would meet, and that are switched
// off here. They are printed beside the figures.
const lifted = "xmppd.sessions: stanzas_per_second, bytes_per_second (limits on one session's sending rate)"

// startParley runs `parley xmppd` with shipped defaults, but for what a server
// without a focus and without TLS needs, and for lifted.
func startParley(ctx context.Context, program, dir string) (*server, error) {
	program, err := filepath.Abs(program)
	if err == nil {
		_, err = os.Stat(program)
	}
	if err != nil {
		return nil, fmt.Errorf("there is no %s: make it with `make binary`", program)
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`domain: load.test
log: {level: warning}
metrics: {xmppd: ''}
xmppd:
  c2s_listen: %q
  http_listen: %q
  component_listen: %q
  guest_domain: guest.load.test
  authentication: anonymous
  require_tls: false
  sessions: {stanzas_per_second: 0, bytes_per_second: 0}
  rooms: {restrict_creation: false}
  meeting: {focus_first: false}
`, ports[0], ports[1], ports[2])
	file := filepath.Join(dir, "parley.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	s := &server{name: "Parley", xmpp: ports[0], http: ports[1], domain: "guest.load.test", rooms: "conference.load.test"}
	return s, s.launch(ctx, dir, program, "xmppd", "--config", file, "--data", filepath.Join(dir, "data"))
}

// startProsody runs Debian's Prosody as Jitsi deployments set it up: plain rooms in
// memory, the collector's settings of docker-jitsi-meet, and Nagle's algorithm off.
func startProsody(ctx context.Context, dir string) (*server, error) {
	program, err := exec.LookPath("prosody")
	if err != nil {
		return nil, errors.New("the peer prosody is not installed, and a comparison needs it: `apt-get install prosody` (and stop the service it starts); -peer=false measures without")
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	config := strings.NewReplacer("DIR", dir, "C2S", fmt.Sprint(ports[0].Port()), "HTTP", fmt.Sprint(ports[1].Port())).Replace(`run_as_root = true
daemonize = false
pidfile = "DIR/prosody.pid"
data_path = "DIR"
interfaces = { "127.0.0.1" }
c2s_ports = { C2S }
c2s_direct_tls_ports = {}
http_ports = { HTTP }
http_interfaces = { "127.0.0.1" }
https_ports = {}
http_default_host = "guest.load.test"
network_backend = "epoll"
network_settings = { tcp_backlog = 1024, nagle = false }
gc = { mode = "incremental", threshold = 400, speed = 250, step_size = 13 }
modules_enabled = { "saslauth", "disco", "ping", "bosh", "websocket", "posix" }
modules_disabled = { "s2s", "limits", "tls" }
c2s_require_encryption = false
consider_bosh_secure = true
consider_websocket_secure = true
storage = "memory"
log = { { levels = { min = "warn" }, to = "file", filename = "DIR/prosody.log" } }
VirtualHost "guest.load.test"
	authentication = "anonymous"
Component "conference.load.test" "muc"
	restrict_room_creation = false
	muc_room_locking = false
	muc_tombstones = false
`)
	file := filepath.Join(dir, "prosody.cfg.lua")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return nil, err
	}
	s := &server{name: "Prosody", xmpp: ports[0], http: ports[1], domain: "guest.load.test", rooms: "conference.load.test"}
	return s, s.launch(ctx, dir, program, "-F", "--config", file)
}
