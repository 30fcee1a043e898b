package muc

import (
	"slices"

	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// Hooks are the places where other rules join in. They are filled before the Host
// gets its first stanza and not changed afterwards; every function runs on the
// goroutine of the room it is called for and must not block.
//
// Join rules run from high to low priority; the numbers are those that
// Prosody's and Jitsi's plug-ins give their hooks on muc-occupant-pre-join, and this
// package's own rules stand among them.
//
// In a plain room (see Room.Plain) only OnPresence is called, and the rules are
// asked about people without an account alone.
type Hooks struct {
	create []joinRule
	join   []joinRule

	created   []func(*Room)
	entering  []func(*Room, *Occupant)
	joined    []func(*Room, *Occupant)
	settled   []func(*Room, *Occupant)
	left      []func(*Room, *Occupant)
	destroyed []func(*Room)
	presence  []func(*Speaker, *stanza.Stanza) *stanza.Stanza
	self      []func(*Room, *Occupant, *Change) []byte
	admin     []func(*Room, *AdminItem) *stanza.Error
	affil     []func(*Room, *Change)
	form      []func(*Room, *Form)
	submit    []func(*Room, *Submission) *stanza.Error
	info      []func(*Room, *Form)
	message   []func(*Room, *Occupant, *stanza.Stanza) Outcome
	direct    []func(r *Room, from, to *Occupant, st *stanza.Stanza) *stanza.Error
	request   []func(r *Room, from, to *Occupant, st *stanza.Stanza) (*stanza.Stanza, *stanza.Error)
	hears     []func(r *Room, listener, speaker *Occupant) bool
	kept      []func(*Room, *Occupant) []byte
	kicked    []func(*Room, *Change)
	configure []func(*Room, *Submission)
	invited   []func(r *Room, by *Occupant, to stanza.Addr)
}

type joinRule struct {
	priority float64
	name     string
	check    func(*Join) Outcome
	own      bool // of this package: asked in every room
}

// Outcome is what a rule says: go on, refuse, or hold.
type Outcome struct {
	err  *stanza.Error
	kind outcomeKind
}

type outcomeKind uint8

const (
	goOn outcomeKind = iota
	refused
	held
	handled
)

// The outcomes that carry no error.
var (
	// Continue lets the next rule speak.
	Continue = Outcome{}
	// Hold keeps a join waiting until Room.Resume or Room.Refuse is called for it.
	Hold = Outcome{kind: held}
	// Handled ends the treatment of a message or a join; the rule has answered it
	// itself, if it needs an answer.
	Handled = Outcome{kind: handled}
)

// Refuse answers with an error.
func Refuse(e *stanza.Error) Outcome { return Outcome{err: e, kind: refused} }

// Join is one attempt to enter a room.
type Join struct {
	Room *Room
	// Presence is what was sent; a rule may replace it by a changed copy.
	Presence *stanza.Stanza
	// From is the real full address, Nick the nick asked for.
	From stanza.Addr
	Nick string
	// Session is who sent it, nil for a component.
	Session *router.Session
	// Admin says that From is an administrator of the server.
	Admin bool
	// Password is the room password that was given.
	Password string

	creating bool   // held or refused by a rule on creation
	next     int    // the rule that comes next
	rule     string // the rule that holds it
}

// Grant sets the affiliation the newcomer will enter with. Nobody is told: all see
// it with his presence. Administrators stay what they are.
func (j *Join) Grant(aff Affiliation) {
	r, bare := j.Room, j.From.Bare()
	if len(r.affiliations) >= r.host.cfg.MaxAffiliations {
		r.prune()
	}
	switch {
	case j.Admin:
	case aff == None:
		delete(r.affiliations, bare)
	case len(r.affiliations) < r.host.cfg.MaxAffiliations:
		r.affiliations[bare] = aff
	}
}

// Creates says that the room does not exist yet.
func (j *Join) Creates() bool { return !j.Room.exists }

// Anonymous says that the sender did not log in to an account. Components count
// as known.
func (j *Join) Anonymous() bool { return j.Session != nil && j.Session.Info().Anonymous }

// account says that the sender proved to be a certain account of this server.
func (j *Join) account() bool { return j.Session != nil && !j.Session.Info().Anonymous }

// gone says that nobody waits for the answer any more.
func (j *Join) gone() bool {
	if j.Session == nil {
		return false
	}
	select {
	case <-j.Session.Done():
		return true
	default:
		return false
	}
}

// Speaker is who sent a presence that a filter may change.
type Speaker struct {
	Room    *Room
	From    stanza.Addr
	Session *router.Session // nil for a component
	Joining bool
}

// Submission is a room configuration an owner submits.
type Submission struct {
	// By is the occupant, nil for an owner who is not inside.
	By *Occupant
	// From is the real address, Session the session, nil for a component.
	From    stanza.Addr
	Session *router.Session
	// Admin says that From is an administrator of the server.
	Admin  bool
	fields map[string][]string
	drop   map[string]bool
}

// Value is a submitted field; ok is false when the form does not have it.
func (s *Submission) Value(name string) (v string, ok bool) {
	return (&submission{fields: s.fields}).text(name)
}

// Ignore makes the room leave a field alone.
func (s *Submission) Ignore(name string) {
	if s.drop == nil {
		s.drop = make(map[string]bool)
	}
	s.drop[name] = true
}

// AdminItem is one item of a muc#admin set, after it was understood and before it
// is checked and done.
type AdminItem struct {
	// Actor is who asks.
	Actor *Occupant
	// Target is the bare address, zero when only a nick was given that is not in
	// the room. Nick is the occupant it names, if any.
	Target stanza.Addr
	Nick   string
	// Affiliation is set when the item changes one, else Role is meant.
	SetsAffiliation bool
	Affiliation     Affiliation
	Role            Role
}

// OnCreate adds a rule that is asked before a room comes into being.
func (h *Hooks) OnCreate(priority float64, name string, check func(*Join) Outcome) {
	h.create = addRule(h.create, joinRule{priority: priority, name: name, check: check})
}

// OnJoin adds a rule that is asked when somebody wants to enter.
func (h *Hooks) OnJoin(priority float64, name string, check func(*Join) Outcome) {
	h.join = addRule(h.join, joinRule{priority: priority, name: name, check: check})
}

func addRule(rules []joinRule, r joinRule) []joinRule {
	i := 0
	for i < len(rules) && rules[i].priority >= r.priority {
		i++
	}
	return slices.Insert(rules, i, r)
}

// OnCreated is called when a room has come into being, before its first occupant is in.
func (h *Hooks) OnCreated(f func(*Room)) { h.created = append(h.created, f) }

// OnEntering is called for a newcomer just before his self-presence.
func (h *Hooks) OnEntering(f func(*Room, *Occupant)) { h.entering = append(h.entering, f) }

// OnJoined is called just behind the self-presence, before history and subject.
func (h *Hooks) OnJoined(f func(*Room, *Occupant)) { h.joined = append(h.joined, f) }

// OnSettled is called when a newcomer has heard everything.
func (h *Hooks) OnSettled(f func(*Room, *Occupant)) { h.settled = append(h.settled, f) }

// OnLeft is called when an occupant is gone, whatever the reason.
func (h *Hooks) OnLeft(f func(*Room, *Occupant)) { h.left = append(h.left, f) }

// OnDestroyed is called when a room has ceased to exist.
func (h *Hooks) OnDestroyed(f func(*Room)) { h.destroyed = append(h.destroyed, f) }

// OnPresence adds a filter for the available presence of somebody who enters or is
// inside; it returns the stanza, changed or not.
func (h *Hooks) OnPresence(f func(*Speaker, *stanza.Stanza) *stanza.Stanza) {
	h.presence = append(h.presence, f)
}

// OnSelfPresence adds elements that stand behind x in an occupant's own copy of his
// presence. The Change is nil for an ordinary update and empty when he enters.
func (h *Hooks) OnSelfPresence(f func(*Room, *Occupant, *Change) []byte) {
	h.self = append(h.self, f)
}

// OnAdmin is asked about every item of an admin set before the room's own rules.
func (h *Hooks) OnAdmin(f func(*Room, *AdminItem) *stanza.Error) { h.admin = append(h.admin, f) }

// OnAffiliation is called when an affiliation has changed, before occupants hear of it.
func (h *Hooks) OnAffiliation(f func(*Room, *Change)) { h.affil = append(h.affil, f) }

// OnForm adds fields to the configuration form.
func (h *Hooks) OnForm(f func(*Room, *Form)) { h.form = append(h.form, f) }

// OnSubmit is asked before a submitted configuration is applied.
func (h *Hooks) OnSubmit(f func(*Room, *Submission) *stanza.Error) { h.submit = append(h.submit, f) }

// OnInfo adds fields to the room's disco#info form.
func (h *Hooks) OnInfo(f func(*Room, *Form)) { h.info = append(h.info, f) }

// OnMessage is asked about every groupchat message without a subject change, before
// it is reflected.
func (h *Hooks) OnMessage(f func(*Room, *Occupant, *stanza.Stanza) Outcome) {
	h.message = append(h.message, f)
}

// OnKept adds an element to the copy of a message that latecomers get, about who sent it.
func (h *Hooks) OnKept(f func(*Room, *Occupant) []byte) { h.kept = append(h.kept, f) }

// OnDirect is asked about every private message and request from one occupant to
// another before it is handed on.
func (h *Hooks) OnDirect(f func(r *Room, from, to *Occupant, st *stanza.Stanza) *stanza.Error) {
	h.direct = append(h.direct, f)
}

// OnRequest is asked about every request from one occupant to another before it is
// handed on; it returns the request, changed or not, or why it is refused.
func (h *Hooks) OnRequest(f func(r *Room, from, to *Occupant, st *stanza.Stanza) (*stanza.Stanza, *stanza.Error)) {
	h.request = append(h.request, f)
}

// OnHears is asked whether presence of one occupant is meant for another; all must agree.
func (h *Hooks) OnHears(f func(r *Room, listener, speaker *Occupant) bool) {
	h.hears = append(h.hears, f)
}

// OnKick is called when a moderator puts somebody out, before anybody hears of it.
func (h *Hooks) OnKick(f func(*Room, *Change)) { h.kicked = append(h.kicked, f) }

// OnConfigure is called when a submitted configuration was found good, before it is
// answered and applied.
func (h *Hooks) OnConfigure(f func(*Room, *Submission)) { h.configure = append(h.configure, f) }

// OnInvite is called for each account an occupant invites, before it is told.
func (h *Hooks) OnInvite(f func(r *Room, by *Occupant, to stanza.Addr)) {
	h.invited = append(h.invited, f)
}

// askDirect lets the rules speak about something between two occupants.
func (h *Hooks) askDirect(r *Room, from, to *Occupant, st *stanza.Stanza) *stanza.Error {
	for _, f := range h.direct {
		if err := f(r, from, to, st); err != nil {
			return err
		}
	}
	return nil
}

// askRequest lets the rules speak about a request between two occupants, and change it.
func (h *Hooks) askRequest(r *Room, from, to *Occupant, st *stanza.Stanza) (*stanza.Stanza, *stanza.Error) {
	if err := h.askDirect(r, from, to, st); err != nil {
		return nil, err
	}
	for _, f := range h.request {
		var err *stanza.Error
		if st, err = f(r, from, to, st); err != nil {
			return nil, err
		}
	}
	return st, nil
}
