package meeting

import (
	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// The events of the lobby as clients know them, and why it closes.
const (
	lobbyEnabled = "LOBBY-ENABLED"
	lobbyGranted = "LOBBY-ACCESS-GRANTED"
	lobbyDenied  = "LOBBY-ACCESS-DENIED"
	lobbyClosed  = "Lobby room closed."
)

// lobby is the waiting room of a room, while there is one.
type lobby struct {
	addr stanza.Addr // of the waiting room; zero while there is none
	// reason is told to those who have to wait, as the name of an element.
	reason string
	// noName lets people wait who have not said their name.
	noName bool
	// lasting keeps the room while people wait, even when it is empty.
	lasting bool
}

// lobbyNote is what everybody in the room hears (mod_muc_lobby_rooms).
type lobbyNote struct {
	Type  string `json:"type"`
	Event string `json:"event"`
	Value any    `json:"value"`
	Name  string `json:"name,omitempty"`
}

// installLobby gives moderators a waiting room: a second room, beside the first, for
// people who may not enter yet. It is there while the room is for members only.
func (m *Rules) installLobby(d *desk) (router.Host, error) {
	waiting, err := m.newLobbyHost(d)
	if err != nil {
		return nil, err
	}
	m.lobbyHost = waiting
	d.nodes[typeLobby] = m.lobbyFeatures
	h := m.host.Hooks()
	h.OnJoin(-4, "lobby", m.knock)
	h.OnConfigure(func(r *muc.Room, s *muc.Submission) {
		on, asked := s.Value("muc#roomconfig_membersonly")
		if !asked || s.Admin {
			return
		}
		if on == "1" || on == "true" {
			m.openLobby(r, s.By)
		} else {
			m.closeLobby(r, s.By, lobbyClosed)
		}
	})
	h.OnInfo(func(r *muc.Room, f *muc.Form) {
		if l := stateOf[lobby](r); r.MembersOnly() && !l.addr.IsZero() {
			f.Add("muc#roominfo_lobbyroom", "text-single", "Lobby room jid", l.addr.String())
		}
	})
	h.OnInvite(m.letIn)
	h.OnAffiliation(func(r *muc.Room, c *muc.Change) { m.mirrorToLobby(r, c) })
	h.OnLeft(func(r *muc.Room, _ *muc.Occupant) { m.reviewLobby(r) })
	h.OnDestroyed(func(r *muc.Room) {
		if l := stateOf[lobby](r); !l.addr.IsZero() {
			m.lobbies.Delete(r.Node())
			_ = waiting.Do(l.addr, func(lr *muc.Room) { lr.Destroy("", stanza.Addr{}, "") })
		}
	})
	return front{Host: waiting, desk: d}, nil
}

// front is a host of rooms whose domain is a service, too.
type front struct {
	*muc.Host
	desk *desk
}

// HandleStanza is router.Host.HandleStanza.
func (f front) HandleStanza(st *stanza.Stanza, from *router.Session) {
	p, _ := st.Payload()
	node := p.Is(ns.DiscoInfo, "query") && st.ChildAttr(p, "node") != ""
	if st.To.Local() == "" && (st.Kind == stanza.Message || st.IsRequest() && node) {
		f.desk.HandleStanza(st, from)
		return
	}
	f.Host.HandleStanza(st, from)
}

// lobbyFeatures tells a client whether it must ask for a name before it enters the
// room of its URL (mod_muc_lobby_rooms).
func (m *Rules) lobbyFeatures(s *router.Session) []string {
	if _, there := m.lobbies.Load(urlRoom(s)); there && m.cfg.LobbyNeedsName {
		return []string{ns.FeatureDisplayNameNeeded}
	}
	return nil
}

// openLobby makes the waiting room; actor is nil for the server.
func (m *Rules) openLobby(r *muc.Room, actor *muc.Occupant) {
	l := stateOf[lobby](r)
	if !l.addr.IsZero() {
		return
	}
	addr, err := stanza.NewAddr(r.Node(), m.lobbyHost.Domain(), "")
	if err != nil {
		return
	}
	main := r
	if err := m.lobbyHost.Open(addr, func(lr *muc.Room) { stateOf[antechamber](lr).main = main }); err != nil {
		r.Log().WithError(err).Warn("lobby cannot be opened")
		return
	}
	l.addr = m.lobbyHost.Wire(addr)
	m.lobbies.Store(r.Node(), true)
	m.notifyLobby(r, actor, lobbyNote{Event: lobbyEnabled, Value: true})
	m.setMetadata(r, "lobbyEnabled", true)
}

// closeLobby sends those who wait into the room.
func (m *Rules) closeLobby(r *muc.Room, actor *muc.Occupant, reason string) {
	l := stateOf[lobby](r)
	if l.addr.IsZero() {
		return
	}
	to := r.Addr()
	_ = m.lobbyHost.Do(l.addr, func(lr *muc.Room) { lr.Destroy(reason, to, "") })
	m.lobbies.Delete(r.Node())
	*l = lobby{}
	m.setMetadata(r, "lobbyEnabled", false)
	m.notifyLobby(r, actor, lobbyNote{Event: lobbyEnabled, Value: false})
}

// notifyLobby tells the room, in the name of who did it.
func (m *Rules) notifyLobby(r *muc.Room, actor *muc.Occupant, n lobbyNote) {
	if actor == nil {
		return
	}
	n.Type = "lobby-notify"
	st := jsonMessage(actor.Addr(), "", n)
	st.Type = stanza.Groupchat
	r.Broadcast(st)
}

// knock decides who need not wait, and tells the others where to (mod_muc_lobby_rooms).
func (m *Rules) knock(j *muc.Join) muc.Outcome {
	r := j.Room
	l := stateOf[lobby](r)
	if l.addr.IsZero() || !r.MembersOnly() || j.Admin {
		return muc.Continue
	}
	known := r.Affiliation(j.From) > muc.None
	if r.Affiliation(j.From) == muc.Outcast {
		return muc.Continue
	}
	if m.passes(j.From) || m.bypasses(j) || r.Password() != "" && samePassword(j.Password, r.Password()) {
		if !known {
			j.Grant(muc.Member)
		}
		known = true
	}
	if known {
		if j.Password == "" {
			j.Password = r.Password()
		}
		return muc.Continue
	}
	var b stanza.Builder
	if m.cfg.LobbyNeedsName && !l.noName && nameIn(j.Presence) == "" {
		b.Start("", "error", "type", stanza.Modify, "code", "406").Empty(ns.Stanzas, stanza.NotAcceptable)
		b.Empty(ns.JitMeet, "displayname-required", "lobby", "true").End()
	} else {
		b.Start("", "error", "type", stanza.Auth, "code", "407").Empty(ns.Stanzas, stanza.RegistrationRequired)
		if l.reason != "" {
			b.Empty(ns.JitMeet, l.reason)
		}
		b.Leaf(ns.JitMeet, "lobbyroom", l.addr.String()).End()
		// Clients of 2021 look for it outside of the error.
		b.Leaf("", "lobbyroom", l.addr.String())
	}
	b.Empty(ns.MUC, "x")
	m.rt.Send(stanza.New(stanza.Presence, stanza.ErrorType, j.Presence.To, j.From, j.Presence.ID).WithContent(b.Bytes()))
	return muc.Handled
}

// bypasses says that a token leads past the lobby.
func (m *Rules) bypasses(j *muc.Join) bool {
	c := claims(j.Session)
	return m.cfg.LobbyBypass && c != nil && c.User.Fields["lobby_bypass"] == "true"
}

// letIn tells the room who was let in; the room itself has made him a member and
// invites him.
func (m *Rules) letIn(r *muc.Room, by *muc.Occupant, to stanza.Addr) {
	l := stateOf[lobby](r)
	if l.addr.IsZero() || !to.IsFull() {
		return
	}
	actor := by
	_ = m.lobbyHost.Do(l.addr, func(lr *muc.Room) {
		if o := lr.OccupantOf(to); o != nil {
			n := lobbyNote{Event: lobbyGranted, Value: o.Addr().String(), Name: displayName(o)}
			r.Post(func() { m.notifyLobby(r, actor, n) })
		}
	})
}

// mirrorToLobby keeps the owners of the waiting room those of the room.
func (m *Rules) mirrorToLobby(r *muc.Room, c *muc.Change) {
	l := stateOf[lobby](r)
	if l.addr.IsZero() || (c.From >= muc.Admin) == (c.To >= muc.Admin) {
		return
	}
	aff := muc.None
	if c.To >= muc.Admin {
		aff = c.To
	}
	_ = m.lobbyHost.Do(l.addr, func(lr *muc.Room) {
		for _, o := range lr.Occupants() {
			// Of others the knockers would hear; their rank is asked for when they come.
			if o.Bare() == c.Bare {
				lr.SetAffiliation(c.Bare, aff, nil, "")
				return
			}
		}
	})
}
