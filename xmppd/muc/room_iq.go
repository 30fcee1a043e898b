package muc

import (
	"encoding/xml"

	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// handleIQ takes requests and answers, to the room or to somebody in it.
func (r *Room) handleIQ(st *stanza.Stanza, from *router.Session) {
	if st.To.Resource() != "" {
		r.relayIQ(st)
		return
	}
	if !st.IsRequest() {
		return // nobody here has asked
	}
	if !r.exists || r.locked && r.Affiliation(st.From) != Owner {
		// A room that nobody has configured does not officially exist (XEP-0045, 7.2.10).
		r.host.rt.Bounce(st, errNoRoomHere)
		return
	}
	p, _ := st.Payload()
	switch {
	case p.Is(ns.MUCAdmin, "query"):
		r.handleAdmin(st, p)
	case p.Is(ns.MUCOwner, "query"):
		r.handleOwner(st, p, from)
	case st.Type == stanza.Get && p.Is(ns.DiscoInfo, "query"):
		r.answerInfo(st, p, from)
	case st.Type == stanza.Get && p.Is(ns.DiscoItems, "query"):
		r.answerItems(st, from)
	case st.Type == stanza.Get && p.Is(ns.Ping, "ping"):
		if _, inside := r.seats[st.From]; !inside {
			r.host.rt.Bounce(st, errNotInRoom)
			return
		}
		r.host.rt.Reply(st, nil)
	case p.Is(ns.VCardTemp, "vCard"):
		r.handleAvatar(st, p)
	case p.Space == ns.MAM:
		r.handleArchive(st)
	case p.Is(ns.Register, "query"):
		r.handleRegister(st, p, from)
	case p.Is(ns.Moderate1, "moderate"):
		r.handleModerate(st, p)
	default:
		r.host.rt.Bounce(st, errUnavailable)
	}
}

// askKey is a relayed request that is not answered yet.
type askKey struct {
	asker, asked string // nicks
	id           string
}

// maxAsked bounds the requests whose asking session is remembered; the oldest is
// forgotten first, its answer then goes to the occupant's first session.
const maxAsked = 256

// relayIQ carries requests and answers between occupants (XEP-0045, 17.4). The id stays
// as it is: the answer names the asker by its address, and only where a nick has several
// sessions the room remembers which of them asked.
func (r *Room) relayIQ(st *stanza.Stanza) {
	at, inside := r.seats[st.From]
	if !inside && st.IsReply() {
		at, inside = r.seatOfAccount(st.From)
	}
	if !inside {
		if st.IsRequest() {
			r.host.rt.Bounce(st, outsideRequest(st))
		}
		return
	}
	target := r.occupants[st.To.Resource()]
	if target == nil {
		if st.IsRequest() {
			r.host.rt.Bounce(st, errNoRecipient)
		}
		return
	}
	p, _ := st.Payload()
	if st.Type == stanza.Get && target == at.o && p.Is(ns.Ping, "ping") {
		r.host.rt.Reply(st, nil) // XEP-0410
		return
	}
	if st.IsRequest() {
		asked, err := r.hooks().askRequest(r, at.o, target, st)
		if err != nil {
			r.host.rt.Bounce(st, err)
			return
		}
		st = asked
	}
	s := target.seats[0]
	key := askKey{asker: at.o.nick, asked: target.nick, id: st.ID}
	if st.IsRequest() {
		r.remember(key, at)
	} else if real, ok := r.asked[askKey{asker: target.nick, asked: at.o.nick, id: st.ID}]; ok {
		if t, there := r.seats[real]; there {
			s = t.s
		}
	}
	to := s.real
	if st.IsRequest() && forAccount(p) {
		// What belongs to the account is answered by the server for it.
		r.host.rt.Send(st.WithAddrs(at.o.addr, to.Bare()))
		return
	}
	fwd := st.WithAddrs(at.o.addr, to)
	if s.session != nil && s.session.DeliverIn(&r.round, to, fwd.Encode()) {
		return
	}
	if s.session == nil && r.host.rt.Deliver(to, fwd.Encode()) {
		return
	}
	if st.IsRequest() {
		r.host.rt.Bounce(st, stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "The recipient is gone"))
	}
}

// outsideRequest is the answer to somebody outside who asks an occupant: about him, by
// disco, is a bad request (XEP-0045, 6.6), all else is not acceptable (same, 17.4).
func outsideRequest(st *stanza.Stanza) *stanza.Error {
	if p, _ := st.Payload(); p.Is(ns.DiscoInfo, "query") || p.Is(ns.DiscoItems, "query") {
		return errOccupantDisco
	}
	return errNotInRoom
}

// seatOfAccount finds who an answer given for an account belongs to.
func (r *Room) seatOfAccount(from stanza.Addr) (taken, bool) {
	if from.IsBare() {
		for _, o := range r.order {
			if o.bare == from {
				return taken{o, o.seats[0]}, true
			}
		}
	}
	return taken{}, false
}

// forAccount tells the payloads that are meant for the bare address.
func forAccount(p stanza.Child) bool {
	return p.Is(ns.VCardTemp, "vCard") || p.Space == nsPubSub || p.Space == nsVCard4
}

func (r *Room) remember(key askKey, at taken) {
	if len(at.o.seats) < 2 {
		return
	}
	if r.asked == nil {
		r.asked = make(map[askKey]stanza.Addr)
	}
	if _, again := r.asked[key]; !again {
		if len(r.askedOrder) >= maxAsked {
			delete(r.asked, r.askedOrder[0])
			r.askedOrder = r.askedOrder[1:]
		}
		r.askedOrder = append(r.askedOrder, key)
	}
	r.asked[key] = at.s.real
}

// mayAsk says whether somebody may learn about the room from outside.
func (r *Room) mayAsk(st *stanza.Stanza, from *router.Session) bool {
	if _, inside := r.seats[st.From]; inside || r.config.public || !r.host.cfg.Hidden {
		return true
	}
	if r.host.rt.IsAdmin(st.From) {
		return true
	}
	return r.host.cfg.InfoForAccounts && from != nil && !from.Info().Anonymous
}

// answerInfo is disco#info of a room (XEP-0045, 6.4), with the fields clients of
// meetings read.
func (r *Room) answerInfo(st *stanza.Stanza, query stanza.Child, from *router.Session) {
	if !r.mayAsk(st, from) {
		r.host.rt.Bounce(st, errForbidden)
		return
	}
	switch st.ChildAttr(query, "node") {
	case "":
	case nodeRoomNick:
		r.answerRoomNick(st)
		return
	case nodeTraffic:
		// Everything may be sent, which cannot be listed (XEP-0045, 18.1.1).
		r.host.rt.Bounce(st, errUnavailable)
		return
	default:
		r.host.rt.Bounce(st, stanza.Err(stanza.Cancel, stanza.ItemNotFound, ""))
		return
	}
	c := &r.config
	pick := func(on bool, yes, no string) string {
		if on {
			return yes
		}
		return no
	}
	var b stanza.Builder
	b.Start(ns.DiscoInfo, "query")
	b.Empty("", "identity", "category", "conference", "type", "text", "name", c.name)
	if r.plain {
		for _, f := range []string{ns.DiscoItems, ns.Register, nsRegisterForm, ns.StanzaID, ns.VCardTemp, ns.Moderate1} {
			b.Empty("", "feature", "var", f)
		}
	}
	if r.plain && r.host.archive != nil {
		b.Empty("", "feature", "var", ns.MAM)
		b.Empty("", "feature", "var", ns.MAMExtended)
	}
	for _, f := range []string{
		ns.MUC, featureStableID, featureSelfPing, ns.MUCRequest, ns.OccupantID, ns.DiscoInfo,
		pick(c.password != "", "muc_passwordprotected", "muc_unsecured"),
		pick(c.membersOnly, "muc_membersonly", "muc_open"),
		pick(c.public, "muc_public", "muc_hidden"),
		pick(c.moderated, "muc_moderated", "muc_unmoderated"),
		pick(c.persistent, "muc_persistent", "muc_temporary"),
		pick(c.whoisAnyone, "muc_nonanonymous", "muc_semianonymous"),
	} {
		b.Empty("", "feature", "var", f)
	}
	r.infoForm().write(&b)
	r.host.rt.Reply(st, b.Bytes())
}

func (r *Room) infoForm() *Form {
	f := &Form{Type: "result", FormType: ns.MUCRoomInfo}
	for _, add := range r.hooks().info {
		add(r, f)
	}
	f.Add(configVar("roomname"), "text-single", "Title", r.config.name)
	f.Add("muc#roominfo_description", "text-single", "Description", r.config.description)
	f.Add("muc#roominfo_lang", "text-single", "", r.config.language)
	f.Add("muc#roominfo_occupants", "text-single", "Number of occupants", itoa(len(r.order)))
	f.AddBool(configVar("changesubject"), "", r.config.changeSubject)
	if !r.plain {
		return f
	}
	f.Add("muc#roominfo_subject", "text-single", "Subject", r.subjectText())
	f.AddBool("muc#roominfo_subjectmod", "Anyone may change the subject", r.config.changeSubject)
	f.Add("muc#maxhistoryfetch", "text-single", "Most messages a newcomer may ask for", itoa(r.config.historyLength))
	if r.avatar.hash != "" {
		f.Add("muc#roominfo_avatarhash", "text-multi", "Avatar", r.avatar.hash)
	}
	return f
}

// answerItems is disco#items of a room. In a meeting nobody needs it, so it is empty;
// in a plain room it lists the occupants, to those inside and, if the room is public,
// to everybody (XEP-0045, 6.5).
func (r *Room) answerItems(st *stanza.Stanza, from *router.Session) {
	if !r.mayAsk(st, from) {
		r.host.rt.Bounce(st, errForbidden)
		return
	}
	var b stanza.Builder
	b.Start(ns.DiscoItems, "query")
	if _, inside := r.seats[st.From]; r.plain && (inside || r.config.public && !r.config.membersOnly) {
		for _, o := range r.order {
			if o.shown {
				b.Empty("", "item", "jid", o.addr.String(), "name", o.nick)
			}
		}
	}
	r.host.rt.Reply(st, b.Bytes())
}

// stanzaCondition is the condition of an error stanza, empty if there is none.
func stanzaCondition(st *stanza.Stanza) string {
	c, ok := st.Child(ns.Client, "error")
	if !ok {
		return ""
	}
	var v struct {
		Conditions []struct {
			XMLName xml.Name
		} `xml:",any"`
	}
	if stanza.Decode(st.Raw(c), &v) != nil {
		return ""
	}
	for _, cond := range v.Conditions {
		if cond.XMLName.Space == ns.Stanzas && cond.XMLName.Local != "text" {
			return cond.XMLName.Local
		}
	}
	return ""
}
