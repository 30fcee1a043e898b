package transport_test

import (
	"context"
	"testing"
	"time"

	"parley/bridge/transport"
	"parley/internal/logx"
)

// bridgeEnd is one end of a link between two bridges.
type bridgeEnd struct {
	session   *transport.Session
	transport *transport.Transport
	ready     chan transport.Keys
	opened    chan struct{}
	messages  chan string
	failed    chan error
}

func (e *bridgeEnd) TransportConnected()             {}
func (e *bridgeEnd) TransportReady(k transport.Keys) { e.ready <- k }
func (e *bridgeEnd) TransportFailed(err error)       { e.failed <- err }
func (e *bridgeEnd) ChannelOpened()                  { close(e.opened) }
func (e *bridgeEnd) ChannelMessage(text []byte)      { e.messages <- string(text) }
func (e *bridgeEnd) ChannelClosed()                  {}

func newBridgeEnd(t *testing.T, at *transport.Transport, initiator bool) *bridgeEnd {
	t.Helper()
	e := &bridgeEnd{
		transport: at, ready: make(chan transport.Keys, 1), opened: make(chan struct{}),
		messages: make(chan string, 16), failed: make(chan error, 1),
	}
	s, err := at.NewSession(transport.SessionOptions{
		Controlling: initiator, SCTP: true, OpensChannel: initiator, UniquePort: initiator,
		Patient: true, PrivateCandidates: true, Handler: e,
	})
	if err != nil {
		t.Fatal(err)
	}
	e.session = s
	return e
}

// connectEnds gives each end what the focus would: the other's description, with the DTLS
// roles handed out.
func connectEnds(t *testing.T, a, b *bridgeEnd) {
	t.Helper()
	toA, toB := b.session.Local(), a.session.Local()
	toA.Setup, toB.Setup = transport.SetupActive, transport.SetupPassive
	if err := a.session.SetRemote(toA); err != nil {
		t.Fatal(err)
	}
	if err := b.session.SetRemote(toB); err != nil {
		t.Fatal(err)
	}
}

// readMedia runs a transport's receiving until the test ends and passes on from whom
// media came.
func readMedia(t *testing.T, at *transport.Transport) <-chan uint32 {
	t.Helper()
	from := make(chan uint32, 64)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffers, sizes, peers, ages := make([][]byte, 16), make([]int, 16), make([]uint32, 16), make([]int64, 16)
		for i := range buffers {
			buffers[i] = make([]byte, 2048)
		}
		for ctx.Err() == nil {
			n := at.Lane(0).Receive(buffers, sizes, peers, ages, time.Now().Add(20*time.Millisecond))
			for i := range n {
				if sizes[i] > 0 {
					from <- peers[i]
				}
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return from
}

// newBare makes a transport without a shard.
func newBare(t *testing.T) *transport.Transport {
	t.Helper()
	cfg := transport.DefaultConfig()
	cfg.Port, cfg.Addresses, cfg.TCP.Enabled = 0, []string{"127.0.0.1"}, false
	at, err := transport.New(cfg, logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	if err := at.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = at.Close() })
	return at
}

// TestTwoConferencesBetweenTwoBridges: both bridges keep the conferences apart although
// the same two machines talk, because one end has a port of its own.
func TestTwoConferencesBetweenTwoBridges(t *testing.T) {
	east, west := newBare(t), newBare(t)
	fromEast, fromWest := readMedia(t, west), readMedia(t, east)
	var ends [2][2]*bridgeEnd
	for i := range ends {
		a, b := newBridgeEnd(t, east, true), newBridgeEnd(t, west, false)
		for _, c := range a.session.Local().Candidates {
			if c.Addr == east.Addresses()[0] {
				t.Error("the initiator offers the shared port")
			}
		}
		connectEnds(t, a, b)
		ends[i] = [2]*bridgeEnd{a, b}
	}
	for i, pair := range ends {
		for _, e := range pair {
			await(t, "DTLS", e.ready)
			await(t, "channel", e.opened)
		}
		for k, e := range pair {
			if err := e.session.SendMessage([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			if got := await(t, "message", pair[1-k].messages); got != "hello" {
				t.Errorf("link %d: got %q", i, got)
			}
		}
		media := append([]byte{0x80, 96}, make([]byte, 40)...)
		east.Lane(0).Send([]uint32{pair[0].session.Peer()}, [][]byte{media})
		if got := await(t, "media from the east", fromEast); got != pair[1].session.Peer() {
			t.Errorf("link %d: media from the east came to peer %d, want %d", i, got, pair[1].session.Peer())
		}
		west.Lane(0).Send([]uint32{pair[1].session.Peer()}, [][]byte{media})
		if got := await(t, "media from the west", fromWest); got != pair[0].session.Peer() {
			t.Errorf("link %d: media from the west came to peer %d, want %d", i, got, pair[0].session.Peer())
		}
	}
	ends[0][0].session.Close()
	eventually(t, "the session to go", func() bool { return east.Stats().Sessions == 1 })
	// The other one goes on.
	if err := ends[1][0].session.SendMessage([]byte("still here")); err != nil {
		t.Fatal(err)
	}
	await(t, "message", ends[1][1].messages)
}
