package muc

import (
	"strconv"
	"strings"
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

func itoa(n int) string { return strconv.Itoa(n) }

// dashes makes a sentence of a condition's name.
func dashes(s string) string { return strings.ReplaceAll(s, "-", " ") }

// fatal are the conditions of a bounced message that mean its recipient is gone
// (Prosody's muc.lib.lua, handle_kickable).
var fatal = map[string]bool{
	stanza.Gone: true, stanza.InternalServerError: true, stanza.ItemNotFound: true, stanza.JIDMalformed: true,
	stanza.RecipientUnavailable: true, "redirect": true, stanza.RemoteServerNotFound: true,
	stanza.RemoteServerTimeout: true, stanza.ServiceUnavailable: true,
}

// handleMessage takes chat to the room, private messages, and invitations.
func (r *Room) handleMessage(st *stanza.Stanza, _ *router.Session) {
	at, inside := r.seats[st.From]
	switch {
	case st.Type == stanza.ErrorType:
		r.handleMessageError(st, at, inside)
	case !r.exists || r.locked && !inside:
		r.host.rt.Bounce(st, errNoRoomHere)
	case !inside:
		r.handleOutsideMessage(st)
	case st.To.Resource() != "":
		r.privateMessage(st, at)
	case st.Type == stanza.Groupchat && isSubject(st):
		r.changeSubject(st, at)
	case st.Type == stanza.Groupchat:
		r.groupMessage(st, at)
	case st.Has(ns.MUCUser, "x"):
		r.handleInvite(st, at)
	case st.Has(ns.Data, "x"):
		r.handleForm(st, at)
	default:
		r.host.rt.Bounce(st, errFeature)
	}
}

// handleMessageError takes what an occupant's side bounced.
func (r *Room) handleMessageError(st *stanza.Stanza, at taken, inside bool) {
	if !inside {
		return
	}
	if cond := stanzaCondition(st); fatal[cond] {
		r.vanished(st.From, dashes(cond))
		return
	}
	if to := r.occupants[st.To.Resource()]; to != nil {
		r.SendTo(to, st.WithAddrs(at.o.addr, stanza.Addr{}))
	}
}

// handleOutsideMessage takes the one message an outsider may send: that he declines
// an invitation (XEP-0045, 7.8.2).
func (r *Room) handleOutsideMessage(st *stanza.Stanza) {
	x, ok := st.Child(ns.MUCUser, "x")
	if !ok {
		r.host.rt.Bounce(st, errNotInRoom)
		return
	}
	v, ok := parseInvites(st.Raw(x))
	if !ok || v.Decline == nil {
		r.host.rt.Bounce(st, errNotInRoom)
		return
	}
	to, err := stanza.ParseAddr(v.Decline.To)
	if err != nil {
		r.host.rt.Bounce(st, errBadRequest)
		return
	}
	var b stanza.Builder
	b.Start(ns.MUCUser, "x").Start("", "decline", "from", st.From.Bare().String())
	if v.Decline.Reason != "" {
		b.Leaf("", "reason", v.Decline.Reason)
	}
	for _, o := range r.order {
		if o.bare == to.Bare() {
			r.SendTo(o, stanza.New(stanza.Message, "", r.addr, stanza.Addr{}, st.ID).WithContent(b.Bytes()))
			return
		}
	}
}

// cleanMessage takes out of a message what only the room may say.
func (r *Room) cleanMessage(st *stanza.Stanza, o *Occupant) *stanza.Stanza {
	st = st.Without(func(c stanza.Child) bool {
		return c.Is(ns.MUCUser, "x") || c.Is(ns.OccupantID, "occupant-id") || c.Is(ns.Nick, "nick") ||
			c.Is(ns.DisplayNames, "display-name") || c.Is(ns.StanzaID, "stanza-id") || c.Is(ns.Delay, "delay") ||
			c.Is(ns.Retract, "retracted") // or nobody could withdraw it, see tombstone
	})
	return st.WithAddrs(o.addr, stanza.Addr{}).With(r.occupantIDElement(o))
}

func (r *Room) groupMessage(st *stanza.Stanza, at taken) {
	if at.o.role < Participant {
		r.host.rt.Bounce(st, errVoice)
		return
	}
	for _, f := range r.hooks().message {
		switch out := f(r, at.o, st); out.kind {
		case refused:
			r.host.rt.Bounce(st, out.err)
			return
		case handled:
			return
		}
	}
	msg := r.cleanMessage(st, at.o)
	if msg.ID == "" {
		msg.ID = router.NewID() // msg is our copy
	}
	if r.plain {
		msg = r.named(msg) // in the archive, too
	}
	r.Broadcast(msg)
	if remembered(msg) {
		for _, f := range r.hooks().kept {
			msg = msg.With(f(r, at.o))
		}
		r.history.add(msg, r.addr, time.Now(), r.config.historyLength, r.host.cfg.MaxHistoryBytes)
	}
}

// isSubject says whether a message changes the subject: it has one and neither body
// nor thread (XEP-0045, 8.1).
func isSubject(st *stanza.Stanza) bool {
	return st.Has(ns.Client, "subject") && !st.Has(ns.Client, "body") && !st.Has(ns.Client, "thread")
}

func (r *Room) changeSubject(st *stanza.Stanza, at taken) {
	c, _ := st.Child(ns.Client, "subject")
	switch {
	case at.o.role < Moderator && !(r.config.changeSubject && at.o.role >= Participant):
		r.host.rt.Bounce(st, errSubject)
		return
	case len(st.ChildText(c)) > r.host.cfg.MaxSubject:
		r.host.rt.Bounce(st, errSubjectLong)
		return
	}
	var b stanza.Builder
	b.Leaf("", "subject", st.ChildText(c))
	msg := stanza.New(stanza.Message, stanza.Groupchat, at.o.addr, stanza.Addr{}, st.ID).WithContent(b.Bytes()).With(r.occupantIDElement(at.o))
	if msg.ID == "" {
		msg.ID = router.NewID()
	}
	r.subject = msg
	r.saveSoon() // before anybody sees it
	r.Broadcast(msg)
}

// SetSubject sets the subject in the room's own name.
func (r *Room) SetSubject(subject string) {
	var b stanza.Builder
	b.Leaf("", "subject", subject)
	r.subject = r.message(stanza.Groupchat, b.Bytes())
	r.Broadcast(r.subject)
	r.saveSoon()
}

// privateMessage carries a message between two occupants (XEP-0045, 7.5).
func (r *Room) privateMessage(st *stanza.Stanza, at taken) {
	to := r.occupants[st.To.Resource()]
	switch {
	case st.Type == stanza.Groupchat:
		r.host.rt.Bounce(st, errGroupToNick)
		return
	case to == nil:
		r.host.rt.Bounce(st, errNoRecipient)
		return
	case !r.mayWrite(at.o):
		r.host.rt.Bounce(st, errPrivate)
		return
	}
	if err := r.hooks().askDirect(r, at.o, to, st); err != nil {
		r.host.rt.Bounce(st, err)
		return
	}
	var b stanza.Builder
	b.Empty(ns.MUCUser, "x")
	r.SendTo(to, r.cleanMessage(st, at.o).With(b.Bytes()))
}

func (r *Room) mayWrite(o *Occupant) bool {
	switch r.config.allowPM {
	case "none":
		return false
	case "moderators":
		return o.role == Moderator
	case "participants":
		return o.role >= Participant
	}
	return true
}

// maxInvites bounds the invitations in one message.
const maxInvites = 64

type invitesXML struct {
	Invites []struct {
		To       string `xml:"to,attr"`
		Reason   string `xml:"reason"`
		Continue *struct {
			Thread string `xml:"thread,attr"`
		} `xml:"continue"`
	} `xml:"invite"`
	Decline *struct {
		To     string `xml:"to,attr"`
		Reason string `xml:"reason"`
	} `xml:"decline"`
}

func parseInvites(x []byte) (invitesXML, bool) {
	var v invitesXML
	err := stanza.Decode(x, &v)
	return v, err == nil && len(v.Invites) <= maxInvites
}

// handleInvite sends mediated invitations (XEP-0045, 7.8.2). In a members-only room
// they make the invited account a member (Prosody's members_only.lib.lua). Nothing
// is answered.
func (r *Room) handleInvite(st *stanza.Stanza, at taken) {
	x, _ := st.Child(ns.MUCUser, "x")
	v, ok := parseInvites(st.Raw(x))
	if !ok || len(v.Invites) == 0 {
		r.host.rt.Bounce(st, errBadRequest)
		return
	}
	if !r.mayInvite(at.o) {
		r.host.rt.Bounce(st, errInviteRank)
		return
	}
	for _, inv := range v.Invites {
		to, err := stanza.ParseAddr(inv.To)
		if err != nil {
			r.host.rt.Bounce(st, stanza.Err(stanza.Modify, stanza.JIDMalformed, "The invited address is malformed"))
			return
		}
		if r.config.membersOnly && r.Affiliation(to) == None {
			r.SetAffiliation(to, Member, at.o, "Invited by "+st.From.String())
			r.saveSoon()
		}
		for _, f := range r.hooks().invited {
			f(r, at.o, to)
		}
		var more stanza.Builder
		if inv.Continue != nil {
			more.Empty("", "continue", "thread", inv.Continue.Thread) // 7.9
		}
		r.host.rt.Send(r.invitation(st.ID, at.o, to, inv.Reason, more.Bytes()))
	}
}

// mayInvite says who may: in a room for members only those who make members.
func (r *Room) mayInvite(o *Occupant) bool {
	return o.affiliation >= Admin || !r.config.membersOnly && r.config.allowInvites
}

func (r *Room) invitation(id string, by *Occupant, to stanza.Addr, reason string, more []byte) *stanza.Stanza {
	var b stanza.Builder
	b.Start(ns.MUCUser, "x").Start("", "invite", "from", by.Real().String()).Leaf("", "reason", reason).Raw(more).End()
	if r.config.password != "" {
		b.Leaf("", "password", r.config.password)
	}
	b.End()
	b.Empty(ns.Conference, "x", "jid", r.addr.String())
	text := by.bare.String() + " invited you to the room " + r.addr.String()
	if reason != "" {
		text += " (" + reason + ")"
	}
	b.Leaf("", "body", text)
	return stanza.New(stanza.Message, "", r.addr, to, id).WithContent(b.Bytes())
}
