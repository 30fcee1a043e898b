package meeting

import (
	"encoding/json"
	"net/http"
	"strings"

	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// endMeeting ends a meeting, or has everybody come back to it.
func (m *Rules) endMeeting(r *http.Request) int {
	q := r.URL.Query()
	room, err := stanza.ParseAddr(q.Get("conference"))
	if err != nil || room.Local() == "" {
		return http.StatusBadRequest
	}
	silent := q.Get("silent-reconnect") == "true"
	return found(in(r.Context(), m.host, room, func(room *muc.Room) bool {
		if silent {
			room.Destroy(terminated+" silently", room.Addr(), "")
		} else {
			room.Destroy(terminated, stanza.Addr{}, "")
		}
		return true
	}))
}

func found(done, ok bool) int {
	if !done || !ok {
		return http.StatusNotFound
	}
	return http.StatusOK
}

// kickParticipant puts somebody out, by his id or, on the phone, by his number.
func (m *Rules) kickParticipant(r *http.Request) int {
	room, ok := m.queried(r.URL.Query(), "prefix")
	var who struct {
		ID     string `json:"participantId"`
		Number string `json:"number"`
	}
	if !ok || json.NewDecoder(r.Body).Decode(&who) != nil || (who.ID == "") == (who.Number == "") {
		return http.StatusBadRequest
	}
	return found(in(r.Context(), m.host, room, func(room *muc.Room) bool {
		for _, o := range room.Occupants() {
			calls := who.Number != "" && strings.HasPrefix(o.Bare().Local(), "jigasi") && strings.HasPrefix(displayName(o), who.Number)
			if !m.isAdmin(o) && (o.Nick() == who.ID || calls) {
				room.Kick(o, nil, "")
				return true
			}
		}
		return false
	}))
}

// maxAddressees bounds one system message.
const maxAddressees = 1000

// systemChat writes to some people in a room in the room's name.
func (m *Rules) systemChat(r *http.Request) int {
	var v struct {
		Room    string   `json:"room"`
		To      []string `json:"connectionJIDs"`
		Message string   `json:"message"`
		Name    string   `json:"displayName"`
	}
	if json.NewDecoder(r.Body).Decode(&v) != nil || v.Message == "" || len(v.To) == 0 || len(v.To) > maxAddressees {
		return http.StatusBadRequest
	}
	room, err := stanza.ParseAddr(v.Room)
	if err != nil {
		return http.StatusBadRequest
	}
	return found(in(r.Context(), m.host, room, func(room *muc.Room) bool {
		note := struct {
			Type    string `json:"type"`
			Message string `json:"message"`
			Name    string `json:"displayName,omitempty"`
		}{"system_chat_message", v.Message, v.Name}
		st := jsonMessage(room.Addr(), "", note)
		for _, to := range v.To {
			if a, err := stanza.ParseAddr(to); err == nil {
				if o := room.OccupantOf(a); o != nil {
					room.SendTo(o, st)
				}
			}
		}
		return true
	}))
}
