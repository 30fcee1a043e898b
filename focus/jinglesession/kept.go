package jinglesession

import (
	"maps"

	"parley/internal/source"
)

// Kept is a session as it is kept for the focus that goes on with it.
type Kept struct {
	SID           string `json:"sid"`
	BridgeSession string `json:"bridge_session"`
	Accepted      bool   `json:"accepted"`
	Form          Form   `json:"form"`
	Rewriting     bool   `json:"rewriting,omitempty"`
	StripLayers   bool   `json:"strip_layers,omitempty"`
	Audio         bool   `json:"audio"`
	Video         bool   `json:"video"`
	// Removed and Added are by owner what the participant has not been told yet.
	Removed map[string]source.Set `json:"removed,omitempty"`
	Added   map[string]source.Set `json:"added,omitempty"`
}

// Keep is what Restore needs. The session must not have ended.
func (s *Session) Keep() Kept {
	q := &s.queue
	st := Kept{
		SID: s.sid, BridgeSession: s.bridgeSession, Accepted: s.state == Active,
		Form: q.form, Rewriting: q.silent, StripLayers: q.strip, Audio: q.audio, Video: q.video,
	}
	removed, added := q.changes.Peek()
	st.Removed, st.Added = maps.Clone(removed), maps.Clone(added)
	return st
}

// Restore is the session gone on with. peer is the participant's occupant address,
// initiator our real one.
func Restore(st Kept, peer, initiator string) *Session {
	s := New(Params{
		SID: st.SID, Peer: peer, Initiator: initiator, BridgeSession: st.BridgeSession, Form: st.Form,
		Rewriting: st.Rewriting, StripLayers: st.StripLayers, Audio: st.Audio, Video: st.Video,
	})
	if st.Accepted {
		s.state = Active
	}
	for owner, set := range st.Removed {
		s.queue.changes.Remove(owner, set)
	}
	for owner, set := range st.Added {
		s.queue.changes.Add(owner, set)
	}
	return s
}
