package meeting

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"time"

	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// about is the key under which a room keeps its details.
type about struct{}

// details is what everybody may know about a meeting.
type details struct {
	id    string
	began time.Time // when the second occupant came, zero before that
}

const (
	fieldMeetingID = "muc#roominfo_meetingId"
	fieldCreated   = "muc#roominfo_created_timestamp"
)

// installMeetingID names each meeting and tells how old it is (mod_muc_meeting_id,
// mod_conference_duration), in the room's information and, for the focus, in its
// configuration form.
func (m *Rules) installMeetingID(h *muc.Hooks) {
	h.OnCreated(func(r *muc.Room) { r.SetValue(about{}, &details{id: newUUID()}) })
	h.OnJoined(func(r *muc.Room, _ *muc.Occupant) {
		if d := detailsOf(r); d.began.IsZero() && len(r.Occupants()) > 1 {
			d.began = time.Now()
		}
	})
	h.OnForm(func(r *muc.Room, f *muc.Form) {
		f.Add(fieldMeetingID, "text-single", "The meeting unique id.", detailsOf(r).id)
	})
	h.OnInfo(func(r *muc.Room, f *muc.Form) {
		d := detailsOf(r)
		f.Add(fieldMeetingID, "text-single", "The meeting unique id.", d.id)
		began := ""
		if !d.began.IsZero() {
			began = strconv.FormatInt(d.began.Unix()*1000, 10)
		}
		f.Add(fieldCreated, "text-single", "The meeting created_timestamp.", began)
	})
	h.OnSubmit(func(r *muc.Room, s *muc.Submission) *stanza.Error {
		// Nobody is without voice in a meeting, and everybody is seen.
		s.Ignore("muc#roomconfig_moderatedroom")
		s.Ignore("muc#roomconfig_presencebroadcast")
		if id, ok := s.Value(fieldMeetingID); ok && s.Admin && id != "" && len(id) <= 128 {
			detailsOf(r).id = id
			m.meetings.Store(r.Addr(), id)
		}
		return nil
	})
}

// MeetingID is the id of the meeting in a room. It may only be called on the room's
// goroutine.
func MeetingID(r *muc.Room) string { return detailsOf(r).id }

func detailsOf(r *muc.Room) *details {
	if d, ok := r.Value(about{}).(*details); ok {
		return d
	}
	return &details{}
}

// newUUID is a random UUID (RFC 9562, 5.4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
