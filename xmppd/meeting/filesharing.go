package meeting

import (
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// Bounds of the files a meeting knows.
const (
	maxSharedFiles = 100
	maxFileBytes   = 4096
)

// sharedFiles are the files people of a room have put somewhere, by id.
type sharedFiles struct{ files map[string]map[string]any }

var errNoFile = stanza.Err(stanza.Cancel, stanza.ItemNotFound, "There is no such file")

// installFileSharing tells people in a room of files (mod_filesharing_component). Their
// bytes lie on another server.
func (m *Rules) installFileSharing(d *desk) {
	d.on(topic{space: ns.JitMeet, name: "file-sharing", anywhere: true, handle: func(q *request) *stanza.Error {
		if !m.allowed(q.room, q.by, "file-upload") {
			return stanza.Err(stanza.Auth, stanza.Forbidden, "")
		}
		switch q.attr("type") {
		case "add":
			return m.addFile(d, q)
		case "remove":
			return m.removeFile(d, q)
		}
		return errBadContent
	}})
	m.conferences(func(h *muc.Hooks) {
		h.OnJoined(func(r *muc.Room, o *muc.Occupant) {
			if s := stateOf[sharedFiles](r); len(s.files) > 0 && !m.isAdmin(o) {
				r.SendTo(o, d.note(map[string]any{"type": typeFiles, "event": "list", "files": s.files}))
			}
		})
	})
}

func (m *Rules) addFile(d *desk, q *request) *stanza.Error {
	var file map[string]any
	if len(q.text()) > maxFileBytes || !decode(q.text(), &file) {
		return errBadContent
	}
	id, _ := file["fileId"].(string)
	s := stateOf[sharedFiles](q.room)
	switch {
	case id == "" || len(id) > 256:
		return errBadContent
	case s.files[id] == nil && len(s.files) >= maxSharedFiles:
		return errTooMuch
	}
	if s.files == nil {
		s.files = make(map[string]map[string]any)
	}
	file["authorParticipantId"] = q.by.Nick()
	file["authorParticipantJid"] = q.by.Real().String()
	file["authorParticipantName"] = displayName(q.by)
	file["conferenceFullName"] = q.room.Addr().String()
	if _, told := file["timestamp"]; !told {
		file["timestamp"] = time.Now().UnixMilli()
	}
	s.files[id] = file
	m.tellOthers(q, d.note(map[string]any{"type": typeFiles, "event": "add", "file": file}))
	return nil
}

func (m *Rules) removeFile(d *desk, q *request) *stanza.Error {
	s, id := stateOf[sharedFiles](q.room), q.attr("fileId")
	if s.files[id] == nil {
		return errNoFile
	}
	delete(s.files, id)
	m.tellOthers(q, d.note(map[string]any{"type": typeFiles, "event": "remove", "fileId": id}))
	return nil
}

// tellOthers sends to everybody but who asked.
func (m *Rules) tellOthers(q *request, st *stanza.Stanza) {
	for _, o := range q.room.Occupants() {
		if o != q.by && !m.isAdmin(o) {
			q.room.SendTo(o, st)
		}
	}
}
