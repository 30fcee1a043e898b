//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bridge is the process under test, with its focus.
type bridge struct {
	focus   *focus
	cmd     *exec.Cmd
	dir     string
	metrics string
}

// settings that differ from the shipped ones; they are printed beside the figures.
const lifted = "bridge.bandwidth.trust: false (all that is asked for is sent), bridge.video.initial_max_height: 2160 (video before a client asks)"

// startBridge runs `parley bridge`, on one core if core is not negative. extra are lines
// of bridge.video.
func startBridge(ctx context.Context, program string, core int, extra string) (b *bridge, err error) {
	if program, err = filepath.Abs(program); err == nil {
		_, err = os.Stat(program)
	}
	if err != nil {
		return nil, fmt.Errorf("there is no %s: make it with `make binary`", program)
	}
	b = &bridge{}
	if b.focus, err = newFocus(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	if b.dir, err = os.MkdirTemp("", "sfuload"); err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	media, err := listenUDP(netip.AddrPort{})
	if err != nil {
		return nil, err
	}
	media.close()
	b.metrics = ports[0]
	config := strings.NewReplacer("FOCUS", b.focus.listener.Addr().String(), "DOMAIN", bridgeDomain, "METRICS", ports[0],
		"CHANNEL", ports[1], "MEDIA", strconv.Itoa(int(media.local.Port())), "EXTRA", extra).Replace(`domain: load.test
log: {level: warning}
metrics: {bridge: 'METRICS'}
bridge:
  xmpp: [{component: true, address: 'FOCUS', domain: DOMAIN, password: load, tls: disabled, allow: [focus.load.test]}]
  media: {port: MEDIA, addresses: [127.0.0.1], tcp: {enabled: false}}
  websocket: {listen: 'CHANNEL', domains: ['CHANNEL'], tls: false}
  bandwidth: {trust: false}
  video: {initial_max_height: 2160EXTRA}
`)
	file := filepath.Join(b.dir, "parley.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return b, b.launch(ctx, core, program, "bridge", "--config", file, "--data", filepath.Join(b.dir, "data"))
}

func (b *bridge) launch(ctx context.Context, core int, program string, args ...string) error {
	output, err := os.Create(filepath.Join(b.dir, "output"))
	if err != nil {
		return err
	}
	defer output.Close()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.dir, output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := onCore(core, cmd.Start); err != nil {
		return err
	}
	b.cmd = cmd
	select {
	case <-b.focus.up:
		return nil
	case <-time.After(20 * time.Second):
	case <-ctx.Done():
	}
	said, _ := os.ReadFile(output.Name())
	return fmt.Errorf("the bridge did not log in; it said: %s", said)
}

func (b *bridge) pid() int { return b.cmd.Process.Pid }

// stop ends the process, politely first.
func (b *bridge) stop() {
	if b.cmd != nil {
		_ = b.cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(5*time.Second, func() { _ = b.cmd.Process.Kill() })
		_ = b.cmd.Wait()
		kill.Stop()
	}
	b.focus.close()
	_ = os.RemoveAll(b.dir)
}

// counts asks the bridge how many datagrams and messages it gave to the kernel.
func (b *bridge) counts() (packets, messages uint64, err error) {
	resp, err := http.Get("http://" + b.metrics + "/metrics")
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	found := 0
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), " ")
		n, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "parley_bridge_datagrams_sent_total":
			packets, found = uint64(n), found+1
		case "parley_bridge_messages_sent_total":
			messages, found = uint64(n), found+1
		}
	}
	if found != 2 {
		return 0, 0, errors.New("the bridge's metrics do not say how many datagrams and messages it sent")
	}
	return packets, messages, nil
}

// freePorts finds loopback addresses nobody listens on.
func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		out = append(out, l.Addr().String())
	}
	return out, nil
}

// onCore starts a process on one core; a negative one means all.
func onCore(core int, start func() error) error {
	if core < 0 {
		return start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	one.Set(core)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	return start()
}

// keepTo keeps all threads of this process on the given cores.
func keepTo(cores ...int) {
	var set unix.CPUSet
	for _, c := range cores {
		set.Set(c)
	}
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			_ = unix.SchedSetaffinity(id, &set)
		}
	}
}
