package colibrisession

import (
	"errors"
	"fmt"
	"slices"

	"parley/internal/wire/colibri"
	"parley/internal/wire/jingle"
)

// meshID names the one mesh in which all bridges of a conference are linked to each other.
const meshID = "0"

// relay is the session's end of a link to another bridge.
type relay struct {
	initiator bool
	connected bool            // Connect was asked for
	remote    map[string]bool // endpoints the bridge was told to be behind it
}

// RelayID is the bridge's name among bridges, "" if it cannot be linked to others.
func (s *Session) RelayID() string { return s.relayID }

// Seq grows with the age of a conference's sessions: the first has the least.
func (s *Session) Seq() int { return s.seq }

// Linked tells whether there is, or is about to be, a link to the bridge of that relay id.
func (s *Session) Linked(relayID string) bool { return s.relays[relayID] != nil }

// Link is what a new link to another bridge needs.
type Link struct {
	RelayID string // of the other bridge
	// Initiator is true at one end and false at the other. That end connects: it has an own
	// port, controls ICE and opens the channel.
	Initiator bool
	SCTP      bool // the channel is a data channel
	Media     []colibri.Media
	Endpoints []Remote
}

// Remote is a participant on another bridge.
type Remote struct {
	ID      string
	StatsID string
	Sources *colibri.Sources
}

// Link asks for a link to another bridge. The conference must exist on the bridge.
func (s *Session) Link(l Link) *colibri.Modify {
	t := &colibri.Transport{ICEControlling: l.Initiator, UseUniquePort: l.Initiator}
	if l.SCTP {
		t.SCTP = &colibri.SCTP{Role: "server"}
		if l.Initiator {
			t.SCTP.Role = "client"
		}
	}
	r := &relay{initiator: l.Initiator, remote: make(map[string]bool)}
	s.relays[l.RelayID] = r
	x := colibri.Relay{
		ID: l.RelayID, Create: true, MeshID: meshID, Media: l.Media, Transport: t, Endpoints: &colibri.Endpoints{},
	}
	for _, e := range l.Endpoints {
		r.remote[e.ID] = true
		x.Endpoints.Endpoints = append(x.Endpoints.Endpoints, e.wire(true))
	}
	return s.withRelay(x)
}

func (e Remote) wire(create bool) colibri.Endpoint {
	w := colibri.Endpoint{ID: e.ID, Create: create, StatsID: e.StatsID, Sources: e.Sources}
	if create {
		w.Capabilities = []colibri.Capability{{Name: colibri.CapSourceNames}}
	}
	if w.Sources == nil {
		w.Sources = &colibri.Sources{}
	}
	return w
}

// ErrNoRelay says that a bridge did not make the link that was asked for.
var ErrNoRelay = errors.New("the bridge answered without the transport of the link")

// RelayTransport reads the answer to Link: where the bridge waits for the other one.
func (s *Session) RelayTransport(relayID string, m *colibri.Modified) (*jingle.Transport, error) {
	for i := range m.Relays {
		r := &m.Relays[i]
		if r.ID != relayID || r.Transport == nil || r.Transport.ICE == nil {
			continue
		}
		for _, f := range r.Transport.ICE.Fingerprints {
			if f.Setup != "actpass" {
				return nil, fmt.Errorf("%w: its setup is %q, not actpass", ErrNoRelay, f.Setup)
			}
		}
		return r.Transport.ICE, nil
	}
	return nil, ErrNoRelay
}

// Connect tells the bridge where the other end of a link waits. The roles are handed out
// here: of the two only the initiator hears of the other's WebSocket, since a bridge
// connects to what it is told. Nil if there is no such link (any more).
func (s *Session) Connect(relayID string, t *jingle.Transport, sctp bool) *colibri.Modify {
	r := s.relays[relayID]
	if r == nil {
		return nil
	}
	r.connected = true
	t = t.Clone()
	setup := "passive"
	if r.initiator {
		setup = "active"
	}
	for i := range t.Fingerprints {
		t.Fingerprints[i].Setup = setup
	}
	if sctp || !r.initiator {
		t.WebSockets = nil
	}
	return s.withRelay(colibri.Relay{ID: relayID, Transport: &colibri.Transport{ICE: t}})
}

// Show tells the bridge that a participant is on another one, and all it sends. Nil if
// there is no link to that.
func (s *Session) Show(relayID string, e Remote) *colibri.Modify {
	r := s.relays[relayID]
	if r == nil {
		return nil
	}
	create := !r.remote[e.ID]
	r.remote[e.ID] = true
	return s.behind(relayID, e.wire(create))
}

// Hide tells the bridge that a participant is not on the other one any more. Nil if it did
// not know of it.
func (s *Session) Hide(relayID, id string) *colibri.Modify {
	r := s.relays[relayID]
	if r == nil || !r.remote[id] {
		return nil
	}
	delete(r.remote, id)
	return s.behind(relayID, colibri.Endpoint{ID: id, Expire: true})
}

// Probe asks whether the bridge still has the link; nil if it was not told of one.
func (s *Session) Probe(relayID string) *colibri.Modify {
	if s.relays[relayID] == nil {
		return nil
	}
	return s.withRelay(colibri.Relay{ID: relayID})
}

// Unlink takes the link to another bridge away; nil if there is none.
func (s *Session) Unlink(relayID string) *colibri.Modify {
	if s.relays[relayID] == nil {
		return nil
	}
	delete(s.relays, relayID)
	return s.withRelay(colibri.Relay{ID: relayID, Expire: true})
}

// Links lists the relay ids of the bridges this one is linked to.
func (s *Session) Links() []string {
	list := make([]string, 0, len(s.relays))
	for id := range s.relays {
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}

func (s *Session) behind(relayID string, e colibri.Endpoint) *colibri.Modify {
	return s.withRelay(colibri.Relay{ID: relayID, Endpoints: &colibri.Endpoints{Endpoints: []colibri.Endpoint{e}}})
}

func (s *Session) withRelay(r colibri.Relay) *colibri.Modify {
	m := s.modify()
	m.Relays = []colibri.Relay{r}
	return m
}
