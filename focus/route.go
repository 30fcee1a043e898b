package focus

import (
	"parley/internal/wire/jitsimeet"
	"parley/internal/wire/ns"
	"parley/internal/xmppclient"
)

// handlePresence hands a presence to the conference of its room.
func (s *Service) handlePresence(st *xmppclient.Stanza) {
	if c := s.find(xmppclient.Bare(st.From)); c != nil {
		c.HandlePresence(st)
	}
}

// handleOccupant hands a request of a room's occupant to its conference.
func (s *Service) handleOccupant(r *xmppclient.Request) {
	if c := s.find(xmppclient.Bare(r.From)); c != nil && xmppclient.Resource(r.From) != "" {
		c.HandleRequest(r.Stanza, r)
		return
	}
	if r.Payload.Space == ns.Jingle {
		r.Fail(xmppclient.NewError(xmppclient.BadRequest, "unknown sid"))
		return
	}
	r.Fail(xmppclient.NewError(xmppclient.ItemNotFound, "no such conference"))
}

// handleMessage takes what the services of the rooms say. Others are not listened to.
func (s *Service) handleMessage(st *xmppclient.Stanza) {
	var m jitsimeet.JSONMessage
	found, err := st.DecodeChild(ns.JitMeet, "json-message", &m)
	if !found || err != nil {
		return
	}
	kind, err := m.Type()
	if err != nil || st.From == "" || st.From != s.service(kind) {
		return
	}
	switch kind {
	case jitsimeet.TypeAVModeration:
		var v jitsimeet.AVModeration
		if m.Decode(&v) != nil {
			return
		}
		if c := s.find(v.Room); c != nil {
			c.Moderation(v)
		}
	case jitsimeet.TypeRoomMetadata:
		var v jitsimeet.RoomMetadata
		if m.Decode(&v) != nil {
			return
		}
		if c := s.find(m.Room); c != nil {
			c.Metadata(v.Metadata)
		}
	}
}
