package conference_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/internal/wire/colibri"
	"parley/internal/wire/jingle"
	"parley/internal/xmppclient"
)

// fakeBridge answers COLIBRI as a bridge does.
type fakeBridge struct {
	w    *world
	addr string

	mu        sync.Mutex
	exists    bool // the conference
	meeting   string
	past      []string // meetings of before that it still has
	endpoints map[string]bool
	relays    map[string]*fakeRelay
	sctp      bool
	inTurn    bool // does as JVB: ends a meeting some time after it was asked, keeps one whose first endpoint it refused
	requests  []*colibri.Modify
	fail      []string // inner XML of error answers to the next requests; "-" is silence, "~" too, though it did as it was asked, "+" is no failure
	bare      bool     // answers without a transport
	strange   bool     // answers something else
	gen       uint32
	fixed     string // inner XML of every answer, if set
}

func colibriError(condition, reason string) string {
	return stanzaError(condition, fmt.Sprintf(`<error xmlns="jitsi:colibri2" reason="%s"/>`, reason))
}

func (b *fakeBridge) handle(st *xmppclient.Stanza, reply func(string, bool), silence func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := new(colibri.Modify)
	if err := st.DecodePayload(m); err != nil || st.Type != xmppclient.TypeGet {
		b.w.t.Errorf("bridge got %s: %v", st.Raw, err)
	}
	b.requests = append(b.requests, m)
	if len(b.fail) > 0 {
		f := b.fail[0]
		b.fail = b.fail[1:]
		switch f {
		case "-":
			silence()
			return
		case "+":
		case "~":
			_ = b.answer(m)
			silence()
			return
		default:
			reply(f, true)
			return
		}
	}
	if b.ofPast(m) {
		reply(encode(b.w.t, &colibri.Modified{}), false)
		return
	}
	if f := b.refuse(m); f != "" {
		b.exists = b.exists || b.inTurn && m.Create
		reply(f, true)
		return
	}
	if b.inTurn && m.Expire {
		time.AfterFunc(200*time.Millisecond, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			reply(encode(b.w.t, b.answer(m)), false)
		})
		return
	}
	if b.strange {
		reply(`<thanks xmlns="urn:x"/>`, false)
		return
	}
	if b.fixed != "" {
		b.exists = true
		reply(b.fixed, false)
		return
	}
	reply(encode(b.w.t, b.answer(m)), false)
}

// ofPast puts a meeting behind us that is followed by another, and takes a request about one
// of those.
func (b *fakeBridge) ofPast(m *colibri.Modify) bool {
	if m.Create && b.exists && m.MeetingID != b.meeting {
		b.past = append(b.past, b.meeting)
		b.exists = false
		clear(b.endpoints)
		clear(b.relays)
	}
	i := slices.Index(b.past, m.MeetingID)
	if i < 0 {
		b.meeting = m.MeetingID
		return false
	}
	if !m.Expire {
		b.w.t.Errorf("%s: told of a meeting that was left: %s", b.addr, encode(b.w.t, m))
	}
	b.past = slices.Delete(b.past, i, i+1)
	return true
}

// fakeRelay is what a bridge was told of a link.
type fakeRelay struct {
	created *colibri.Relay
	peer    *jingle.Transport // where the other bridge waits
	remote  map[string]*colibri.Sources
}

// refuseRelays applies the rules for links.
func (b *fakeBridge) refuseRelays(m *colibri.Modify) string {
	if len(m.Relays) > 1 || len(m.Relays) > 0 && len(m.Endpoints) > 0 {
		return stanzaError("feature-not-implemented", "")
	}
	for _, r := range m.Relays {
		switch {
		case r.Expire:
		case r.Create && b.relays[r.ID] != nil:
			return stanzaError("conflict", "")
		case r.Create && r.Transport == nil, !r.Create && b.relays[r.ID] == nil:
			return stanzaError("bad-request", "")
		}
	}
	return ""
}

func (b *fakeBridge) answerRelay(r colibri.Relay) colibri.Relay {
	a := colibri.Relay{ID: r.ID, Expire: r.Expire}
	switch {
	case r.Expire:
		delete(b.relays, r.ID)
		return a
	case r.Create:
		b.relays[r.ID] = &fakeRelay{created: &r, remote: map[string]*colibri.Sources{}}
		a.Transport = b.transport("relay-"+b.addr+"-"+r.ID, r.Transport.SCTP != nil)
	case r.Transport != nil:
		b.relays[r.ID].peer = r.Transport.ICE
	}
	if r.Endpoints != nil {
		for _, e := range r.Endpoints.Endpoints {
			switch _, known := b.relays[r.ID].remote[e.ID]; {
			case e.Expire:
				delete(b.relays[r.ID].remote, e.ID)
			case e.Create == known:
				b.w.t.Errorf("%s: endpoint %s behind %s: create is %v", b.addr, e.ID, r.ID, e.Create)
			default:
				b.relays[r.ID].remote[e.ID] = e.Sources
			}
		}
	}
	return a
}

// behind lists who is behind each link, as "relay: a b".
func (b *fakeBridge) behind() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []string{}
	for id, r := range b.relays {
		names := slices.Sorted(maps.Keys(r.remote))
		out = append(out, id+": "+strings.Join(names, " "))
	}
	slices.Sort(out)
	return out
}

// refuse applies the rules a real bridge enforces.
func (b *fakeBridge) refuse(m *colibri.Modify) string {
	switch {
	case m.Create && b.exists:
		return colibriError("conflict", "conference_already_exists")
	case !m.Create && !b.exists && !m.Expire:
		return colibriError("item-not-found", "conference_not_found")
	}
	if f := b.refuseRelays(m); f != "" {
		return f
	}
	for _, e := range m.Endpoints {
		switch {
		case e.Create && b.endpoints[e.ID]:
			return stanzaError("conflict", "")
		case e.Create && !e.HasCapability(colibri.CapSourceNames):
			return stanzaError("bad-request", "")
		case e.Create && e.Transport != nil && e.Transport.SCTP != nil && !b.sctp:
			return stanzaError("feature-not-implemented", "")
		case !e.Create && !e.Expire && e.ForceMute == nil && !b.endpoints[e.ID]:
			return stanzaError("item-not-found", fmt.Sprintf(`<error xmlns="jitsi:colibri2" reason="unknown_endpoint"/><endpoint xmlns="jitsi:colibri2" id="%s"/>`, e.ID))
		}
	}
	return ""
}

func (b *fakeBridge) answer(m *colibri.Modify) *colibri.Modified {
	out := &colibri.Modified{}
	if m.Expire {
		b.exists = false
		clear(b.endpoints)
		clear(b.relays)
		return out
	}
	b.exists = true
	for _, r := range m.Relays {
		out.Relays = append(out.Relays, b.answerRelay(r))
	}
	for _, e := range m.Endpoints {
		a := colibri.Endpoint{ID: e.ID, Expire: e.Expire}
		switch {
		case e.Expire:
			delete(b.endpoints, e.ID)
		case e.Create:
			b.endpoints[e.ID] = true
			out.Sources = &colibri.Sources{Media: []colibri.MediaSource{
				{Type: "audio", ID: "jvb-a0", Sources: []jingle.Source{{SSRC: 1002, Name: "jvb-a0"}}},
				{Type: "video", ID: "jvb-v0", Sources: []jingle.Source{{SSRC: 1001, Name: "jvb-v0"}}},
			}}
			if !b.bare {
				a.Transport = b.transport(e.ID, e.Transport.SCTP != nil)
			}
		case e.Transport != nil && e.Transport.ICERestart:
			b.gen++
			a.Transport = b.transport(e.ID, false)
			gen := b.gen
			a.Transport.ICE.ICEGeneration = &gen
		}
		out.Endpoints = append(out.Endpoints, a)
	}
	return out
}

func (b *fakeBridge) transport(id string, sctp bool) *colibri.Transport {
	t := &colibri.Transport{ICE: &jingle.Transport{
		Ufrag: "u-" + id, Pwd: "p-" + id, RTCPMux: &jingle.Empty{},
		Fingerprints: []jingle.Fingerprint{{Hash: "sha-256", Setup: "actpass", Value: "12:34"}},
		WebSockets:   []jingle.WebSocket{{URL: "wss://x/colibri-ws/b/c/" + id + "?pwd=p"}},
		Candidates: []jingle.Candidate{{Foundation: "1", Component: 1, Protocol: "udp", Priority: 2130706431,
			IP: "192.0.2.2", Port: 10000, Type: "host", ID: "c1"}},
	}}
	if sctp {
		t.SCTP = &colibri.SCTP{Port: 5000, Role: "server"}
	}
	return t
}

// has lists the endpoints on the bridge, sorted.
func (b *fakeBridge) has() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []string{}
	for id := range b.endpoints {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// before lists the meetings of before that the bridge still has.
func (b *fakeBridge) before() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.past)
}

// got lists the requests so far, in short.
func (b *fakeBridge) got() []*colibri.Modify {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.requests)
}

// last is the newest request about the endpoint.
func (b *fakeBridge) last(id string) *colibri.Endpoint {
	reqs := b.got()
	for i := len(reqs) - 1; i >= 0; i-- {
		for j := range reqs[i].Endpoints {
			if reqs[i].Endpoints[j].ID == id {
				return &reqs[i].Endpoints[j]
			}
		}
	}
	b.w.t.Fatalf("the bridge heard nothing of %s", id)
	return nil
}
