package muc

import (
	"slices"

	"parley/xmppd/stanza"
)

const (
	registerAllow = "muc#register_allow"
	registerJID   = "muc#jid"
)

// maxApplicants bounds those who wait; further ones are told to come back.
const maxApplicants = 64

// applicant wants to be registered with a room for members, and nobody has decided yet.
type applicant struct {
	addr stanza.Addr // of the account
	nick string
}

// apply keeps somebody's wish for those who decide, and shows it to them.
func (r *Room) apply(addr stanza.Addr, nick string) *stanza.Error {
	full, err := r.addr.WithResource(nick)
	switch {
	case nick == "":
		return errRegisterForm
	case err != nil || len(full.Resource()) > r.host.cfg.MaxNick || r.host.reserved(nick):
		return errRegisterNick
	}
	if e := r.nickFree(nick, addr, nil); e != nil {
		return e
	}
	key := nickKey(full.Resource())
	if slices.ContainsFunc(r.applicants, func(a applicant) bool { return a.addr != addr && nickKey(a.nick) == key }) {
		return errNickKept
	}
	r.withdraw(addr)
	if len(r.applicants) >= maxApplicants {
		return errApplicants
	}
	a := applicant{addr, full.Resource()}
	r.applicants = append(r.applicants, a)
	for _, o := range r.order {
		if o.affiliation >= Admin {
			r.SendTo(o, r.application(a))
		}
	}
	return nil
}

// withdraw forgets an applicant, if he is one.
func (r *Room) withdraw(addr stanza.Addr) {
	r.applicants = slices.DeleteFunc(r.applicants, func(a applicant) bool { return a.addr == addr })
}

// applied is the nick an account waits for, empty if it does not.
func (r *Room) applied(addr stanza.Addr) string {
	for _, a := range r.applicants {
		if a.addr == addr {
			return a.nick
		}
	}
	return ""
}

// tellApplicants shows an owner or admin who enters what there is to decide.
func (r *Room) tellApplicants(at taken) {
	if at.o.affiliation < Admin {
		return
	}
	for _, a := range r.applicants {
		r.deliver(at.s, r.application(a).Encode())
	}
}

// application is the form of XEP-0045, 9.9. With it goes who it is about, as with a
// request for voice: whoever decides has to know.
func (r *Room) application(a applicant) *stanza.Stanza {
	f := &Form{Type: "form", FormType: nsRegisterForm, Title: "Registration request",
		Instructions: "To approve this registration request, select the box. To refuse it, leave the box empty. To decide later, close this form."}
	f.Add(registerJID, "jid-single", "User", a.addr.String())
	f.Add(registerNick, "text-single", "Nickname", a.nick)
	f.AddBool(registerAllow, "Allow this person to register with the room?", false)
	var b stanza.Builder
	f.write(&b)
	return r.message("", b.Bytes())
}

// decide takes an owner's or admin's answer to such a form.
func (r *Room) decide(st *stanza.Stanza, at taken, form *submission) {
	if at.o.affiliation < Admin {
		r.host.rt.Bounce(st, errForbidden)
		return
	}
	allow, _ := form.text(registerAllow)
	on, valid := boolean(allow)
	who, ok := r.meant(form)
	switch {
	case !valid || form.typ != "submit":
		r.host.rt.Bounce(st, errRegisterForm)
		return
	case !ok:
		r.host.rt.Bounce(st, errNoApplicant)
		return
	}
	r.withdraw(who.addr)
	if on {
		if e := r.register(who.addr, who.nick); e != nil {
			r.applicants = append(r.applicants, who)
			r.host.rt.Bounce(st, e)
			return
		}
	}
	if e := r.save(); e != nil {
		r.host.rt.Bounce(st, e)
		return
	}
	if on && !r.inside(who.addr) {
		// The only way to tell him (XEP-0045, 9.3).
		r.host.rt.Send(r.invitation("", at.o, who.addr, "Your registration was approved", nil))
	}
}

// meant is the applicant a form names, by his address or, without it, by his nick.
func (r *Room) meant(form *submission) (applicant, bool) {
	addr, named := form.text(registerJID)
	nick, _ := form.text(registerNick)
	for _, a := range r.applicants {
		if named && a.addr.String() == addr || !named && a.nick == nick {
			return a, true
		}
	}
	return applicant{}, false
}

func (r *Room) inside(bare stanza.Addr) bool {
	return slices.ContainsFunc(r.order, func(o *Occupant) bool { return o.bare == bare })
}
