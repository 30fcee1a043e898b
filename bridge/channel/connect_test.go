package channel_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"parley/bridge/channel"
	"parley/internal/logx"
)

// TestTwoBridgesConnect: one dials the other, comes back when the socket breaks, and stays
// away when the other one closes for good.
func TestTwoBridgesConnect(t *testing.T) {
	east, _ := start(t)
	west, _ := start(t)
	re, rw := newRecorder(), newRecorder()
	ce, cw := east.OpenRelay("c1", "west", re), west.OpenRelay("c7", "east", rw)
	ce.Connect(cw.URLs()[0])
	ce.Connect(cw.URLs()[0]) // once is enough
	for _, r := range []*recorder{re, rw} {
		if k := receive(t, r.opened); k != channel.WebSocket {
			t.Fatalf("opened %v", k)
		}
	}
	ce.Send([]byte("from the east"))
	cw.Send([]byte("from the west"))
	if a, b := receive(t, rw.messages), receive(t, re.messages); a != "from the east" || b != "from the west" {
		t.Errorf("got %q and %q", a, b)
	}
	// Somebody else takes the place: the first is told so, and tries again.
	intruder := dial(t, cw.URLs()[0])
	receive(t, rw.opened)
	receive(t, re.closed)
	select {
	case <-rw.opened:
	case <-time.After(15 * time.Second):
		t.Fatal("the other bridge did not come back")
	}
	_ = intruder.CloseNow()
	cw.Close()
	receive(t, re.closed)
	if ce.Active() != 0 {
		t.Error("the channel outlives the other end")
	}
}

// TestBridgesMayHaveTheirOwnWay: other bridges may reach us elsewhere than clients.
func TestBridgesMayHaveTheirOwnWay(t *testing.T) {
	s := channel.NewServer(channel.Config{Domains: []string{"meet.example.org"}, RelayDomains: []string{"192.0.2.3:9090"}, ServerID: "b1"}, logx.Discard())
	client, other := s.Open("c1", "kim", newRecorder()), s.OpenRelay("c1", "east", newRecorder())
	if got := client.URLs()[0]; !strings.HasPrefix(got, "ws://meet.example.org/colibri-ws/b1/c1/kim?pwd=") {
		t.Errorf("clients are told %s", got)
	}
	if got := other.URLs()[0]; !strings.HasPrefix(got, "ws://192.0.2.3:9090/colibri-relay-ws/b1/c1/east?pwd=") {
		t.Errorf("bridges are told %s", got)
	}
}

func TestAddressesThatCannotBeDialled(t *testing.T) {
	s, _ := start(t)
	c := s.OpenRelay("c1", "r", newRecorder())
	for _, bad := range []string{"", "http://x/", "ftp://x", "://", "ws://127.0.0.1:1/colibri-relay-ws/x/y/z?pwd=q"} {
		c.Connect(bad)
	}
	if c.Active() != 0 {
		t.Error("something was connected")
	}
}

// TestThePasswordIsNotLogged: the address of the other bridge's channel is a secret.
func TestThePasswordIsNotLogged(t *testing.T) {
	log := logrus.New()
	log.SetLevel(logrus.DebugLevel)
	log.SetOutput(io.Discard)
	lines := hook(make(chan string, 16))
	log.AddHook(lines)
	s := channel.NewServer(channel.Config{ServerID: "b1"}, logrus.NewEntry(log))
	defer s.Close(t.Context())
	c := s.OpenRelay("c1", "r", newRecorder())
	defer c.Close()
	c.Connect("ws://127.0.0.1:1/colibri-relay-ws/x/y/z?pwd=hush")
	if line := receive(t, lines); !strings.Contains(line, "connect") || strings.Contains(line, "hush") {
		t.Errorf("the log says %s", line)
	}
}

// hook takes what is logged.
type hook chan string

func (hook) Levels() []logrus.Level { return logrus.AllLevels }

func (h hook) Fire(e *logrus.Entry) error {
	line, err := e.String()
	select {
	case h <- line:
	default:
	}
	return err
}

// TestRelayPathIsItsOwn: a client and a bridge of one name are not confused.
func TestRelayPathIsItsOwn(t *testing.T) {
	s, _ := start(t)
	client, relay := s.Open("c1", "x", newRecorder()), s.OpenRelay("c1", "x", newRecorder())
	if client.URLs()[0] == relay.URLs()[0] {
		t.Fatal("a client's channel and a relay's have one address")
	}
	dial(t, client.URLs()[0])
	dial(t, relay.URLs()[0])
}
