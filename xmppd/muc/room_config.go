package muc

import (
	"strconv"

	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// roomConfig is what owners can set.
type roomConfig struct {
	name, description, language string
	persistent, public          bool
	membersOnly, moderated      bool
	password                    string
	whoisAnyone                 bool
	changeSubject               bool
	allowPM                     string // anyone, participants, moderators, none
	historyLength               int    // messages kept
	historyDefault              int    // messages shown to a newcomer
}

func defaultRoomConfig(cfg *Config) roomConfig {
	return roomConfig{
		language: "en", public: !cfg.Hidden, whoisAnyone: true, allowPM: "anyone",
		historyLength: cfg.HistoryLength, historyDefault: cfg.HistoryLength,
	}
}

// Names of the form fields, without muc#roomconfig_.
const roomConfigPrefix = "muc#roomconfig_"

func configVar(name string) string { return roomConfigPrefix + name }

// handleOwner answers the owner's requests: the form, its submission, destroy.
func (r *Room) handleOwner(st *stanza.Stanza, query stanza.Child, from *router.Session) {
	if r.Affiliation(st.From) != Owner {
		r.host.rt.Bounce(st, errOwnersOnly)
		return
	}
	if st.Type == stanza.Get {
		// Web clients put an empty submit form into the get; it means nothing.
		var b stanza.Builder
		b.Start(ns.MUCOwner, "query")
		r.configForm().write(&b)
		r.host.rt.Reply(st, b.Bytes())
		return
	}
	raw := st.Raw(query)
	if d, ok := parseDestroy(raw); ok {
		r.host.rt.Reply(st, nil)
		r.Destroy(d.reason, d.alternate, d.password)
		return
	}
	form, err := parseSubmission(raw)
	switch {
	case err != nil:
		r.host.rt.Bounce(st, err)
		return
	case form == nil:
		r.host.rt.Bounce(st, errFormType)
		return
	case form.typ == "cancel":
		r.host.rt.Reply(st, nil)
		return
	case form.typ != "submit", form.formType != ns.MUCRoomConfig && len(form.fields) > 0:
		r.host.rt.Bounce(st, errFormType)
		return
	}
	r.submit(st, form, from)
}

// configForm is the form owners fill in.
func (r *Room) configForm() *Form {
	c := &r.config
	f := &Form{
		Type: "form", FormType: ns.MUCRoomConfig,
		Title:        "Configuration for " + r.addr.String(),
		Instructions: "Complete and submit this form to configure the room.",
	}
	f.Add(configVar("roomname"), "text-single", "Title", c.name)
	f.Add(configVar("roomdesc"), "text-single", "Description", c.description)
	f.Add(configVar("lang"), "text-single", "Language of the room", c.language)
	f.AddBool(configVar("persistentroom"), "Keep the room when it is empty", c.persistent)
	f.AddBool(configVar("publicroom"), "Show the room in lists", c.public)
	f.Add(configVar("roomsecret"), "text-private", "Password", c.password)
	f.AddBool(configVar("membersonly"), "Only members may enter", c.membersOnly)
	for _, add := range r.host.hooks.form {
		add(r, f)
	}
	f.AddBool(configVar("changesubject"), "Anyone may change the subject", c.changeSubject)
	f.AddBool(configVar("moderatedroom"), "Speaking needs permission", c.moderated)
	f.Fields = append(f.Fields, Field{
		Var: configVar("whois"), Type: "list-single", Label: "Who may see real addresses", Values: []string{c.whois()},
		Options: []Option{{"Moderators only", "moderators"}, {"Anyone", "anyone"}},
	}, Field{
		Var: configVar("allowpm"), Type: "list-single", Label: "Who may send private messages", Values: []string{c.allowPM},
		Options: []Option{{"Anyone", "anyone"}, {"Anyone with voice", "participants"}, {"Moderators", "moderators"}, {"No one", "none"}},
	})
	f.Add(configVar("historylength"), "text-single", "Most messages the room remembers", strconv.Itoa(c.historyLength))
	f.Add(configVar("defaulthistorymessages"), "text-single", "Messages a newcomer is shown", strconv.Itoa(c.historyDefault))
	f.Fields = append(f.Fields, Field{
		Var: configVar("presencebroadcast"), Type: "list-multi", Label: "Show occupants with roles",
		Values:  []string{"visitor", "participant", "moderator"},
		Options: []Option{{"visitor", "visitor"}, {"participant", "participant"}, {"moderator", "moderator"}},
	})
	return f
}

func (c *roomConfig) whois() string {
	if c.whoisAnyone {
		return "anyone"
	}
	return "moderators"
}

// submit applies a form: fields that are not in it keep their value, and either all
// are applied or none.
func (r *Room) submit(st *stanza.Stanza, form *submission, from *router.Session) {
	admin := r.host.rt.IsAdmin(st.From)
	sub := &Submission{By: r.seats[st.From].o, From: st.From, Session: from, Admin: admin, fields: form.fields}
	for _, f := range r.host.hooks.submit {
		if err := f(r, sub); err != nil {
			r.host.rt.Bounce(st, err)
			return
		}
	}
	for name := range sub.drop {
		delete(form.fields, name)
	}
	if !admin {
		// Only the server decides which rooms outlive their occupants.
		delete(form.fields, configVar("persistentroom"))
	}
	next := r.config
	if !next.apply(form, &r.host.cfg) {
		r.host.rt.Bounce(st, errFormValue)
		return
	}
	for _, f := range r.host.hooks.configure {
		f(r, sub)
	}
	r.host.rt.Reply(st, nil)
	r.setConfig(next)
}

// apply puts submitted values into c; it is false if one is not possible.
func (c *roomConfig) apply(form *submission, limits *Config) bool {
	ok := true
	str := func(name string, dst *string, most int) {
		if v, there := form.text(configVar(name)); there {
			ok = ok && len(v) <= most
			*dst = v
		}
	}
	flag := func(name string, dst *bool) {
		if v, there := form.text(configVar(name)); there {
			on, valid := boolean(v)
			ok = ok && valid
			*dst = on
		}
	}
	number := func(name string, dst *int) {
		if v, there := form.text(configVar(name)); there && v != "" {
			n, err := strconv.Atoi(v)
			ok = ok && err == nil && n >= 0
			*dst = min(n, limits.MaxHistory)
		}
	}
	str("roomname", &c.name, limits.MaxSubject)
	str("roomdesc", &c.description, limits.MaxSubject)
	str("lang", &c.language, 35)
	str("roomsecret", &c.password, 1023)
	flag("persistentroom", &c.persistent)
	flag("publicroom", &c.public)
	flag("membersonly", &c.membersOnly)
	flag("moderatedroom", &c.moderated)
	flag("changesubject", &c.changeSubject)
	number("historylength", &c.historyLength)
	number("defaulthistorymessages", &c.historyDefault)
	if v, there := form.text(configVar("whois")); there {
		ok = ok && (v == "anyone" || v == "moderators")
		c.whoisAnyone = v == "anyone"
	}
	if v, there := form.text(configVar("allowpm")); there {
		switch v {
		case "anyone", "participants", "moderators", "none":
			c.allowPM = v
		default:
			ok = false
		}
	}
	return ok
}

// setConfig makes c the room's configuration and announces what changed.
func (r *Room) setConfig(c roomConfig) {
	old := r.config
	if old == c {
		return
	}
	r.config = c
	r.history.trim(c.historyLength, r.host.cfg.MaxHistoryBytes)
	if c.public {
		name := c.name
		if name == "" {
			name = r.addr.Local()
		}
		r.listed.Store(&name)
	} else {
		r.listed.Store(nil)
	}
	if old.whoisAnyone != c.whoisAnyone {
		if c.whoisAnyone {
			r.announceStatus("172")
		} else {
			r.announceStatus("173")
		}
		old.whoisAnyone = c.whoisAnyone
	}
	if old != c {
		r.announceStatus("104")
	}
	if c.membersOnly && !old.membersOnly {
		r.ejectOutsiders()
	}
}

// ejectOutsiders puts those without membership out of a room that has become
// members-only (XEP-0045, 9.7).
func (r *Room) ejectOutsiders() {
	for _, o := range r.order {
		if o.affiliation == None {
			r.eject(o, &Change{Occupant: o, status: []string{"322"}})
		}
	}
	r.closeIfEmpty("")
}

// SetMembersOnly opens the room to members only, or to all again, and announces it.
func (r *Room) SetMembersOnly(on bool) {
	c := r.config
	c.membersOnly = on
	r.setConfig(c)
}

// SetPassword sets or, when empty, removes the password and announces it.
func (r *Room) SetPassword(password string) {
	c := r.config
	c.password = password
	r.setConfig(c)
}

// SetPersistent keeps the room when it is empty, or lets it go again.
func (r *Room) SetPersistent(on bool) {
	r.config.persistent = on
	r.closeIfEmpty("")
}

type destroyRequest struct {
	reason, password string
	alternate        stanza.Addr
}

// parseDestroy looks for a destroy element in an owner query.
func parseDestroy(query []byte) (destroyRequest, bool) {
	var q struct {
		Destroy *struct {
			JID      string `xml:"jid,attr"`
			Reason   string `xml:"reason"`
			Password string `xml:"password"`
		} `xml:"destroy"`
	}
	if stanza.Decode(query, &q) != nil || q.Destroy == nil {
		return destroyRequest{}, false
	}
	d := destroyRequest{reason: q.Destroy.Reason, password: q.Destroy.Password}
	// An alternate room that is no address is left out; the room goes anyway.
	if a, err := stanza.ParseAddr(q.Destroy.JID); err == nil {
		d.alternate = a
	}
	return d, true
}
