//go:build linux

package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	pionrtp "github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"parley/bridge/media"
	"parley/bridge/rtp"
	"parley/bridge/transport"
	"parley/internal/logx"
)

// shape says who sends what to whom.
type shape struct {
	name    string
	Senders int  // the first ones of the participants
	People  int  // all participants
	Audio   bool // senders have sound beside the picture
	// PerFrame is the number of packets in a frame; there are 30 frames a second.
	PerFrame int
}

var shapes = []shape{
	{name: "one-to-10", Senders: 1, People: 11, PerFrame: 5},
	{name: "one-to-40", Senders: 1, People: 41, PerFrame: 5},
	{name: "meeting-of-10", Senders: 10, People: 10, Audio: true, PerFrame: 5},
	{name: "four-to-40-heavy", Senders: 4, People: 44, PerFrame: 25},
}

func (s shape) fan() [][]int {
	fan := make([][]int, s.People)
	for i := range s.Senders {
		for j := range s.People {
			if i != j {
				fan[i] = append(fan[i], j)
			}
		}
	}
	return fan
}

// perSecond is the number of packets a sender sends and of those that are forwarded.
func (s shape) perSecond() int {
	in := 30 * s.PerFrame
	if s.Audio {
		in += 50
	}
	return s.Senders * in * (s.People - 1)
}

const loadVariable = "PARLEY_TEST_LOAD"

func forwardContext() *srtp.Context {
	c, err := srtp.CreateContext([]byte("0123456789abcdef"), []byte("salt of 12 b"), srtp.ProtectionProfileAeadAes128Gcm)
	if err != nil {
		panic(err)
	}
	return c
}

// BenchmarkForward compares the whole media path, sockets included, with a program that
// does nothing but receive, open, seal and send (transport.Floor), in turns on the same
// load: real SRTP from a process of its own, at the pace of a call. The figures are
// processor time, the kernel's included, per packet that was forwarded; on loopback the
// receiver's side of the kernel is in them as well. "runs" is with UDP segmentation.
func BenchmarkForward(b *testing.B) {
	for _, s := range shapes {
		for _, runs := range []bool{true, false} {
			name := s.name + "/single"
			if runs {
				name = s.name + "/runs"
			}
			b.Run(name, func(b *testing.B) { forward(b, s, runs) })
		}
	}
}

// forward measures once, however often it is asked to: the load has a pace of its own.
func forward(b *testing.B, s shape, runs bool) {
	var bridge, floor usage
	for range 2 {
		floor.add(window(b, s, runs, startFloor))
		bridge.add(window(b, s, runs, startBridge))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(floor.perPacket(), "floor-ns/packet")
	b.ReportMetric(bridge.perPacket(), "bridge-ns/packet")
	b.ReportMetric(bridge.perPacket()/floor.perPacket(), "x-floor")
	b.ReportMetric(float64(bridge.packets)/float64(bridge.messages), "packets/message")
	b.ReportMetric(100*bridge.missing/2, "missing-%")
}

// usage is what a window cost.
type usage struct {
	cpu               time.Duration
	packets, messages uint64
	missing           float64
}

func (u *usage) add(o usage) {
	u.cpu += o.cpu
	u.packets += o.packets
	u.messages += o.messages
	u.missing += o.missing
}

func (u *usage) perPacket() float64 { return float64(u.cpu.Nanoseconds()) / float64(max(1, u.packets)) }

func processorTime() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

const (
	windowWarm = 500 * time.Millisecond
	windowTime = 1500 * time.Millisecond
)

// window runs a forwarder under load for a while.
func window(b *testing.B, s shape, runs bool, start func(*testing.B, *transport.Transport, shape, []netip.AddrPort) (stop func())) usage {
	b.Helper()
	cfg := transport.DefaultConfig()
	cfg.Port, cfg.Addresses, cfg.TCP.Enabled = 0, []string{"127.0.0.1"}, false
	t, err := transport.New(cfg, logx.Discard())
	if err != nil {
		b.Fatal(err)
	}
	if err := t.Listen(); err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	t.SetRuns(runs)
	load := startLoad(b, s, t.Addresses()[0])
	stop := start(b, t, s, load.addrs)
	defer stop()
	load.begin()
	<-time.After(windowWarm)
	cpu, before := processorTime(), t.Stats()
	began := load.received()
	<-time.After(windowTime)
	cpu = processorTime() - cpu
	after := t.Stats()
	got := load.received() - began
	load.end()
	u := usage{cpu: cpu, packets: got, messages: after.MessagesSent - before.MessagesSent}
	if want := float64(s.perSecond()) * windowTime.Seconds(); float64(got) < want {
		u.missing = 1 - float64(got)/want
	}
	return u
}

func startFloor(_ *testing.B, t *transport.Transport, s shape, addrs []netip.AddrPort) func() {
	f := transport.NewFloor(t, addrs, s.fan(), forwardContext)
	stop := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() { f.Run(stop) })
	return func() {
		close(stop)
		t.Lane(0).Wake()
		work.Wait()
	}
}

func startBridge(_ *testing.B, t *transport.Transport, s shape, addrs []netip.AddrPort) func() {
	shard := rtp.NewShard(rtp.Config{ArenaSlots: 8192}, t.Lane(0))
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = shard.Run(ctx) })
	var people []*rtp.Endpoint
	for _, a := range addrs {
		e := shard.NewEndpoint(t.BindPeer(a), rtp.EndpointOptions{AudioFeedbackSSRC: 1, VideoFeedbackSSRC: 2})
		e.AddPayloadTypes(clientTypes...)
		e.AddExtensions(media.Extension{ID: 1, Kind: media.ExtAudioLevel}, media.Extension{ID: 5, Kind: media.ExtTransportCC})
		e.SetKeys(forwardContext(), forwardContext(), true)
		people = append(people, e)
	}
	for i := range s.Senders {
		video := people[i].AddSource(rtp.SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: videoOf(i)}}})
		audio := people[i].AddSource(rtp.SourceConfig{Kind: media.Audio, Encodings: []media.Encoding{{SSRC: audioOf(i)}}})
		for _, j := range s.fan()[i] {
			people[j].Forward(rtp.Forward{Source: video, Target: media.LayerAll})
			people[j].Forward(rtp.Forward{Source: audio, Target: media.LayerAll})
		}
	}
	return func() {
		cancel()
		work.Wait()
	}
}

func videoOf(i int) uint32 { return uint32(1000 + i) }
func audioOf(i int) uint32 { return uint32(2000 + i) }

// loadProcess is the process that sends and receives for all participants.
type loadProcess struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	addrs []netip.AddrPort
}

// loadOrder is what it is told.
type loadOrder struct {
	Shape  shape
	Target netip.AddrPort
}

func startLoad(b *testing.B, s shape, target netip.AddrPort) *loadProcess {
	b.Helper()
	order, err := json.Marshal(loadOrder{s, target})
	if err != nil {
		b.Fatal(err)
	}
	l := &loadProcess{cmd: exec.Command(os.Args[0])}
	l.cmd.Env = append(os.Environ(), loadVariable+"="+string(order))
	l.cmd.Stderr = os.Stderr
	if l.in, err = l.cmd.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	l.out = bufio.NewReader(out)
	if err := l.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	line, err := l.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &l.addrs)
	}
	if err != nil {
		b.Fatal(err)
	}
	return l
}

func (l *loadProcess) begin() { _, _ = io.WriteString(l.in, "begin\n") }

// received asks how many packets came back so far.
func (l *loadProcess) received() (n uint64) {
	_, _ = io.WriteString(l.in, "count\n")
	_, _ = fmt.Fscanln(l.out, &n)
	return n
}

func (l *loadProcess) end() {
	_ = l.in.Close()
	_ = l.cmd.Wait()
}

// init turns the test's program into the load process when a benchmark starts it as one.
func init() {
	load := os.Getenv(loadVariable)
	if load == "" {
		return
	}
	if err := runLoad(load); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// runLoad is the life of the load process.
func runLoad(text string) error {
	var o loadOrder
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	var got atomic.Uint64
	var conns []*net.UDPConn
	var addrs []netip.AddrPort
	for range o.Shape.People {
		c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(o.Target))
		if err != nil {
			return err
		}
		_ = c.SetReadBuffer(4 << 20)
		conns, addrs = append(conns, c), append(addrs, c.LocalAddr().(*net.UDPAddr).AddrPort())
		go func() {
			b := make([]byte, 2048)
			for {
				n, err := c.Read(b)
				if err != nil {
					return
				}
				if n > 1 && (b[1] < 192 || b[1] > 223) {
					got.Add(1)
				}
			}
		}()
	}
	if err := json.NewEncoder(os.Stdout).Encode(addrs); err != nil {
		return err
	}
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		switch orders.Text() {
		case "begin":
			for i := range o.Shape.Senders {
				go sendLoad(conns[i], i, o.Shape)
			}
		case "count":
			fmt.Println(got.Load())
		}
	}
	return nil
}

// sendLoad sends a participant's picture and sound. A frame leaves in pieces of two fifths,
// a few milliseconds apart, as clients pace it.
func sendLoad(c *net.UDPConn, i int, s shape) {
	ctx := forwardContext()
	send := func(h pionrtp.Header, payload []byte) {
		b, err := (&pionrtp.Packet{Header: h, Payload: payload}).Marshal()
		if err != nil {
			return
		}
		if b, err = ctx.EncryptRTP(nil, b, nil); err == nil {
			_, _ = c.Write(b)
		}
	}
	const piece = 5 * time.Millisecond
	// Senders know nothing of each other: their moments are spread.
	<-time.After(time.Duration(i) * piece / time.Duration(s.Senders))
	step := time.NewTicker(piece)
	defer step.Stop()
	start := time.Now().Add(time.Duration(i) * 3300 * time.Microsecond)
	audio, video, left := uint32(0), uint32(0), 0
	seq := uint16(0)
	for now := range step.C {
		at := now.Sub(start)
		for s.Audio && at >= time.Duration(audio)*20*time.Millisecond {
			audio++
			h := pionrtp.Header{Version: 2, PayloadType: 111, SSRC: audioOf(i), SequenceNumber: uint16(audio), Timestamp: audio * 960}
			_ = h.SetExtension(1, []byte{30})
			send(h, make([]byte, 100))
		}
		if left == 0 && at >= time.Duration(video)*time.Second/30 {
			video++
			left = s.PerFrame
		}
		for range (2*s.PerFrame + 4) / 5 {
			if left == 0 {
				break
			}
			send(loadFrame(i, &seq, video, left == s.PerFrame, left == 1))
			left--
		}
	}
}

// loadFrame makes a packet of a VP8 picture; there is a keyframe every second.
func loadFrame(i int, seq *uint16, number uint32, first, last bool) (pionrtp.Header, []byte) {
	*seq++
	h := pionrtp.Header{Version: 2, PayloadType: 100, SSRC: videoOf(i), SequenceNumber: *seq, Timestamp: number * 3000, Marker: last}
	_ = h.SetExtension(5, []byte{byte(*seq >> 8), byte(*seq)})
	payload := make([]byte, 1000)
	copy(payload, []byte{0x80, 0xE0, 0x80 | byte(number>>8)&0x7F, byte(number), byte(number), 0})
	if first {
		payload[0] |= 0x10
		payload[6] = 0x11
		if number%30 == 1 {
			copy(payload[6:], []byte{0x10, 0, 0, 0x9D, 1, 0x2A, 0x80, 2, 0x68, 1})
		}
	}
	return h, payload
}
