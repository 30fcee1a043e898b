package meeting

import (
	"encoding/json"
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

const transcriptType = "transcription-result"

// installTranscripts accepts subtitles only from transcribers, so that nobody puts
// words into another's mouth (mod_muc_meeting_id).
func (m *Rules) installTranscripts(h *muc.Hooks) {
	h.OnMessage(func(_ *muc.Room, o *muc.Occupant, st *stanza.Stanza) muc.Outcome {
		if isTranscript(st) && !m.isTranscriber(o) {
			return muc.Handled
		}
		return muc.Continue
	})
}

func isTranscript(st *stanza.Stanza) bool {
	c, ok := st.Child(ns.JitMeet, "json-message")
	if !ok {
		return false
	}
	text := st.ChildText(c)
	if !strings.Contains(text, transcriptType) && !strings.Contains(text, `\u`) {
		return false // nearly all: nothing is decoded
	}
	var v struct {
		Type string `json:"type"`
	}
	return json.Unmarshal([]byte(text), &v) == nil && v.Type == transcriptType
}

func (m *Rules) isTranscriber(o *muc.Occupant) bool {
	for _, p := range m.cfg.TranscriberPrefixes {
		if strings.HasPrefix(o.Real().String(), p) {
			return true
		}
	}
	return false
}
