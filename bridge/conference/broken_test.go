package conference_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"parley/bridge/conference"
	"parley/bridge/endpoint"
	"parley/bridge/rtp"
)

// TestPanicEndsOneConference: it is answered, everybody in it is let go, though that panics,
// too, and the others go on. The meeting may begin anew at once.
func TestPanicEndsOneConference(t *testing.T) {
	meet(t, func(m *meeting) {
		first := m.join("a")
		second := m.join("b")
		m.must(conference.Request{MeetingID: "m2", Create: true, Endpoints: []conference.EndpointRequest{newEndpoint("x")}})
		other := m.net.Leg(m.n)
		m.net.Panics = true
		_, err := m.ask(conference.Request{Endpoints: []conference.EndpointRequest{newEndpoint("c")}})
		if !errors.Is(err, conference.ErrInternal) {
			t.Errorf("answered %v", err)
		}
		if !first.Closed() || !second.Closed() || other.Closed() {
			t.Error("not those of the conference were let go")
		}
		if n := len(m.set.List()); n != 1 {
			t.Errorf("%d conferences are left", n)
		}
		m.net.Panics = false
		m.must(conference.Request{Create: true, Endpoints: []conference.EndpointRequest{newEndpoint("a")}})
		m.must(conference.Request{MeetingID: "m2", Endpoints: []conference.EndpointRequest{newEndpoint("y")}})
	})
}

// TestBrokenEndpointIsRemoved: the packet path has closed it, so nobody waits for its media.
func TestBrokenEndpointIsRemoved(t *testing.T) {
	meet(t, func(m *meeting) {
		bad, good := m.join("a"), m.join("b")
		bad.Event(endpoint.Event{Kind: rtp.EventBroken})
		synctest.Wait()
		if !bad.Closed() || good.Closed() {
			t.Error("the wrong endpoint was removed")
		}
		bad.Event(endpoint.Event{Kind: rtp.EventBroken}) // news of the past
		synctest.Wait()
		v, ok := m.set.List()[0].View()
		if !ok || len(v.Endpoints) != 1 {
			t.Errorf("left are %v", v.Endpoints)
		}
	})
}
