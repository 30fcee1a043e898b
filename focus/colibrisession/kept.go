package colibrisession

import (
	"encoding/xml"
	"fmt"
	"maps"
	"slices"

	"parley/internal/wire/colibri"
)

// Kept is a session as it is kept for the focus that goes on with it.
type Kept struct {
	ID        string                  `json:"id"`
	Bridge    string                  `json:"bridge"`
	Region    string                  `json:"region,omitempty"`
	RelayID   string                  `json:"relay_id,omitempty"`
	Seq       int                     `json:"seq"`
	Feedback  string                  `json:"feedback,omitempty"` // as XML
	Endpoints map[string]KeptEndpoint `json:"endpoints"`
	Relays    map[string]KeptRelay    `json:"relays,omitempty"` // by the relay id of the other bridge
}

// KeptEndpoint is what the bridge was told of an endpoint.
type KeptEndpoint struct {
	StatsID    string            `json:"stats_id,omitempty"`
	Muted      colibri.ForceMute `json:"muted"`
	Generation uint32            `json:"generation,omitempty"`
}

// KeptRelay is a session's end of a link.
type KeptRelay struct {
	Initiator bool     `json:"initiator,omitempty"`
	Connected bool     `json:"connected,omitempty"` // the bridge knows where the other one waits
	Remote    []string `json:"remote,omitempty"`
}

// Keep is what Restore needs. The bridge must have been asked for something.
func (s *Session) Keep() Kept {
	st := Kept{
		ID: s.id, Bridge: s.bridge, Region: s.region, RelayID: s.relayID, Seq: s.seq,
		Endpoints: make(map[string]KeptEndpoint, len(s.endpoints)), Relays: make(map[string]KeptRelay, len(s.relays)),
	}
	if s.feedback != nil {
		text, _ := xml.Marshal(s.feedback) // it came as XML
		st.Feedback = string(text)
	}
	for id, e := range s.endpoints {
		st.Endpoints[id] = KeptEndpoint{StatsID: e.statsID, Muted: e.muted, Generation: e.generation}
	}
	for id, r := range s.relays {
		st.Relays[id] = KeptRelay{Initiator: r.initiator, Connected: r.connected, Remote: slices.Sorted(maps.Keys(r.remote))}
	}
	return st
}

// Restore is the dialogue gone on with; p holds what is not of the session alone.
func Restore(st Kept, p Params) (*Session, error) {
	p.ID, p.Bridge, p.Region, p.RelayID, p.Seq = st.ID, st.Bridge, st.Region, st.RelayID, st.Seq
	s := New(p)
	s.created = true
	if st.Feedback != "" {
		s.feedback = new(colibri.Sources)
		if err := xml.Unmarshal([]byte(st.Feedback), s.feedback); err != nil {
			return nil, fmt.Errorf("read the bridge's own sources: %w", err)
		}
	}
	for id, e := range st.Endpoints {
		s.endpoints[id] = &endpoint{statsID: e.StatsID, muted: e.Muted, generation: e.Generation}
	}
	for id, r := range st.Relays {
		x := &relay{initiator: r.Initiator, connected: r.Connected, remote: make(map[string]bool, len(r.Remote))}
		for _, name := range r.Remote {
			x.remote[name] = true
		}
		s.relays[id] = x
	}
	return s, nil
}

// Connected tells whether the bridge was told where the other end of a link waits.
func (s *Session) Connected(relayID string) bool {
	r := s.relays[relayID]
	return r != nil && r.connected
}

// Has tells whether the bridge was asked for that endpoint.
func (s *Session) Has(id string) bool { return s.endpoints[id] != nil }
