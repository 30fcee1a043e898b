package meeting

import (
	"maps"
	"strings"
	"time"

	"parley/internal/wire/ns"
	"parley/jwtauth"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// What gateways to telephones read in a request to dial, and where transcribers are.
const (
	headerRoom     = "JvbRoomName"
	headerPassword = "JvbRoomPassword"
	headerUser     = "X-outbound-call-initiator-user"
	headerGroup    = "X-outbound-call-initiator-group"

	transcriberNumber = "jitsi_meet_transcribe"
	transcriberPause  = 10 * time.Second
)

var (
	errMayNotDial   = stanza.Err(stanza.Auth, stanza.Forbidden, "You may not call others from this meeting")
	errTooManyCalls = stanza.Err(stanza.Cancel, stanza.ResourceConstraint, "Too many calls are made from this meeting")
)

// dialled counts the calls of a room.
type dialled struct {
	transcribers window
	people       map[stanza.Addr]*window
}

// dial is a request to call somebody (XEP-0327).
type dial struct {
	To      string `xml:"to,attr"`
	From    string `xml:"from,attr"`
	Headers []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	} `xml:"header"`
}

// installDialling lets only those call telephones who may, into their own meeting, and
// writes what the gateway has to know; nothing a client wrote there is handed on
// (mod_filter_iq_rayo). How many calls go on at one time is not counted.
func (m *Rules) installDialling(h *muc.Hooks) {
	h.OnRequest(func(r *muc.Room, from, _ *muc.Occupant, st *stanza.Stanza) (*stanza.Stanza, *stanza.Error) {
		p, _ := st.Payload()
		if !p.Is(ns.RayoOne, "dial") || m.isAdmin(from) {
			return st, nil
		}
		var d dial
		if st.Decode(p, &d) != nil {
			return nil, stanza.Err(stanza.Modify, stanza.BadRequest, "")
		}
		if !m.mayDial(r, from, &d) {
			return nil, errMayNotDial
		}
		if !m.countCall(r, from, d.To, time.Now()) {
			return nil, errTooManyCalls
		}
		who := holderOf(r, from)
		var b stanza.Builder
		b.Start(ns.RayoOne, "dial", "to", d.To, "from", d.From)
		for _, header := range [][2]string{{headerUser, who.ID}, {headerGroup, who.Group}, {headerRoom, r.Addr().String()}, {headerPassword, r.Password()}} {
			if header[1] != "" {
				b.Empty("", "header", "name", header[0], "value", oneLine(header[1]))
			}
		}
		return st.WithContent(b.Bytes()), nil
	})
}

// mayDial checks the right, and that the call goes into the room it is asked in.
func (m *Rules) mayDial(r *muc.Room, from *muc.Occupant, d *dial) bool {
	named := ""
	for _, header := range d.Headers {
		if header.Name == headerRoom {
			named = header.Value
		}
	}
	room, err := stanza.ParseAddr(named)
	if err != nil || room != r.Addr() {
		return false
	}
	if c := claims(from.Session()); c != nil && m.verifier != nil &&
		m.verifier.AllowRoom(c, jwtauth.Room{Node: r.Node(), Host: r.Host().Domain(), Domain: m.cfg.Domain}) != nil {
		return false
	}
	feature := "outbound-call"
	if d.To == transcriberNumber {
		feature = "transcription"
	}
	return m.allowed(r, from, feature)
}

func (m *Rules) countCall(r *muc.Room, from *muc.Occupant, to string, now time.Time) bool {
	s := stateOf[dialled](r)
	if to == transcriberNumber {
		return s.transcribers.take(now, 1, transcriberPause)
	}
	if m.cfg.CallsPerMinute == 0 {
		return true
	}
	if s.people == nil {
		s.people = make(map[stanza.Addr]*window)
	}
	// Those who called a while ago may be gone: a room may last for years.
	maps.DeleteFunc(s.people, func(_ stanza.Addr, w *window) bool { return w.over(now, time.Minute) })
	w := s.people[from.Bare()]
	if w == nil {
		w = &window{}
		s.people[from.Bare()] = w
	}
	return w.take(now, m.cfg.CallsPerMinute, time.Minute)
}

// oneLine keeps a value from becoming two headers of the gateway's protocol.
func oneLine(s string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(s) }
