package meeting

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// The answers of the services. Clients ignore them all; people who try things out
// with a console do not.
var (
	errUnknownRequest = stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "")
	errNotInside      = stanza.Err(stanza.Cancel, stanza.NotAcceptable, "You are not in this room")
	errWhichRoom      = stanza.Err(stanza.Modify, stanza.BadRequest, "You are in several rooms; say which one you mean")
	errModerators     = stanza.Err(stanza.Auth, stanza.Forbidden, "Only moderators may do this")
	errBadContent     = stanza.Err(stanza.Modify, stanza.BadRequest, "The request cannot be understood")
	errTooMuch        = stanza.Err(stanza.Wait, stanza.ResourceConstraint, "The room cannot keep more")
	errRoomBusy       = stanza.Err(stanza.Wait, stanza.ResourceConstraint, "The room is too busy")
)

// request is what an occupant asks of a service, on the goroutine of the room.
type request struct {
	*stanza.Stanza
	child stanza.Child
	room  *muc.Room
	by    *muc.Occupant
}

// attr is an attribute of the request.
func (q *request) attr(name string) string { return q.ChildAttr(q.child, name) }

// text is the text of the request.
func (q *request) text() string { return q.ChildText(q.child) }

// topic is one kind of request.
type topic struct {
	// named requests say their room in the attribute room.
	named bool
	// moderators says that only they may ask.
	moderators bool
	// anywhere also takes requests from breakout rooms.
	anywhere bool
	// bare topics are asked without a namespace, as most of them are.
	space, name string
	handle      func(q *request) *stanza.Error
}

// desk is the domain of a service: people in a room write to it, and it writes to
// them, always from its own address: from others clients take nothing (lib-jitsi-meet,
// xmpp.ts, _onPrivateMessage). It has no state; that belongs to the rooms.
type desk struct {
	m      *Rules
	addr   stanza.Addr
	kind   string // type of its identity on the main domain
	topics []topic
	// nodes are the features it tells of a disco node, depending on who asks.
	nodes map[string]func(*router.Session) []string
}

// newDesk makes the service of a name below the main domain.
func (m *Rules) newDesk(s Service) *desk {
	return &desk{m: m, addr: stanza.MustAddr(s.Addr), kind: s.Type, nodes: make(map[string]func(*router.Session) []string)}
}

func (d *desk) on(t topic) { d.topics = append(d.topics, t) }

// HandleStanza is router.Host.HandleStanza.
func (d *desk) HandleStanza(st *stanza.Stanza, from *router.Session) {
	switch {
	case st.Kind == stanza.Message && st.Type != stanza.ErrorType && d.asked(st, from):
	case st.IsRequest() && st.Type == stanza.Get && st.To.IsBare() && st.To.Local() == "":
		d.tell(st, from)
	case st.Kind != stanza.Presence:
		d.m.rt.Bounce(st, errUnknownRequest)
	}
}

// asked hands a message to its topic on the room's goroutine; false if there is none.
func (d *desk) asked(st *stanza.Stanza, from *router.Session) bool {
	for _, t := range d.topics {
		c, ok := st.Child(t.space, t.name)
		if !ok {
			continue
		}
		name := ""
		if t.named {
			name = st.ChildAttr(c, "room")
		}
		room, err := d.m.where.find(st.From, from, name)
		if err == nil && !t.anywhere && room.Host() != d.m.host {
			err = errNotInside
		}
		if err == nil && !room.Post(func() { d.serve(t, st, c, room) }) {
			err = errRoomBusy
		}
		if err != nil {
			d.m.rt.Bounce(st, err)
		}
		return true
	}
	return false
}

func (d *desk) serve(t topic, st *stanza.Stanza, c stanza.Child, room *muc.Room) {
	by := room.OccupantOf(st.From)
	var err *stanza.Error
	switch {
	case by == nil:
		err = errNotInside
	case t.moderators && by.Role() < muc.Moderator:
		err = errModerators
	default:
		err = t.handle(&request{Stanza: st, child: c, room: room, by: by})
	}
	if err != nil {
		room.Log().WithField(logx.Host, d.addr.String()).WithField(logx.Reason, err.Error()).Debug("service refused")
		d.m.rt.Bounce(st, err)
	}
}

// tell answers what others want to know about the service itself.
func (d *desk) tell(st *stanza.Stanza, from *router.Session) {
	p, _ := st.Payload()
	var b stanza.Builder
	switch {
	case p.Is(ns.DiscoInfo, "query"):
		node := st.ChildAttr(p, "node")
		b.Start(ns.DiscoInfo, "query", "node", node)
		features := []string{ns.DiscoInfo, ns.DiscoItems, ns.Ping}
		if node == "" {
			b.Empty("", "identity", "category", "component", "type", "generic", "name", d.kind)
		} else if tell := d.nodes[node]; tell != nil {
			features = tell(from)
		} else {
			d.m.rt.Bounce(st, stanza.Err(stanza.Cancel, stanza.ItemNotFound, ""))
			return
		}
		for _, f := range features {
			b.Empty("", "feature", "var", f)
		}
	case p.Is(ns.DiscoItems, "query"):
		b.Empty(ns.DiscoItems, "query")
	case p.Is(ns.Ping, "ping"):
	default:
		d.m.rt.Bounce(st, errUnknownRequest)
		return
	}
	d.m.rt.Reply(st, b.Bytes())
}

// note is a message of the service with JSON for clients, for any number of them.
func (d *desk) note(v any) *stanza.Stanza { return jsonMessage(d.addr, "", v) }

// jsonMessage carries JSON; room is an attribute some clients want.
func jsonMessage(from stanza.Addr, room string, v any) *stanza.Stanza {
	var b stanza.Builder
	b.Leaf(ns.JitMeet, "json-message", encode(v), "room", room)
	return stanza.New(stanza.Message, "", from, stanza.Addr{}, "").WithContent(b.Bytes())
}

func encode(v any) string {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false) // the stanza escapes
	if err := e.Encode(v); err != nil {
		panic(err) // only our own types and what was decoded before
	}
	return string(bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
}

// decode reads JSON as it was sent: numbers keep their form, and nothing may follow.
func decode(text string, v any) bool {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	if d.Decode(v) != nil {
		return false
	}
	_, err := d.Token()
	return errors.Is(err, io.EOF)
}

// displayName is the name an occupant shows, empty if none.
func displayName(o *muc.Occupant) string { return nameIn(o.Presence()) }

func nameIn(st *stanza.Stanza) string {
	c, ok := st.Child(ns.Nick, "nick")
	if !ok {
		return ""
	}
	name := st.ChildText(c)
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	return name
}

// maxName bounds the names services keep; a presence may hold a longer one.
const maxName = 256

// stateOf is what a service keeps with a room, made when it is first asked for.
func stateOf[T any](r *muc.Room) *T {
	key := (*T)(nil)
	if v, ok := r.Value(key).(*T); ok {
		return v
	}
	v := new(T)
	r.SetValue(key, v)
	return v
}

// isAdmin says that an occupant is a service of this installation.
func (m *Rules) isAdmin(o *muc.Occupant) bool { return m.rt.IsAdmin(o.Bare()) }

// tellPeople sends a message to everybody in a room but our own services.
func (m *Rules) tellPeople(r *muc.Room, st *stanza.Stanza) {
	for _, o := range r.Occupants() {
		if !m.isAdmin(o) {
			r.SendTo(o, st)
		}
	}
}
