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
	allowPM                     string              // anyone, participants, moderators, none
	historyLength               int                 // messages kept
	historyDefault              int                 // messages shown to a newcomer
	maxUsers                    int                 // 0: as many as the host allows
	logged                      bool                // somebody keeps a public log
	allowInvites                bool                // not only for admins
	hidden                      [Moderator + 1]bool // roles whose presence is not shown
	lists                       [Moderator + 1]bool // roles that may read the lists of a non-anonymous room
}

// shows says whether presence of a role is shown to others.
func (c *roomConfig) shows(role Role) bool { return role != NoRole && !c.hidden[role] }

func defaultRoomConfig(cfg *Config) roomConfig {
	return roomConfig{
		language: "en", public: !cfg.Hidden, whoisAnyone: true, allowPM: "anyone", allowInvites: true,
		historyLength: cfg.HistoryLength, historyDefault: cfg.HistoryLength,
		lists: [Moderator + 1]bool{Participant: true, Moderator: true},
	}
}

// plainRoomConfig is how a room begins that an account has opened.
func plainRoomConfig(cfg *Config) roomConfig {
	c := defaultRoomConfig(cfg)
	c.public, c.whoisAnyone = true, false
	return c
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
		if r.plain {
			// All are out before success is told (XEP-0045, 10.9).
			r.Destroy(d.reason, d.alternate, d.password)
			r.host.rt.Reply(st, nil)
			return
		}
		// Web clients and the focus know the other order.
		r.host.rt.Reply(st, nil)
		r.Destroy(d.reason, d.alternate, d.password)
		return
	}
	form, err := parseSubmission(raw)
	switch {
	case err != nil:
		r.host.rt.Bounce(st, err)
	case form == nil:
		r.host.rt.Bounce(st, errFormType)
	case form.typ == "cancel":
		r.host.rt.Reply(st, nil)
		if r.locked {
			// A room whose first configuration is cancelled never was (XEP-0045, 10.1.3).
			r.Destroy("", stanza.Addr{}, "")
		}
	case form.typ != "submit", form.formType != ns.MUCRoomConfig && len(form.fields) > 0:
		r.host.rt.Bounce(st, errFormType)
	default:
		r.submit(st, form, from)
	}
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
	f.AddBool(configVar("passwordprotectedroom"), "A password is needed to enter", c.password != "")
	f.Add(configVar("roomsecret"), "text-private", "Password", c.password)
	f.AddBool(configVar("membersonly"), "Only members may enter", c.membersOnly)
	for _, add := range r.hooks().form {
		add(r, f)
	}
	f.AddBool(configVar("changesubject"), "Anyone may change the subject", c.changeSubject)
	f.AddBool(configVar("allowinvites"), "Anyone may invite", c.allowInvites)
	f.AddBool(configVar("enablelogging"), "Discussions are logged in public", c.logged)
	f.AddBool(configVar("moderatedroom"), "Speaking needs permission", c.moderated)
	f.Fields = append(f.Fields, Field{
		Var: configVar("whois"), Type: "list-single", Label: "Who may see real addresses", Values: []string{c.whois()},
		Options: []Option{{"Moderators only", "moderators"}, {"Anyone", "anyone"}},
	}, Field{
		Var: configVar("allowpm"), Type: "list-single", Label: "Who may send private messages", Values: []string{c.allowPM},
		Options: []Option{{"Anyone", "anyone"}, {"Anyone with voice", "participants"}, {"Moderators", "moderators"}, {"No one", "none"}},
	}, r.maxUsersField())
	f.Add(configVar("historylength"), "text-single", "Most messages the room remembers", strconv.Itoa(c.historyLength))
	f.Add(configVar("defaulthistorymessages"), "text-single", "Messages a newcomer is shown", strconv.Itoa(c.historyDefault))
	shown, lists := c.roles()
	f.Fields = append(f.Fields,
		Field{Var: configVar("presencebroadcast"), Type: "list-multi", Label: "Show occupants with roles", Values: shown, Options: roleOptions},
		Field{Var: configVar("getmemberlist"), Type: "list-multi", Label: "Who may read the lists where addresses are open", Values: lists, Options: roleOptions})
	if r.plain {
		f.Add(configVar("roomadmins"), "jid-multi", "Administrators", r.accounts(Admin)...)
		f.Add(configVar("roomowners"), "jid-multi", "Owners", r.accounts(Owner)...)
	}
	return f
}

var roleOptions = []Option{{"Visitor", "visitor"}, {"Participant", "participant"}, {"Moderator", "moderator"}}

// roles are the values of the two fields that name roles.
func (c *roomConfig) roles() (shown, lists []string) {
	for role := Visitor; role <= Moderator; role++ {
		if !c.hidden[role] {
			shown = append(shown, role.String())
		}
		if c.lists[role] {
			lists = append(lists, role.String())
		}
	}
	return shown, lists
}

// maxUsersField offers round numbers, and the one that is set.
func (r *Room) maxUsersField() Field {
	now := "none"
	if r.config.maxUsers > 0 {
		now = strconv.Itoa(r.config.maxUsers)
	}
	f := Field{Var: configVar("maxusers"), Type: "list-single", Label: "Most occupants", Values: []string{now}, Options: []Option{{"No limit", "none"}}}
	listed := now == "none"
	for _, n := range []int{2, 5, 10, 20, 50, 100, 200, 500} {
		if n <= r.host.cfg.MaxOccupants {
			v := strconv.Itoa(n)
			listed = listed || v == now
			f.Options = append(f.Options, Option{v, v})
		}
	}
	if !listed {
		f.Options = append(f.Options, Option{now, now})
	}
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
	for _, f := range r.hooks().submit {
		if err := f(r, sub); err != nil {
			r.host.rt.Bounce(st, err)
			return
		}
	}
	for name := range sub.drop {
		delete(form.fields, name)
	}
	if !admin && !r.plain {
		// Only the server decides which meetings outlive their occupants.
		delete(form.fields, configVar("persistentroom"))
	}
	next := r.config
	if !next.apply(form, &r.host.cfg) {
		r.host.rt.Bounce(st, errFormValue)
		return
	}
	ranks, err := r.formRanks(st, form)
	if err == nil && r.plain {
		err = r.keep(next)
	}
	if err != nil {
		r.host.rt.Bounce(st, err)
		return
	}
	// What is to be kept is acknowledged, and told to everybody, when it is; all else at
	// once, as web clients expect the result before the news.
	keeps := next.persistent && (r.plain || r.stored)
	if keeps {
		if err := r.saveConfig(next); err != nil {
			r.host.rt.Bounce(st, err)
			return
		}
	}
	for _, f := range r.hooks().configure {
		f(r, sub)
	}
	if r.locked {
		r.unlock()
	}
	if !keeps {
		r.host.rt.Reply(st, nil)
	}
	r.setConfig(next)
	actor := r.actor(st.From)
	for _, c := range ranks {
		r.SetAffiliation(c.bare, c.to, actor, "")
	}
	if !keeps || len(ranks) > 0 {
		err = r.save()
	}
	switch {
	case !keeps:
	case err != nil:
		r.host.rt.Bounce(st, err)
	default:
		r.host.rt.Reply(st, nil)
	}
	r.closeIfEmpty("")
}

// rank is a change that a form asks for.
type rank struct {
	bare stanza.Addr
	to   Affiliation
}

// formRanks reads the lists of owners and admins in a form. They are the whole
// lists: who is not in one loses that rank.
func (r *Room) formRanks(st *stanza.Stanza, form *submission) ([]rank, *stanza.Error) {
	if !r.plain {
		return nil, nil
	}
	want := make(map[stanza.Addr]Affiliation)
	var order []stanza.Addr
	for _, list := range []struct {
		name string
		aff  Affiliation
	}{{"roomowners", Owner}, {"roomadmins", Admin}} {
		values, there := form.fields[configVar(list.name)]
		if !there {
			continue
		}
		for _, v := range values {
			a, err := stanza.ParseAddr(v)
			if err != nil {
				return nil, errFormValue
			}
			if want[a.Bare()] == 0 { // Outcast is not asked for here
				want[a.Bare()] = list.aff
				order = append(order, a.Bare())
			}
		}
		for _, text := range r.accounts(list.aff) {
			a := stanza.MustAddr(text)
			if _, kept := want[a]; !kept {
				want[a] = None
				order = append(order, a)
			}
		}
	}
	var out []rank
	items := make([]*AdminItem, 0, len(order))
	for _, a := range order {
		if want[a] != r.Affiliation(a) {
			out = append(out, rank{a, want[a]})
			items = append(items, &AdminItem{SetsAffiliation: true, Target: a, Affiliation: want[a]})
		}
	}
	return out, r.checkItems(r.actor(st.From), items)
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
	if v, there := form.text(configVar("passwordprotectedroom")); there {
		if on, valid := boolean(v); valid && !on {
			c.password = ""
		}
	}
	flag("persistentroom", &c.persistent)
	flag("publicroom", &c.public)
	flag("membersonly", &c.membersOnly)
	flag("moderatedroom", &c.moderated)
	flag("changesubject", &c.changeSubject)
	flag("allowinvites", &c.allowInvites)
	flag("enablelogging", &c.logged)
	number("historylength", &c.historyLength)
	number("defaulthistorymessages", &c.historyDefault)
	return c.applyLists(form, limits) && ok
}

// applyLists is apply for the fields that offer a choice.
func (c *roomConfig) applyLists(form *submission, limits *Config) bool {
	ok := true
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
	if v, there := form.text(configVar("maxusers")); there {
		switch n, err := strconv.Atoi(v); {
		case v == "none" || v == "" || err == nil && n == 0:
			c.maxUsers = 0
		case err != nil || n < 0:
			ok = false
		default:
			c.maxUsers = min(n, limits.MaxOccupants)
		}
	}
	chosen := func(name string) (set [Moderator + 1]bool, there bool) {
		values, there := form.fields[configVar(name)]
		for _, v := range values {
			role, valid := ParseRole(v)
			ok = ok && valid
			set[role] = true
		}
		return set, there
	}
	if set, there := chosen("presencebroadcast"); there {
		for role := Visitor; role <= Moderator; role++ {
			c.hidden[role] = !set[role]
		}
	}
	if set, there := chosen("getmemberlist"); there {
		set[NoRole] = false
		c.lists = set
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
	r.publish()
	if old.moderated && !c.moderated {
		r.giveVoice()
	}
	r.announceConfig(old, c)
	if old.hidden != c.hidden {
		for _, o := range r.order {
			if o.shown == c.hidden[o.role] {
				r.tell(o, o.seats[0], o.seats[0].presence, nil, false)
			}
		}
	}
	if c.membersOnly && !old.membersOnly {
		r.ejectOutsiders()
	}
}

// announceConfig sends the status codes of XEP-0045, 10.2.1: those that touch
// privacy each by itself, and 104 for all the rest.
func (r *Room) announceConfig(old, c roomConfig) {
	if old.whoisAnyone != c.whoisAnyone {
		if c.whoisAnyone {
			r.announceStatus("172")
		} else {
			r.announceStatus("173")
		}
		old.whoisAnyone = c.whoisAnyone
	}
	if old.logged != c.logged {
		if c.logged {
			r.announceStatus("170")
		} else {
			r.announceStatus("171")
		}
		old.logged = c.logged
	}
	if old != c {
		r.announceStatus("104")
	}
}

// giveVoice makes visitors participants when the room is moderated no longer.
func (r *Room) giveVoice() {
	for _, o := range r.order {
		if o.role == Visitor {
			o.role = Participant
			r.tell(o, o.seats[0], o.seats[0].presence, nil, false)
		}
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

// SetMaxOccupants says how many may be inside; 0 is any number.
func (r *Room) SetMaxOccupants(n int) {
	c := r.config
	c.maxUsers = n
	r.setConfig(c)
}

// SetPersistent keeps the room when it is empty, or lets it go again. One that its
// owner has made persistent stays.
func (r *Room) SetPersistent(on bool) {
	r.config.persistent = on || r.stored
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
