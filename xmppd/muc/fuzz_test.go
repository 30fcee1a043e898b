package muc

import (
	"testing"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// ear counts what a session hears.
type ear struct{ answers, all int }

func (e *ear) Deliver(_ stanza.Addr, enc *stanza.Encoded) bool {
	e.all++
	if st := enc.Stanza(); st.Kind == stanza.IQ && st.ID == "fuzz" {
		e.answers++
	}
	if _, err := stanza.Parse(enc.Append(nil, enc.Stanza().To, ns.Client), nil); err != nil {
		panic("unreadable: " + string(enc.Append(nil, stanza.Addr{}, ns.Client)))
	}
	return true
}
func (*ear) Kick(string, string) {}

// nobodyHome answers for accounts.
type nobodyHome struct{ rt *router.Router }

func (n nobodyHome) HandleStanza(st *stanza.Stanza, _ *router.Session) {
	n.rt.Bounce(st, errUnavailable)
}

// FuzzRoom feeds a room, on this goroutine, with whatever an owner inside may send
// to it. A request must be answered once, and all that is said must be readable.
func FuzzRoom(f *testing.F) {
	for _, s := range []string{
		`<iq type="set" to="demo@rooms.example/"><query xmlns="http://jabber.org/protocol/muc#admin"><item affiliation="owner" jid="a@b"/><item nick="ann" role="none"><reason>x</reason></item></query></iq>`,
		`<iq type="get"><query xmlns="http://jabber.org/protocol/muc#admin"><item affiliation="member"/></query></iq>`,
		`<iq type="set"><query xmlns="http://jabber.org/protocol/muc#admin"><item affiliation="outcast" nick="ann"/></query></iq>`,
		`<iq type="get"><query xmlns="http://jabber.org/protocol/muc#owner"><x xmlns="jabber:x:data" type="submit"/></query></iq>`,
		`<iq type="set"><query xmlns="http://jabber.org/protocol/muc#owner"><x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field><field var="muc#roomconfig_membersonly"><value>1</value></field><field var="muc#roomconfig_historylength"><value>-5</value></field></x></query></iq>`,
		`<iq type="set"><query xmlns="http://jabber.org/protocol/muc#owner"><destroy jid="a@b"><reason>r</reason></destroy></query></iq>`,
		`<iq type="set"><query xmlns="http://jabber.org/protocol/muc#owner"><x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field><field var="muc#roomconfig_roomowners"><value>ann@users.example</value></field><field var="muc#roomconfig_maxusers"><value>1</value></field><field var="muc#roomconfig_presencebroadcast"><value>moderator</value></field><field var="muc#roomconfig_persistentroom"><value>1</value></field></x></query></iq>`,
		`<iq type="set"><query xmlns="jabber:iq:register"><x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#register</value></field><field var="muc#register_roomnick"><value>Ann</value></field></x></query></iq>`,
		`<iq type="set"><query xmlns="jabber:iq:register"><remove/></query></iq>`,
		`<iq type="set"><vCard xmlns="vcard-temp"><PHOTO><BINVAL>aGVsbG8=</BINVAL></PHOTO></vCard></iq>`,
		`<iq type="get"><query xmlns="http://jabber.org/protocol/disco#items"/></iq>`,
		`<message><x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#request</value></field><field var="muc#roomnick"><value>ann</value></field><field var="muc#request_allow"><value>1</value></field></x></message>`,
		`<message><x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#register</value></field><field var="muc#register_roomnick"><value>x</value></field><field var="muc#register_allow"><value>1</value></field></x></message>`,
		`<message type="groupchat"><subject>a</subject></message>`,
		`<message><x xmlns="http://jabber.org/protocol/muc#user"><invite to="ann@users.example"/></x></message>`,
		`<message type="error"><error type="cancel"><gone xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>`,
		`<presence><x xmlns="http://jabber.org/protocol/muc"><history maxstanzas="1" seconds="9999999999999" since="x"/></x></presence>`,
		`<presence type="unavailable"><status>x</status></presence>`,
	} {
		f.Add([]byte(s), "")
		f.Add([]byte(s), "ann")
	}
	f.Fuzz(func(t *testing.T, raw []byte, nick string) {
		st, err := stanza.Parse(raw, nil)
		if err != nil || st.Kind == stanza.Other {
			return
		}
		rt := router.New(logx.Discard())
		users := router.NewUsers(rt, "users.example", router.UsersOptions{Service: nobodyHome{rt}})
		if err := rt.Add("users.example", users); err != nil {
			t.Fatal(err)
		}
		h, err := NewHost("rooms.example", Config{
			AccountRooms: true, MaxPersistent: 1, MaxAvatar: 1000, MaxRooms: 1, MaxOccupants: 10, MaxAffiliations: 3, MaxNick: 64, MaxSubject: 64, HistoryLength: 2, MaxHistory: 4, MaxHistoryBytes: 1000,
		}, rt, nil, logx.Discard())
		if err != nil {
			t.Fatal(err)
		}
		if err := rt.Add("rooms.example", h); err != nil {
			t.Fatal(err)
		}
		room := newRoom(h, "demo", stanza.MustAddr("demo@rooms.example"))
		ears := map[string]*ear{}
		enter := func(name string) *router.Session {
			full := stanza.MustAddr(name + "@users.example/x")
			ears[name] = &ear{}
			s := router.NewSession(full, ears[name], &router.Info{})
			users.Bind(s)
			p := stanza.New(stanza.Presence, "", full, stanza.MustAddr("demo@rooms.example/"+name), "")
			var b stanza.Builder
			room.handleStanza(p.WithContent(b.Empty(ns.MUC, "x").Bytes()), s)
			return s
		}
		owner := enter("owner")
		room.unlock()
		enter("ann")
		to := room.addr
		if nick != "" {
			if to, err = room.addr.WithResource(nick); err != nil {
				return
			}
		}
		st = st.WithAddrs(owner.Addr(), to).Copy()
		st.ID = "fuzz"
		room.handleStanza(st, owner)
		relayed := nick == "ann" || nick == "owner"
		if st.IsRequest() && !relayed && ears["owner"].answers != 1 {
			t.Fatalf("%d answers to %s", ears["owner"].answers, raw)
		}
		if len(room.affiliations) > 3 || len(room.seats) > 2 || len(room.history.lines) > 4 {
			t.Fatal("a bound was passed")
		}
	})
}
