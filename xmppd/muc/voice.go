package muc

import (
	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// The fields of a request for voice and of its approval (XEP-0045, 7.13 and 8.6).
const (
	voiceRole  = "muc#role"
	voiceJID   = "muc#jid"
	voiceNick  = "muc#roomnick"
	voiceAllow = "muc#request_allow"
)

// handleForm takes a form somebody inside sends to the room: what admins decide about a
// registration, or a visitor's request for voice, which goes to the moderators, and a
// moderator's approval, which gives it.
func (r *Room) handleForm(st *stanza.Stanza, at taken) {
	x, _ := st.Child(ns.Data, "x")
	form, err := parseForm(st.Raw(x))
	if err == nil && form.formType == nsRegisterForm {
		r.decide(st, at, form)
		return
	}
	if err != nil || form == nil || form.typ != "submit" || form.formType != ns.MUCRequest {
		r.host.rt.Bounce(st, errVoiceForm)
		return
	}
	if _, approves := form.text(voiceAllow); approves {
		r.approveVoice(st, at, form)
		return
	}
	if role, _ := form.text(voiceRole); role != Participant.String() {
		r.host.rt.Bounce(st, errVoiceForm)
		return
	}
	if at.o.role != Visitor {
		return // has it
	}
	f := &Form{Type: "form", FormType: ns.MUCRequest, Title: "Voice request",
		Instructions: "To approve this request for voice, select the box. To deny it, close this form."}
	f.Fields = []Field{
		{Var: voiceRole, Type: "list-single", Label: "Requested role", Values: []string{Participant.String()},
			Options: []Option{{"Participant", Participant.String()}}},
		{Var: voiceJID, Type: "jid-single", Label: "User", Values: []string{at.o.Real().String()}},
		{Var: voiceNick, Type: "text-single", Label: "Nickname", Values: []string{at.o.nick}},
	}
	f.AddBool(voiceAllow, "Give voice to this person?", false)
	var b stanza.Builder
	f.write(&b)
	ask := r.message("", b.Bytes()).Encode()
	for _, o := range r.order {
		if o.role == Moderator {
			r.deliverAll(o, ask)
		}
	}
}

// approveVoice makes a visitor a participant because a moderator says so.
func (r *Room) approveVoice(st *stanza.Stanza, at taken, form *submission) {
	if at.o.role < Moderator {
		r.host.rt.Bounce(st, errForbidden)
		return
	}
	allow, _ := form.text(voiceAllow)
	nick, _ := form.text(voiceNick)
	switch on, valid := boolean(allow); {
	case !valid:
		r.host.rt.Bounce(st, errVoiceForm)
	case !on:
		return
	case r.occupants[nick] == nil:
		r.host.rt.Bounce(st, errItemNick)
	case r.occupants[nick].role == Visitor:
		r.setRole(at.o, r.occupants[nick], Participant, "")
	}
}
