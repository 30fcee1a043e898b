package meeting

import (
	"reflect"

	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// Bounds of a room's metadata.
const (
	maxMetadataKeys  = 64
	maxMetadataBytes = 64 << 10
)

// metadata is what clients keep beside a room, by key.
type metadata struct {
	values map[string]any
	told   map[stanza.Addr]bool // bare addresses that have heard it all
}

// blockedKeys can only be written by the server (mod_room_metadata_component,
// room_metadata_blocked_keys).
var blockedKeys = map[string]bool{
	"allownersEnabled": true, "asyncTranscription": true, "audioTranslationAvailable": true, "audioTranslationRequests": true,
	"conferencePresetsServiceEnabled": true, "dialinEnabled": true, "moderators": true, "participants": true,
	"participantsSoftLimit": true, "services": true, "transcriberType": true, "transcription": true, "visitorsEnabled": true,
	"lobbyEnabled": true,
}

// keyFeatures are the features that let others than moderators write a key.
var keyFeatures = map[string]string{"recording": "transcription", "audioTranslation": "live-translation"}

var errBlockedKey = stanza.Err(stanza.Cancel, stanza.NotAllowed, "This key is written by the server only")

// installMetadata keeps the metadata of rooms (mod_room_metadata_component): written by
// moderators, heard by everybody, and by newcomers just before their self-presence.
func (m *Rules) installMetadata(d *desk) {
	d.on(topic{space: ns.JitMeet, name: "room_metadata", named: true, anywhere: true, handle: m.writeMetadata})
	m.conferences(func(h *muc.Hooks) {
		h.OnEntering(func(r *muc.Room, o *muc.Occupant) {
			md := stateOf[metadata](r)
			if md.told[o.Bare()] {
				return
			}
			if md.told == nil {
				md.told = make(map[stanza.Addr]bool)
			}
			md.told[o.Bare()] = true
			r.SendTo(o, m.metadataFor(r, m.isAdmin(o), true))
		})
		h.OnLeft(func(r *muc.Room, o *muc.Occupant) { delete(stateOf[metadata](r).told, o.Bare()) })
		h.OnPresence(m.startMuted)
	})
}

// writeMetadata takes a key from an occupant.
func (m *Rules) writeMetadata(q *request) *stanza.Error {
	var v struct {
		Key  string `json:"key"`
		Data any    `json:"data"`
	}
	if len(q.text()) > maxMetadataBytes || !decode(q.text(), &v) || v.Key == "" || len(v.Key) > 128 || v.Data == nil {
		return errBadContent
	}
	switch feature, special := keyFeatures[v.Key]; {
	case blockedKeys[v.Key]:
		return errBlockedKey
	case special && !m.allowed(q.room, q.by, feature), !special && q.by.Role() < muc.Moderator:
		return errModerators
	}
	md := stateOf[metadata](q.room)
	if reflect.DeepEqual(md.values[v.Key], v.Data) {
		return nil
	}
	old, had := md.values[v.Key]
	md.set(v.Key, v.Data)
	if len(md.values) > maxMetadataKeys || len(encode(md.values)) > maxMetadataBytes {
		if delete(md.values, v.Key); had {
			md.values[v.Key] = old
		}
		return errTooMuch
	}
	m.broadcastMetadata(q.room)
	return nil
}

func (md *metadata) set(key string, v any) {
	if md.values == nil {
		md.values = make(map[string]any)
	}
	if v == nil {
		delete(md.values, key)
		return
	}
	md.values[key] = v
}

// setMetadata writes a key in the server's name and tells everybody if it changed.
func (m *Rules) setMetadata(r *muc.Room, key string, v any) {
	if m.metadata == nil {
		return
	}
	md := stateOf[metadata](r)
	if old, had := md.values[key]; had == (v != nil) && reflect.DeepEqual(old, v) {
		return
	}
	md.set(key, v)
	m.broadcastMetadata(r)
}

// restricted says whether the metadata take something from those without the feature.
func restricted(r *muc.Room, permission string) bool {
	p, _ := stateOf[metadata](r).values["permissions"].(map[string]any)
	on, _ := p[permission].(bool)
	return on
}

func (m *Rules) broadcastMetadata(r *muc.Room) {
	people := m.metadataFor(r, false, false)
	var service *stanza.Stanza
	for _, o := range r.Occupants() {
		if !m.isAdmin(o) {
			r.SendTo(o, people)
			continue
		}
		if service == nil {
			service = m.metadataFor(r, true, false)
		}
		r.SendTo(o, service)
	}
}

// metadataFor is the message for people or, with more in it, for the focus.
func (m *Rules) metadataFor(r *muc.Room, admin, first bool) *stanza.Stanza {
	values := make(map[string]any)
	for k, v := range stateOf[metadata](r).values {
		values[k] = v
	}
	switch {
	case admin:
		values["moderators"] = []string{}
	case first && m.cfg.ExternalServices != nil:
		// Saves clients a question of their own.
		if list := m.cfg.ExternalServices(); len(list) > 0 {
			values["services"] = list
		}
	}
	return jsonMessage(m.metadata.addr, r.Addr().String(), map[string]any{"type": typeMetadata, "metadata": values})
}

// startMuted takes from a moderator's presence whether newcomers shall begin muted
// (mod_room_metadata_component).
func (m *Rules) startMuted(s *muc.Speaker, st *stanza.Stanza) *stanza.Stanza {
	c, ok := st.Child(ns.StartMuted, "startmuted")
	if !ok || s.Joining {
		return st
	}
	if o := s.Room.OccupantOf(s.From); o != nil && o.Role() == muc.Moderator {
		m.setMetadata(s.Room, "startMuted", map[string]any{
			"audio": st.ChildAttr(c, "audio") == "true", "video": st.ChildAttr(c, "video") == "true"})
	}
	return st
}
