package muc

import (
	"encoding/xml"

	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

const (
	nsRegisterForm = ns.MUC + "#register"
	registerNick   = "muc#register_roomnick"
	nodeRoomNick   = "x-roomuser-item" // disco node that asks for one's own nick (XEP-0045, 7.12)
	nodeTraffic    = ns.MUC + "#traffic"
)

// reservations are the nicks accounts have registered with a room. An account has
// one; nobody else may carry it, or one that looks the same.
type reservations struct {
	nicks  map[stanza.Addr]string
	owners map[string]stanza.Addr // by nickKey
}

func newReservations() reservations {
	return reservations{nicks: make(map[stanza.Addr]string), owners: make(map[string]stanza.Addr)}
}

func (r reservations) owner(key string) (stanza.Addr, bool) {
	a, ok := r.owners[key]
	return a, ok
}

func (r reservations) nick(bare stanza.Addr) string { return r.nicks[bare] }

func (r reservations) set(bare stanza.Addr, nick string) {
	r.drop(bare)
	r.nicks[bare] = nick
	r.owners[nickKey(nick)] = bare
}

func (r reservations) drop(bare stanza.Addr) {
	if nick, ok := r.nicks[bare]; ok {
		delete(r.nicks, bare)
		delete(r.owners, nickKey(nick))
	}
}

// reserveNick keeps a nick for an account if it can be kept; false if not.
func (r *Room) reserveNick(bare stanza.Addr, nick string) bool {
	addr, err := r.addr.WithResource(nick)
	if err != nil || len(addr.Resource()) > r.host.cfg.MaxNick || r.host.reserved(nick) || r.nickFree(nick, bare, nil) != nil {
		return false
	}
	r.reserved.set(bare, addr.Resource())
	return true
}

type registerXML struct {
	XMLName  xml.Name
	Remove   *struct{} `xml:"remove"`
	Username string    `xml:"username"`
}

// handleRegister registers an account with the room (XEP-0045, 7.10): it becomes a
// member and its nick is kept for it. Where only members may enter, an admin has to
// approve it first, and a meeting's lobby is no place to register.
func (r *Room) handleRegister(st *stanza.Stanza, query stanza.Child, from *router.Session) {
	bare := st.From.Bare()
	aff := r.Affiliation(bare)
	waits := r.config.membersOnly && aff == None
	switch {
	case aff == Outcast:
		r.host.rt.Bounce(st, errForbidden)
		return
	case from == nil || from.Info().Anonymous, waits && !r.plain:
		r.host.rt.Bounce(st, errRegister)
		return
	case st.Type == stanza.Get:
		r.host.rt.Reply(st, r.registration(bare))
		return
	}
	raw := st.Raw(query)
	var q registerXML
	form, formErr := parseSubmission(raw)
	switch {
	case stanza.Decode(raw, &q) != nil || formErr != nil:
		r.host.rt.Bounce(st, errRegisterForm)
		return
	case q.Remove != nil:
		r.withdraw(bare)
		r.reserved.drop(bare)
		if aff == Member {
			r.SetAffiliation(bare, None, nil, "")
		}
		r.answerSaved(st)
		return
	case form != nil && form.typ == "cancel":
		r.host.rt.Reply(st, nil)
		return
	case form != nil && (form.typ != "submit" || form.formType != nsRegisterForm):
		r.host.rt.Bounce(st, errRegisterForm)
		return
	}
	nick := q.Username
	if form != nil {
		nick, _ = form.text(registerNick)
	}
	enrol := r.register
	if waits {
		enrol = r.apply
	}
	if err := enrol(bare, nick); err != nil {
		r.host.rt.Bounce(st, err)
		return
	}
	r.answerSaved(st)
}

func (r *Room) register(bare stanza.Addr, nick string) *stanza.Error {
	if nick == "" {
		return errRegisterForm
	}
	if err := r.nickFree(nick, bare, nil); err != nil {
		return err
	}
	_, known := r.affiliations[bare]
	if !known && len(r.affiliations) >= r.host.cfg.MaxAffiliations {
		return errTooMany
	}
	if !r.reserveNick(bare, nick) {
		return errRegisterNick
	}
	if r.Affiliation(bare) == None {
		r.SetAffiliation(bare, Member, nil, "")
	}
	return nil
}

// answerSaved answers when what was changed is on disk.
func (r *Room) answerSaved(st *stanza.Stanza) {
	if err := r.save(); err != nil {
		r.host.rt.Bounce(st, err)
		return
	}
	r.host.rt.Reply(st, nil)
}

// registration is the form, or what is registered.
func (r *Room) registration(bare stanza.Addr) []byte {
	nick := r.reserved.nick(bare)
	var b stanza.Builder
	b.Start(ns.Register, "query")
	if nick != "" {
		b.Empty("", "registered").Leaf("", "username", nick)
	}
	text := "Choose the nickname that is kept for you in this room."
	if r.config.membersOnly && r.Affiliation(bare) == None {
		text += " Its owners decide whether you may enter."
		nick = r.applied(bare)
	}
	b.Leaf("", "instructions", text)
	f := &Form{Type: "form", FormType: nsRegisterForm, Title: "Registration with " + r.addr.String(), Instructions: text}
	field := Field{Var: registerNick, Type: "text-single", Label: "Nickname", Required: true}
	if nick != "" {
		field.Values = []string{nick}
	}
	f.Fields = append(f.Fields, field)
	f.write(&b)
	return b.Bytes()
}

// answerRoomNick tells who asks which nick is kept for him (XEP-0045, 7.12).
func (r *Room) answerRoomNick(st *stanza.Stanza) {
	var b stanza.Builder
	b.Start(ns.DiscoInfo, "query", "node", nodeRoomNick)
	if nick := r.reserved.nick(st.From.Bare()); nick != "" {
		b.Empty("", "identity", "category", "conference", "type", "text", "name", nick)
	}
	r.host.rt.Reply(st, b.Bytes())
}
