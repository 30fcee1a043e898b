package meeting

import (
	"encoding/json"
	"encoding/xml"
	"strings"
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// The keys of app_data, which a recorder hands on to whoever takes its files.
const (
	keyRecording  = "file_recording_metadata"
	keyInitiator  = "initiator"
	keyConference = "conference_details"
)

var (
	errMayNotRecord = stanza.Err(stanza.Auth, stanza.Forbidden, "You may not record or stream this meeting")
	errTooManyTapes = stanza.Err(stanza.Wait, stanza.PolicyViolation, "Recordings are started and stopped too often")
)

// tapes counts the requests of a room.
type tapes struct{ window }

// installRecording lets only those start and stop recordings and streams who may, not
// too often, and tells the recorder who it was (mod_filter_iq_jibri, mod_jibri_session).
func (m *Rules) installRecording(h *muc.Hooks) {
	h.OnRequest(func(r *muc.Room, from, _ *muc.Occupant, st *stanza.Stanza) (*stanza.Stanza, *stanza.Error) {
		p, _ := st.Payload()
		if st.Type != stanza.Set || !p.Is(ns.Jibri, "jibri") || m.isAdmin(from) {
			return st, nil
		}
		action := strings.ToLower(st.ChildAttr(p, "action"))
		if action != "start" && action != "stop" {
			return st, nil
		}
		feature := "livestreaming"
		if st.ChildAttr(p, "recording_mode") == "file" {
			feature = "recording"
		}
		now := time.Now()
		switch {
		case !m.allowed(r, from, feature):
			return nil, errMayNotRecord
		case !stateOf[tapes](r).take(now, m.cfg.RecordingsPerMinute, time.Minute):
			return nil, errTooManyTapes
		case from.Session() != nil && !m.recorders.take(from.Session().Info().Client, now, m.cfg.RecordingsPerAddress, time.Minute):
			return nil, errTooManyTapes
		case action == "stop":
			return st, nil
		}
		who := holderOf(r, from)
		if who == (holder{}) {
			return st, nil
		}
		return withAppData(st, p, keyInitiator, who), nil
	})
	h.OnCreated(func(r *muc.Room) { m.meetings.Store(r.Addr(), detailsOf(r).id) })
	h.OnDestroyed(func(r *muc.Room) { m.meetings.Delete(r.Addr()) })
}

// TellRecorder is for the rooms where recorders wait: it tells them which meeting the
// focus sends them to (mod_jibri_session).
func (m *Rules) TellRecorder(_ *muc.Room, from, _ *muc.Occupant, st *stanza.Stanza) (*stanza.Stanza, *stanza.Error) {
	p, _ := st.Payload()
	if st.Type != stanza.Set || !p.Is(ns.Jibri, "jibri") || st.ChildAttr(p, "action") != "start" || !m.isAdmin(from) {
		return st, nil
	}
	room, err := stanza.ParseAddr(st.ChildAttr(p, "room"))
	id, ok := m.meetings.Load(room)
	if err != nil || !ok {
		return st, nil
	}
	return withAppData(st, p, keyConference, struct {
		Session any `json:"session_id"`
	}{id}), nil
}

// withAppData writes what the server knows into the app_data of a request. What a client
// wrote under that key itself is replaced; what is no JSON object is left alone.
func withAppData(st *stanza.Stanza, p stanza.Child, key string, value any) *stanza.Stanza {
	data := map[string]any{}
	if text := st.ChildAttr(p, "app_data"); text != "" && (json.Unmarshal([]byte(text), &data) != nil || data == nil) {
		return st
	}
	about, ok := data[keyRecording].(map[string]any)
	if !ok {
		about = map[string]any{}
	}
	about[key] = value
	data[keyRecording] = about
	var x struct {
		Attrs []xml.Attr `xml:",any,attr"`
	}
	if st.Decode(p, &x) != nil {
		return st
	}
	attrs := []string{"app_data", encode(data)}
	for _, a := range x.Attrs {
		if a.Name.Space == "" && a.Name.Local != "xmlns" && a.Name.Local != "app_data" {
			attrs = append(attrs, a.Name.Local, a.Value)
		}
	}
	var b stanza.Builder
	return st.WithContent(b.Empty(ns.Jibri, "jibri", attrs...).Bytes())
}
