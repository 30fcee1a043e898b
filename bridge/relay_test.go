package bridge

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/bridge/conference"
	"parley/internal/wire/colibri"
)

// mesh is several bridges, each with one participant, linked as the focus links them.
type mesh struct {
	t      *testing.T
	halls  []*hall
	guests []*guest
}

const relayMedia = testMedia // bridges are offered all there is

func newMesh(t *testing.T, n int, sctp bool) *mesh {
	t.Helper()
	m := &mesh{t: t}
	for i := range n {
		h := newHall(t, func(c *Config) { c.RelayID = fmt.Sprintf("relay-%d", i); c.SCTP = true })
		m.halls = append(m.halls, h)
		m.guests = append(m.guests, h.enter(strings.Repeat(string(rune('a'+i)), 2), ""))
	}
	for i := range m.halls {
		for k := range i {
			m.link(k, i, sctp)
		}
	}
	for i, g := range m.guests {
		others := slices.Concat(m.guests[:i], m.guests[i+1:])
		g.connect(others...)
		g.openSocket()
		for k, h := range m.halls {
			if k != i {
				h.ask(fmt.Sprintf(`<relay id="relay-%d"><endpoints><endpoint id="%s">%s</endpoint></endpoints></relay>`, i, g.id, g.sources()))
			}
		}
	}
	return m
}

// link connects two bridges; the first is the initiator.
func (m *mesh) link(a, b int, sctp bool) {
	m.t.Helper()
	create := func(at, to int, initiator bool) *colibri.Transport {
		channel := ""
		if sctp {
			channel = map[bool]string{true: `<sctp role="client"/>`, false: `<sctp role="server"/>`}[initiator]
		}
		x := m.halls[at].ask(fmt.Sprintf(`<relay id="relay-%d" create="true" mesh-id="0">%s<transport use-unique-port="%v" ice-controlling="%v">%s</transport><endpoints><endpoint id="%s" create="true"/></endpoints></relay>`,
			to, relayMedia, initiator, initiator, channel, m.guests[to].id))
		return x.Relays[0].Transport
	}
	update := func(at, to int, t *colibri.Transport, setup string, keepSocket bool) {
		ice := t.ICE.Clone()
		if len(ice.Fingerprints) == 0 || ice.Fingerprints[0].Setup != "actpass" {
			m.t.Fatalf("the bridge offers %+v", ice.Fingerprints)
		}
		ice.Fingerprints[0].Setup = setup
		if !keepSocket {
			ice.WebSockets = nil
		}
		text, err := xml.Marshal(colibri.Relay{ID: fmt.Sprintf("relay-%d", to), Transport: &colibri.Transport{ICE: ice}})
		if err != nil {
			m.t.Fatal(err)
		}
		m.halls[at].ask(strings.ReplaceAll(strings.ReplaceAll(string(text), "<Relay", "<relay"), "</Relay>", "</relay>"))
	}
	fromA, fromB := create(a, b, true), create(b, a, false)
	if sctp && (fromA.SCTP.Role != "server" || fromB.SCTP.Role != "client" || len(fromA.ICE.WebSockets) > 0) {
		m.t.Errorf("the roles are %+v and %+v", fromA.SCTP, fromB.SCTP)
	}
	update(a, b, fromB, "active", !sctp)
	update(b, a, fromA, "passive", false)
}

// view is a bridge's state of its only conference.
func (h *hall) view() conference.View {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.service.PrivateHandler().ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/debug?full=true", nil))
	var state debugState
	if err := json.Unmarshal(w.Body.Bytes(), &state); err != nil {
		h.t.Fatal(err)
	}
	for _, c := range state.Conferences {
		return c
	}
	return conference.View{}
}

// relay is a bridge's link to another one.
func (h *hall) relay(id string) conference.RelayView {
	for _, r := range h.view().Relays {
		if r.ID == id {
			return r
		}
	}
	return conference.RelayView{}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, ticker := time.After(45*time.Second), time.NewTicker(20*time.Millisecond)
	defer ticker.Stop()
	for !ok() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// asked counts the keyframes the bridge has asked its endpoint for. The request itself may
// get lost on a busy machine.
func (h *hall) asked(id string) uint64 {
	for _, e := range h.view().Endpoints {
		if e.ID == id {
			return e.Stats.KeyframesRequested
		}
	}
	return 0
}

func TestMeshOfThree(t *testing.T) {
	for name, sctp := range map[string]bool{"data channels": true, "WebSockets": false} {
		t.Run(name, func(t *testing.T) { testMesh(t, newMesh(t, 3, sctp)) })
	}
}

func testMesh(t *testing.T, m *mesh) {
	a, b, c := m.guests[0], m.guests[1], m.guests[2]
	for _, g := range m.guests {
		g.say(wantAll)
	}
	for _, g := range m.guests {
		for _, o := range m.guests {
			if g != o {
				g.hears(o.id+"'s audio", o.Own.Audio, 20)
				g.hears(o.id+"'s video", o.Own.Video, 20)
			}
		}
	}
	a.expect("SenderSourceConstraints", `"aa-v0"`, `"maxHeight":180`)

	eventually(t, "what crosses to be counted", func() bool {
		k := m.halls[0].service.conferences.Counters()
		return k.RelayPacketsSent.Value() > 0 && k.RelayPacketsReceived.Value() > 0
	})

	b.Loud.Store(true)
	for _, h := range m.halls {
		eventually(t, "all bridges to agree who speaks", func() bool { return h.view().Dominant == "bb" })
	}

	a.say(`{"colibriClass":"EndpointMessage","to":"cc","msgPayload":{"x":1}}`)
	c.expect("EndpointMessage", `"from":"aa"`, `"x":1`)
	c.say(`{"colibriClass":"EndpointMessage","to":"","msgPayload":{"x":2}}`)
	a.expect("EndpointMessage", `"from":"cc"`)
	b.expect("EndpointMessage", `"from":"cc"`)
	c.say(`{"colibriClass":"EndpointStats","bitrate":{"upload":1}}`)
	a.expect("EndpointStats", `"from":"cc"`)

	// No bridge passes on what came from another one.
	for i, h := range m.halls {
		v := h.view()
		if len(v.Relays) != 2 {
			t.Fatalf("bridge %d has %d relays", i, len(v.Relays))
		}
		for _, r := range v.Relays {
			if want := m.guests[i].id; !slices.Equal(r.Sends, []string{want + "-a0", want + "-v0"}) {
				t.Errorf("bridge %d sends %v to %s", i, r.Sends, r.ID)
			}
		}
	}

	// Only what somebody wants crosses.
	a.say(`{"colibriClass":"ReceiverVideoConstraints","lastN":0}`)
	eventually(t, "the pictures to stay where they are", func() bool {
		return slices.Equal(m.halls[1].relay("relay-0").Sends, []string{"bb-a0"}) &&
			len(m.halls[1].relay("relay-2").Sends) == 2
	})
	before := m.halls[1].asked("bb")
	a.say(`{"colibriClass":"ReceiverVideoConstraints","lastN":-1}`)
	eventually(t, "a keyframe for somebody on another bridge", func() bool { return m.halls[1].asked("bb") > before })
	a.hears("b's video", b.Own.Video, 20)

	// A bridge that leaves takes its people along, and nothing else.
	m.halls[0].ask(`<relay id="relay-1" expire="true"/>`)
	m.halls[2].ask(`<relay id="relay-1" expire="true"/>`)
	c.hears("a's audio", a.Own.Audio, 20)
	if got := m.halls[0].view().Relays; len(got) != 1 || got[0].ID != "relay-2" {
		t.Errorf("bridge 0 still has %v", got)
	}
}

// TestRelaysWantAName: without a relay id there are no links, and one cannot be made to
// the bridge itself.
func TestRelayRefusals(t *testing.T) {
	h := newHall(t)
	h.enter("aa", "")
	if err := h.refused(`<relay id="r2" create="true"><transport/></relay>`); err != "feature-not-implemented" {
		t.Errorf("without a relay id: %s", err)
	}
	h = newHall(t, func(c *Config) { c.RelayID = "r1" })
	h.enter("aa", "")
	for content, want := range map[string]string{
		`<relay id="r2" create="true"/>`:                    "bad-request",
		`<relay id="r1" create="true"><transport/></relay>`: "bad-request",
		`<relay id="r2"/>`:                                  "bad-request",
		`<relay id="r2" create="true"><transport><sctp port="4000"/></transport></relay>`:           "bad-request",
		`<relay id="r2" create="true"><transport/></relay><relay id="r3" create="true"/>`:           "feature-not-implemented",
		`<endpoint id="x" expire="true"/><relay id="r2" create="true"><transport/></relay>`:         "feature-not-implemented",
		`<relay id="" create="true"><transport/></relay>`:                                           "bad-request",
		`<relay id="r2" create="true"><transport/><endpoints><endpoint id=""/></endpoints></relay>`: "bad-request",
	} {
		if got := h.refused(content); got != want {
			t.Errorf("%s: %s, want %s", content, got, want)
		}
	}
	h.ask(`<relay id="r2" create="true"><transport/></relay>`)
	if got := h.refused(`<relay id="r2" create="true"><transport/></relay>`); got != "conflict" {
		t.Errorf("a second time: %s", got)
	}
	if m := h.ask(`<relay id="r2" expire="true"/><relay id="r9" expire="true"/>`); len(m.Relays) != 2 || !m.Relays[1].Expire {
		t.Errorf("answered %+v", m.Relays)
	}
}
