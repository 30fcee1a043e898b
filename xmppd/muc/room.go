package muc

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// Room is one room. A Room whose first join is still being considered does not
// exist yet: see Exists.
type Room struct {
	host *Host
	node string      // the host's name for it
	addr stanza.Addr // bare, as it is known outside
	log  *logrus.Entry
	box  *mailbox

	// listed is what disco#items and searches show of the room, nil if it is hidden, and
	// present how many are inside.
	listed  atomic.Pointer[listing]
	present atomic.Int32

	// All below belongs to the goroutine of run.

	exists   bool
	plain    bool // see plain.go
	locked   bool // until it is configured
	stored   bool // it is in the database
	unsaved  bool // and something there is old
	stopping bool
	created  time.Time
	config   roomConfig

	occupants    map[string]*Occupant // by nick
	nickKeys     map[string]*Occupant // by nickKey
	reserved     reservations
	applicants   []applicant // who waits to be registered, in the order they came
	avatar       avatar
	order        []*Occupant // in the order they came
	seats        map[stanza.Addr]taken
	affiliations map[stanza.Addr]Affiliation // by bare address; None is left out
	passing      map[stanza.Addr]bool        // who was inside without an account
	subject      *stanza.Stanza              // last one set, nil before that
	history      history
	held         map[stanza.Addr]*Join // by real full address
	heldOrder    []*Join               // the same, in the order they came
	savedSoon    time.Time             // when saveSoon last saved
	asked        map[askKey]stanza.Addr
	askedOrder   []askKey
	values       map[any]any
	round        router.Round // what the events since its end have delivered
}

// taken is where a session sits.
type taken struct {
	o *Occupant
	s *seat
}

// maxHeld bounds the joins a room keeps waiting.
const maxHeld = 500

func newRoom(h *Host, node string, addr stanza.Addr) *Room {
	r := &Room{host: h, node: node, addr: addr, log: h.log.WithField(logx.Room, addr.String()), box: newMailbox()}
	r.reset()
	return r
}

// reset makes the room as if nobody had ever been in it.
func (r *Room) reset() {
	r.exists, r.plain, r.locked, r.stored, r.unsaved = false, false, false, false, false
	r.config = defaultRoomConfig(&r.host.cfg)
	r.occupants = make(map[string]*Occupant)
	r.nickKeys = make(map[string]*Occupant)
	r.reserved = newReservations()
	r.applicants = nil
	r.avatar = avatar{}
	r.order = nil
	r.seats = make(map[stanza.Addr]taken)
	r.affiliations = make(map[stanza.Addr]Affiliation)
	r.passing = make(map[stanza.Addr]bool)
	r.subject = nil
	r.history = history{}
	r.asked, r.askedOrder = nil, nil
	r.values = make(map[any]any)
	if r.held == nil {
		r.held = make(map[stanza.Addr]*Join)
	}
	r.listed.Store(nil)
	r.present.Store(0)
}

// run is the room's goroutine. It ends when nobody is inside and nobody waits.
func (r *Room) run() {
	defer r.host.forget(r)
	var batch []func()
	for {
		<-r.box.wake
		batch = r.box.take(batch)
		for i, f := range batch {
			batch[i] = nil
			r.do(f)
			r.round.Event()
			if r.round.Full() {
				r.round.End()
			}
		}
		if !r.stopping && r.moreFollows() {
			continue // and goes out in the same writes
		}
		if r.stopping {
			r.shut()
		}
		r.round.End()
		if !r.exists && len(r.held) == 0 && r.box.closeIfEmpty() {
			return
		}
	}
}

// moreFollows says whether something else waits to be done. Where the processors are
// busy others are let in first: they may be about to post it.
func (r *Room) moreFollows() bool {
	if r.box.empty() {
		runtime.Gosched()
	}
	return !r.box.empty()
}

// do runs one event. A panic is our bug: it costs that event, not the room.
func (r *Room) do(f func()) {
	defer func() {
		if p := recover(); p != nil {
			r.host.stats.panics.Add(1)
			r.log.WithField(logx.Reason, p).WithField("stack", string(debug.Stack())).Error("room event failed")
		}
	}()
	f()
}

// shut drops everything without telling anyone: the server stops.
func (r *Room) shut() {
	r.saveNow()
	for _, o := range r.order {
		for _, s := range o.seats {
			s.stop()
		}
	}
	r.host.stats.occupants.Add(-int64(len(r.order)))
	if r.exists {
		r.host.stats.rooms.Add(-1)
		for _, f := range r.hooks().destroyed {
			f(r)
		}
	}
	clear(r.held)
	r.heldOrder = nil
	r.reset()
}

// Addr is the room's bare address. It may be called from anywhere.
func (r *Room) Addr() stanza.Addr { return r.addr }

// Node is the room's name on its host; that of a tenant's room is [TENANT]name. It
// may be called from anywhere.
func (r *Room) Node() string { return r.node }

// Host is the host of the room. It may be called from anywhere.
func (r *Room) Host() *Host { return r.host }

// Log is the room's logger. It may be called from anywhere.
func (r *Room) Log() *logrus.Entry { return r.log }

// Exists says that somebody has entered, or that the room was kept from before, and
// that it was not closed since.
func (r *Room) Exists() bool { return r.exists }

// Created is when the room came into being.
func (r *Room) Created() time.Time { return r.created }

// Post runs f on the room's goroutine, later; false if the room is closed or its
// mailbox is full. It may be called from anywhere.
func (r *Room) Post(f func()) bool { return r.box.post(f, ordinary) == posted }

// After runs f on the room's goroutine after d. stop may be called from anywhere.
func (r *Room) After(d time.Duration, f func()) (stop func()) {
	// A timer must not be lost; there are as many as hooks have asked for.
	t := time.AfterFunc(d, func() { r.box.post(f, internal) })
	return func() { t.Stop() }
}

// Value is what a hook keeps with the room under key, nil if nothing. All values
// are forgotten when the room is destroyed.
func (r *Room) Value(key any) any { return r.values[key] }

// SetValue keeps v with the room.
func (r *Room) SetValue(key, v any) { r.values[key] = v }

// Occupants are the people inside, in the order in which they came. Do not change it.
func (r *Room) Occupants() []*Occupant { return r.order }

// Occupant finds a nick, nil if nobody has it.
func (r *Room) Occupant(nick string) *Occupant { return r.occupants[nick] }

// OccupantOf finds who sits behind a real full address, nil if nobody.
func (r *Room) OccupantOf(real stanza.Addr) *Occupant { return r.seats[real].o }

// MembersOnly says that only members may enter.
func (r *Room) MembersOnly() bool { return r.config.membersOnly }

// Password is the room password, empty if there is none.
func (r *Room) Password() string { return r.config.password }

// Affiliation is the rank of the account behind an address; administrators of the
// server own every room.
func (r *Room) Affiliation(a stanza.Addr) Affiliation {
	bare := a.Bare()
	if r.host.rt.IsAdmin(bare) {
		return Owner
	}
	if aff, ok := r.affiliations[bare]; ok {
		return aff
	}
	return None
}

// occupantID is a name for an account that is the same whenever it enters this
// room and says nothing elsewhere (XEP-0421).
func (r *Room) occupantID(bare stanza.Addr) string {
	mac := hmac.New(sha256.New, r.host.salt)
	mac.Write([]byte(r.addr.String()))
	mac.Write([]byte{0})
	mac.Write([]byte(bare.String()))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// handleStanza takes what was sent to the room or to somebody in it.
func (r *Room) handleStanza(st *stanza.Stanza, from *router.Session) {
	switch st.Kind {
	case stanza.Presence:
		r.host.stats.presences.Add(1)
		r.handlePresence(st, from)
	case stanza.Message:
		r.host.stats.messages.Add(1)
		r.handleMessage(st, from)
	case stanza.IQ:
		r.host.stats.requests.Add(1)
		r.handleIQ(st, from)
	}
}

// SendTo delivers a stanza to all sessions of an occupant.
func (r *Room) SendTo(o *Occupant, st *stanza.Stanza) {
	e := st.Encode()
	for _, s := range slices.Clone(o.seats) {
		r.deliver(s, e)
	}
}

// Broadcast delivers a stanza to every occupant; it is serialised once.
func (r *Room) Broadcast(st *stanza.Stanza) {
	e := st.Encode()
	for _, o := range r.order {
		for _, s := range o.seats {
			r.deliver(s, e)
		}
	}
}

// deliver hands an encoded stanza to one session. Nobody being there is not acted
// on here: who calls walks over the occupants.
func (r *Room) deliver(s *seat, e *stanza.Encoded) {
	if s.gone {
		return
	}
	if s.session != nil {
		if s.session.DeliverIn(&r.round, s.real, e) {
			return
		}
	} else if r.host.rt.Deliver(s.real, e) {
		return
	}
	// A session that ends says so by itself; a component does not.
	s.gone = true
	if s.session == nil {
		r.box.post(func() { r.vanished(s.real, "recipient unavailable") }, internal)
	}
}

// message makes a stanza from the room itself.
func (r *Room) message(typ string, content []byte) *stanza.Stanza {
	return stanza.New(stanza.Message, typ, r.addr, stanza.Addr{}, "").WithContent(content)
}

// announceStatus tells everybody that the room's settings changed (XEP-0045, 10.2.1).
func (r *Room) announceStatus(codes ...string) {
	var b stanza.Builder
	b.Start(ns.MUCUser, "x")
	for _, c := range codes {
		b.Empty("", "status", "code", c)
	}
	r.Broadcast(r.message(stanza.Groupchat, b.Bytes()))
}

// subjectText is the subject, empty if there is none.
func (r *Room) subjectText() string {
	if r.subject != nil {
		if c, ok := r.subject.Child(ns.Client, "subject"); ok {
			return r.subject.ChildText(c)
		}
	}
	return ""
}

func (r *Room) snapshot() RoomInfo {
	if !r.exists {
		return RoomInfo{}
	}
	info := RoomInfo{Address: r.addr.String(), Created: r.created.Unix(), Waiting: len(r.held), Occupants: []OccupantInfo{}}
	info.Subject = r.subjectText()
	info.Persistent, info.Locked = r.config.persistent, r.locked
	for _, o := range r.order {
		oi := OccupantInfo{Nick: o.nick, Affiliation: o.affiliation.String(), Role: o.role.String(), Joined: o.joined.Unix()}
		for _, s := range o.seats {
			oi.Real = append(oi.Real, s.real.String())
		}
		info.Occupants = append(info.Occupants, oi)
	}
	form := Form{}
	for _, f := range r.hooks().info {
		f(r, &form)
	}
	for _, f := range form.Fields {
		if len(f.Values) > 0 && f.Values[0] != "" {
			if info.Details == nil {
				info.Details = make(map[string]string)
			}
			info.Details[f.Var] = f.Values[0]
		}
	}
	return info
}
