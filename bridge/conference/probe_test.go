package conference_test

import (
	"testing"
	"time"

	"parley/bridge/endpoint"
	"parley/bridge/media"
	"parley/bridge/rtp"
)

// TestProbingAfterAFall: what a receiver tells of single packets lowers its picture, and
// once its path is quiet padding finds out what else it carries.
func TestProbingAfterAFall(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b := m.join("a"), m.join("b")
		a.Track(1).SetLayers(threeLayers()...)
		b.Say(`{"colibriClass":"ReceiverVideoConstraints","lastN":-1,"onStageSources":["a-v0"],"constraints":{"a-v0":{"maxHeight":720}}}`)
		m.settle()
		var sent, arrived time.Duration
		tell := func(n int, pause time.Duration) {
			packets := make([]rtp.PacketResult, n)
			for i := range packets {
				packets[i] = rtp.PacketResult{Sent: time.Now(), Arrived: -1, Size: 1000}
				sent += 10 * time.Millisecond
				if next := max(arrived, sent) + pause; next < sent+500*time.Millisecond {
					arrived, packets[i].Arrived = next, next
				}
				time.Sleep(10 * time.Millisecond)
			}
			b.Event(endpoint.Event{Kind: rtp.EventFeedback, Packets: packets, At: time.Now()})
			m.settle()
		}
		for range 20 {
			tell(10, 40*time.Millisecond)
		}
		if got := b.Gets(a.Track(1)).Target; got != media.LayerOf(0, 0, 2) || b.Probing() != 0 {
			t.Fatalf("b gets layer %v and padding of %d on a path of 200 kbit/s, want 180 lines", got, b.Probing())
		}
		arrived = 0 // the queue is gone
		for range 100 {
			if tell(10, time.Millisecond); b.Probing() > 0 {
				return
			}
		}
		t.Fatal("nobody finds out whether the path carries more")
	})
}

// TestDearerPicturesAreChosenAnew: what has become more than the path carries is given up
// before the next time that everything is decided anew.
func TestDearerPicturesAreChosenAnew(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b := m.join("a"), m.join("b")
		layers := threeLayers()
		a.Track(1).SetLayers(layers...)
		b.Say(`{"colibriClass":"ReceiverVideoConstraints","lastN":-1,"onStageSources":["a-v0"],"constraints":{"a-v0":{"maxHeight":720}}}`)
		b.Event(endpoint.Event{Kind: rtp.EventREMB, Bitrate: 600_000})
		m.settle()
		time.Sleep(5 * time.Second)
		if got := b.Gets(a.Track(1)).Target; got != media.LayerOf(1, 0, 2) {
			t.Fatalf("b gets layer %v on a path of 600 kbit/s, want 360 lines", got)
		}
		layers[1].Bitrate = 1_200_000
		a.Track(1).SetLayers(layers...)
		changed := time.Now()
		for b.Gets(a.Track(1)).Target != media.LayerOf(0, 0, 2) {
			if time.Sleep(100 * time.Millisecond); time.Since(changed) > 2*time.Second {
				t.Fatalf("b gets layer %v of twice the rate of its path", b.Gets(a.Track(1)).Target)
			}
		}
	})
}
