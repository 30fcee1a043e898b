package transport

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/ice/v4"
)

// TestTCPWaitsForUDP: the first check over TCP waits for so long, unless UDP is there before.
func TestTCPWaitsForUDP(t *testing.T) {
	for name, c := range map[string]struct {
		found time.Duration // when UDP is, 0 for never
		want  time.Duration
	}{
		"UDP is blocked":      {0, udpHead},
		"UDP is there before": {udpHead / 5, udpHead / 5},
		"UDP is there later":  {udpHead * 5, udpHead},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := &Transport{udpHead: udpHead, mux: newMux()}
				r := (&Session{t: tr}).newRound(0, "ufrag")
				r.started.Store(true)
				r.prefer.start()
				conn := newStunConn(r, &net.TCPAddr{}, true, nil)
				began := time.Now()
				if c.found > 0 {
					time.AfterFunc(c.found, func() { r.prefer.choose(candidate(t, "udp", 1), time.Now()) })
				}
				for i := range 20 {
					conn.enqueue([]byte{byte(i)}, netip.MustParseAddrPort("192.0.2.1:1001"))
				}
				buf := make([]byte, 10)
				for i := range stunQueueEarly {
					n, _, err := conn.ReadFromAddrPort(buf)
					if err != nil || n != 1 || buf[0] < 20-stunQueueEarly || time.Since(began) != c.want {
						t.Fatalf("check %d: read %x, %v after %v, want it after %v", i, buf[:n], err, time.Since(began), c.want)
					}
				}
				if tr.stats.queueDropped.Load() != 20-stunQueueEarly {
					t.Errorf("%d were dropped", tr.stats.queueDropped.Load())
				}
				time.Sleep(udpHead * 10) // no timer is left
			})
		})
	}
}

// TestTCPThatWaitsIsClosed: the end of a session does not wait for UDP.
func TestTCPThatWaitsIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := (&Session{t: &Transport{udpHead: udpHead}}).newRound(0, "ufrag")
		conn := newStunConn(r, &net.TCPAddr{}, true, nil)
		conn.enqueue([]byte{1}, netip.MustParseAddrPort("192.0.2.1:1001"))
		time.AfterFunc(udpHead/2, func() { _ = conn.Close() })
		began := time.Now()
		if _, _, err := conn.ReadFromAddrPort(make([]byte, 10)); err == nil || time.Since(began) != udpHead/2 {
			t.Errorf("read: %v after %v", err, time.Since(began))
		}
		time.Sleep(udpHead)
	})
}

func candidate(t *testing.T, network string, n int) ice.Candidate {
	t.Helper()
	c, err := ice.NewCandidatePeerReflexive(&ice.CandidatePeerReflexiveConfig{
		Network: network, Address: fmt.Sprintf("192.0.2.%d", n), Port: 1000 + n, Component: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func relayed(t *testing.T, n int) ice.Candidate {
	t.Helper()
	c, err := ice.NewCandidateRelay(&ice.CandidateRelayConfig{
		Network: "udp", Address: fmt.Sprintf("192.0.2.%d", n), Port: 1000 + n, Component: 1, RelAddr: "0.0.0.0",
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// walk is a preference with a clock; the way there is is silent if we say so.
type walk struct {
	t      *testing.T
	p      *preference
	local  ice.Candidate
	now    time.Time
	silent time.Duration
}

func newWalk(t *testing.T) *walk {
	w := &walk{t: t, p: newPreference(), local: candidate(t, "udp", 200), now: time.Now()}
	w.p.began = w.now
	w.p.heard = func(ice.Candidate) time.Time { return w.now.Add(-w.silent) }
	w.p.local(w.local)
	w.p.local(candidate(t, "tcp", 201))
	w.p.local(nil) // says that there are no more
	return w
}

// check lets a check come and says what it brings about.
func (w *walk) check(after time.Duration, from ice.Candidate, roams bool, nominated ...ice.Candidate) {
	w.t.Helper()
	w.now = w.now.Add(after)
	local := w.local
	if !isUDP(from) {
		local = candidate(w.t, "tcp", 201)
	}
	r, ways := w.p.checked(local, from, w.now)
	if r != roams || len(ways) != len(nominated) {
		w.t.Fatalf("check from %v: roams %v, nominates %v; want %v, %v", from, r, ways, roams, nominated)
	}
	for i, way := range ways {
		if !way.remote.Equal(nominated[i]) || way.local.NetworkType() != way.remote.NetworkType() {
			w.t.Fatalf("way %d is %v, %v; want %v", i, way.local, way.remote, nominated[i])
		}
	}
}

// TestChecksLateBringNominations: when the agent has had its time and found nothing, checks
// of the peer are answered by nominating ones.
func TestChecksLateBringNominations(t *testing.T) {
	w := newWalk(t)
	udp, tcp := candidate(t, "udp", 1), candidate(t, "tcp", 2)
	w.check(time.Second, udp, false)
	w.check(lateWait, udp, false, udp)
	w.check(nominationPause/2, tcp, false) // too soon
	w.check(nominationPause/2, tcp, false, tcp)
}

// TestMovesUpFromTCP: checks over UDP are nominated while TCP carries; where none come, we try.
func TestMovesUpFromTCP(t *testing.T) {
	w := newWalk(t)
	udp, signalled, tcp := candidate(t, "udp", 1), candidate(t, "udp", 3), candidate(t, "tcp", 2)
	w.p.remote(signalled)
	w.p.remote(relayed(t, 4))
	w.p.choose(tcp, w.now)
	w.p.knocked = w.now
	w.check(time.Second/2, tcp, false)
	w.check(knockPause, tcp, false, signalled)
	w.check(time.Second/2, relayed(t, 4), false)
	w.check(time.Second/2, udp, false, udp)
	w.check(nominationPause/2, udp, false)
	w.check(knockPause, tcp, false, udp, signalled)
	w.p.choose(udp, w.now)
	w.check(time.Second, udp, false)
	w.check(time.Second, tcp, false)
}

// TestSilentWayIsLeft: the first check from elsewhere takes the place of a way that is lost,
// but UDP before TCP here, too, and only when it answers.
func TestSilentWayIsLeft(t *testing.T) {
	w := newWalk(t)
	old, udp, tcp := candidate(t, "udp", 1), candidate(t, "udp", 2), candidate(t, "tcp", 3)
	w.p.choose(old, w.now)
	w.silent = disconnectedWait - 1
	w.check(time.Second, udp, false)
	w.silent = disconnectedWait
	w.check(time.Second, old, false)
	w.check(time.Second, tcp, false)
	w.check(time.Second, udp, true, udp)
	w.check(time.Second, udp, true, udp) // it has yet to answer
	if !w.p.choose(udp, w.now) || w.p.choose(udp, w.now) {
		t.Error("it does not count as one that roams, or twice")
	}
	w.check(time.Second, udp, false)
	w.silent += udpHead
	w.check(time.Second, tcp, true, tcp)
}

// TestBouncesAreRare: who has to leave UDP stays on TCP, longer each time.
func TestBouncesAreRare(t *testing.T) {
	w := newWalk(t)
	udp, tcp := candidate(t, "udp", 1), candidate(t, "tcp", 2)
	w.p.choose(udp, w.now)
	for _, stay := range []time.Duration{fallPause, 2 * fallPause, 4 * fallPause} {
		w.p.choose(tcp, w.now)
		w.check(stay-time.Millisecond, udp, false)
		w.check(0, tcp, false)
		w.check(time.Millisecond, udp, false, udp)
		w.p.choose(udp, w.now)
	}
	for range 30 {
		w.p.choose(tcp, w.now)
		w.p.choose(udp, w.now)
	}
	if stay := w.p.stay.Sub(w.now); stay != maxFallPause {
		t.Errorf("stays for %v at most, want %v", stay, maxFallPause)
	}
}

// TestKnocksAreBounded: a peer with many addresses is tried at the last few.
func TestKnocksAreBounded(t *testing.T) {
	w := newWalk(t)
	for i := range 50 {
		w.p.remote(candidate(t, "udp", i))
		w.p.remote(candidate(t, "udp", i))
	}
	w.p.choose(candidate(t, "tcp", 100), w.now)
	_, ways := w.p.checked(w.local, candidate(t, "tcp", 100), w.now.Add(time.Hour))
	if len(ways) > maxKnocks || len(w.p.remotes) > maxKnocks || !ways[0].remote.Equal(candidate(t, "udp", 49)) {
		t.Errorf("%d ways, %d kept: %v", len(ways), len(w.p.remotes), ways)
	}
}
