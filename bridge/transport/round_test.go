package transport

import (
	"errors"
	"testing"
	"time"

	"github.com/pion/ice/v4"

	"parley/internal/logx"
)

// lonely is a Handler that only hears of the end.
type lonely struct{ failed chan error }

func (lonely) TransportConnected()         {}
func (lonely) TransportReady(Keys)         {}
func (h lonely) TransportFailed(err error) { h.failed <- err }
func (lonely) ChannelOpened()              {}
func (lonely) ChannelMessage([]byte)       {}
func (lonely) ChannelClosed()              {}

// onLoopback is a transport that only this machine reaches.
func onLoopback(t *testing.T) *Transport {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Port, cfg.Addresses, cfg.TCP.Enabled = 0, []string{"127.0.0.1"}, false
	tr, err := New(cfg, logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// newLonely is a session that has been connected, as far as it knows.
func newLonely(t *testing.T) (*Session, lonely) {
	t.Helper()
	tr := onLoopback(t)
	h := lonely{make(chan error, 4)}
	s, err := tr.NewSession(SessionOptions{Controlling: true, Handler: h})
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.connected = true
	s.mu.Unlock()
	return s, h
}

func (h lonely) waits(t *testing.T, s *Session) {
	t.Helper()
	through := make(chan struct{})
	s.post(func() { close(through) })
	<-through
	select {
	case err := <-h.failed:
		t.Fatalf("gave up: %v", err)
	default:
	}
}

func (h lonely) ends(t *testing.T) {
	t.Helper()
	select {
	case err := <-h.failed:
		if !errors.Is(err, ErrICE) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(45 * time.Second):
		t.Fatal("goes on without a way")
	}
}

// TestLostConsentEndsTheSession, and is counted.
func TestLostConsentEndsTheSession(t *testing.T) {
	s, h := newLonely(t)
	s.now.stateChanged(ice.ConnectionStateDisconnected)
	h.waits(t, s)
	s.now.stateChanged(ice.ConnectionStateFailed)
	h.ends(t)
	if n := s.t.Stats().ICEFailed; n != 1 {
		t.Errorf("%d failures are counted", n)
	}
	if _, err := s.Restart(); err == nil {
		t.Error("a lost session restarts")
	}
}

// TestRestartOutlivesTheOldWay: while a restart looks for a way, the loss of the old one is
// no end; when it is given up, it is.
func TestRestartOutlivesTheOldWay(t *testing.T) {
	s, h := newLonely(t)
	if _, err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	s.now.stateChanged(ice.ConnectionStateFailed)
	h.waits(t, s)
	s.mu.Lock()
	first := s.next
	s.mu.Unlock()
	// Another restart takes the place of the first, whose end is then nobody's news.
	if _, err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	first.stateChanged(ice.ConnectionStateFailed)
	h.waits(t, s)
	s.mu.Lock()
	second := s.next
	s.mu.Unlock()
	s.post(func() { s.giveUp(second) })
	h.ends(t)
	if st := s.t.Stats(); st.ICEFailed != 1 || st.Restarts != 2 || st.RestartsSucceeded != 0 {
		t.Errorf("stats are %+v", st)
	}
}

// TestRestartWhileTheSessionEnds: whichever comes first, nothing of the new round is left.
func TestRestartWhileTheSessionEnds(t *testing.T) {
	for range 20 {
		s, _ := newLonely(t)
		begun := make(chan error, 1)
		go func() {
			_, err := s.Restart()
			begun <- err
		}()
		s.Close()
		if err := <-begun; err != nil && !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
		_ = s.t.Close() // waits for the session
		m := s.t.mux
		m.mu.RLock()
		if len(m.sessions) > 0 || len(m.conns) > 0 {
			t.Errorf("%d names and %d connections are left", len(m.sessions), len(m.conns))
		}
		m.mu.RUnlock()
	}
}

// TestRoundThatIsTooLate: a restart whose session is gone when it is ready closes what it
// has made.
func TestRoundThatIsTooLate(t *testing.T) {
	s, _ := newLonely(t)
	r := s.newRound(1, s.ufrag+"r1")
	s.Close()
	_ = s.t.Close()
	if err := r.start(); !errors.Is(err, ErrClosed) {
		t.Errorf("it starts: %v", err)
	}
	r.close()
}
