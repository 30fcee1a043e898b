package muc_test

import (
	"strings"
	"testing"
)

// registration fills in the form of XEP-0045, 7.10.
func registration(nick string) string {
	return `<iq type="set" to="ROOM" id="reg"><query xmlns="jabber:iq:register"><x xmlns=data type="submit">
	  <field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#register</value></field>
	  <field var="muc#register_roomnick"><value>` + nick + `</value></field></x></query></iq>`
}

const askRegistration = `<iq type="get" to="ROOM" id="reg"><query xmlns="jabber:iq:register"/></iq>`

// XEP-0045, 7.10 and 7.11: registration with a room.
func TestRegister(t *testing.T) {
	for name, f := range map[string]func(s *script){
		"form": func(s *script) {
			s.do("hag", askRegistration, "muc#register_roomnick", "<required/>", "-<registered/>")
		},
		"register": func(s *script) {
			s.do("hag", registration("thirdwitch"), `type="result"`)
			s.hears("crone", `affiliation="member" jid="`+hagBare)
			s.do("hag", askRegistration, "<registered/>", "<username>thirdwitch</username>")
			s.do("hag", `<iq type="get" to="ROOM" id="n"><query xmlns=info node="x-roomuser-item"/></iq>`, `name="thirdwitch"`)
			s.do("wench", `<iq type="get" to="ROOM" id="n"><query xmlns=info node="x-roomuser-item"/></iq>`, "-identity", `type="result"`)
			s.do("crone", get(`affiliation="member"`), `nick="thirdwitch"`)
			s.do("wench", `<presence to="ROOM/thirdwitch"><x xmlns=muc/></presence>`, "conflict")
			s.do("wench", registration("ThirdWitch"), "conflict")
			s.do("hag", `<presence to="ROOM/thirdwitch"><x xmlns=muc/></presence>`, `affiliation="member"`)
			s.do("crone", `<presence to="ROOM/thirdwitch"/>`, "conflict")
		},
		"nick in use": func(s *script) {
			s.do("hag", registration("firstwitch"), "conflict")
		},
		"unregister": func(s *script) {
			s.do("hag", registration("thirdwitch"), `type="result"`)
			s.do("hag", `<iq type="set" to="ROOM" id="reg"><query xmlns="jabber:iq:register"><remove/></query></iq>`, `type="result"`)
			s.do("wench", `<presence to="ROOM/thirdwitch"><x xmlns=muc/></presence>`, `code="110"`)
		},
		"a ban frees the nick": func(s *script) {
			s.do("hag", registration("thirdwitch"), `type="result"`)
			s.do("crone", set(`<item affiliation="outcast" jid="`+hagBare+`"/>`), `type="result"`)
			s.do("crone", get(`affiliation="member"`), "-thirdwitch")
			s.do("hag", registration("thirdwitch"), "forbidden")
			s.do("wench", `<presence to="ROOM/thirdwitch"><x xmlns=muc/></presence>`, `code="110"`)
		},
		"an admin names the nick": func(s *script) {
			s.do("crone", set(`<item affiliation="member" jid="`+hagBare+`" nick="thirdwitch"/>`), `type="result"`)
			s.do("crone", get(`affiliation="member"`), `nick="thirdwitch"`)
		},
		"nonsense": func(s *script) {
			s.do("hag", registration(""), "bad-request")
			s.do("hag", registration("focus"), "not-acceptable")
			s.do("hag", `<iq type="set" to="ROOM" id="reg"><query xmlns="jabber:iq:register"><x xmlns=data type="submit"><field var="FORM_TYPE"><value>x</value></field></x></query></iq>`, "bad-request")
			s.do("hag", `<iq type="set" to="ROOM" id="reg"><query xmlns="jabber:iq:register"><x xmlns=data type="cancel"/></query></iq>`, `type="result"`)
		},
	} {
		t.Run(name, func(t *testing.T) { play(t, func(t *testing.T) { f(plain(t)) }) })
	}
}

// decision answers the form of XEP-0045, 9.9.
func decision(allow string, fields ...string) string {
	x := `<field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#register</value></field><field var="muc#register_allow"><value>` + allow + `</value></field>`
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		x += `<field var="` + name + `"><value>` + value + `</value></field>`
	}
	return `<message to="ROOM" id="d"><x xmlns=data type="submit">` + x + `</x></message>`
}

// XEP-0045, 7.10 and 9.9: where only members may enter, a registration waits for the
// admins.
func TestRegistrationWaits(t *testing.T) {
	const form = `<value>` + hagBare + `</value></field>`
	for name, f := range map[string]func(s *script){
		"approved": func(s *script) {
			s.do("hag", askRegistration, "decide whether you may enter", "-<registered/>")
			s.do("hag", registration("thirdwitch"), `type="result"`)
			s.hears("crone", form, `var="muc#register_roomnick"`, "<value>thirdwitch</value>", `var="muc#register_allow"`, `from="demo@conference.meet.example.com"`)
			s.do("hag", askRegistration, "<value>thirdwitch</value>", "-<registered/>")
			s.do("hag", `<presence to="ROOM/thirdwitch"><x xmlns=muc/></presence>`, "registration-required")
			s.do("wench", registration("ThirdWitch"), "conflict")
			s.send("hag", `<presence/>`)
			s.do("crone", decision("1", "muc#jid="+hagBare, "muc#register_roomnick=thirdwitch"), `affiliation="member" jid="`+hagBare)
			s.hears("hag", "<invite ", "Your registration was approved")
			s.do("hag", askRegistration, "<registered/>")
			s.do("hag", `<presence to="ROOM/thirdwitch"><x xmlns=muc/></presence>`, `affiliation="member"`, `code="110"`)
			s.do("crone", decision("1", "muc#jid="+hagBare), "item-not-found")
		},
		"refused": func(s *script) {
			s.do("hag", registration("thirdwitch"), `type="result"`)
			s.quiet()
			s.do("crone", decision("0", "muc#register_roomnick=thirdwitch"), "silence")
			s.hears("hag", "silence")
			s.do("hag", `<presence to="ROOM/thirdwitch"><x xmlns=muc/></presence>`, "registration-required")
			s.do("wench", registration("thirdwitch"), `type="result"`)
		},
		"by others": func(s *script) {
			s.do("crone", set(`<item affiliation="member" jid="`+wenchBare+`"/>`), `type="result"`)
			s.do("wench", `<presence to="ROOM/secondwitch"><x xmlns=muc/></presence>`, "-muc#register_allow")
			s.do("hag", registration("thirdwitch"), `type="result"`)
			s.hears("wench", "silence")
			s.do("wench", decision("1", "muc#jid="+hagBare), "forbidden")
			s.do("hag", decision("1", "muc#jid="+hagBare), "not-acceptable")
		},
		"shown to who comes later": func(s *script) {
			s.do("hag", registration("thirdwitch"), `type="result"`)
			s.do("hag", registration("otherwitch"), `type="result"`) // thought better of it
			s.do("crone", set(`<item affiliation="admin" jid="`+wenchBare+`"/>`), `type="result"`)
			s.do("wench", `<presence to="ROOM/secondwitch"><x xmlns=muc/></presence>`, form, "<value>otherwitch</value>", "-<value>thirdwitch</value>")
			s.do("wench", decision("perhaps", "muc#jid="+hagBare), "bad-request")
			s.do("wench", decision("true", "muc#jid="+hagBare), `affiliation="member" jid="`+hagBare)
		},
		"withdrawn": func(s *script) {
			s.do("hag", registration("thirdwitch"), `type="result"`)
			s.do("hag", `<iq type="set" to="ROOM" id="reg"><query xmlns="jabber:iq:register"><remove/></query></iq>`, `type="result"`)
			s.do("crone", decision("1", "muc#jid="+hagBare), "item-not-found")
		},
		"overtaken": func(s *script) {
			s.do("hag", registration("thirdwitch"), `type="result"`)
			s.do("crone", set(`<item affiliation="outcast" jid="`+hagBare+`"/>`), `type="result"`)
			s.do("crone", decision("1", "muc#jid="+hagBare), "item-not-found")
			s.do("wench", registration("firstwitch"), "conflict")
			s.do("wench", registration(""), "bad-request")
			s.do("wench", registration("focus"), "not-acceptable")
		},
	} {
		t.Run(name, func(t *testing.T) { play(t, func(t *testing.T) { f(plain(t, "membersonly=1")) }) })
	}
}

// XEP-0045, 7.13 and 8.6: asking for voice, and getting it.
func TestVoiceRequest(t *testing.T) {
	form := func(fields string) string {
		return `<message to="ROOM" id="v"><x xmlns=data type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#request</value></field>` + fields + `</x></message>`
	}
	const ask = `<field var="muc#role"><value>participant</value></field>`
	allow := func(v string) string {
		return form(ask + `<field var="muc#jid"><value>` + hag + `</value></field><field var="muc#roomnick"><value>secondwitch</value></field>
		  <field var="muc#request_allow"><value>` + v + `</value></field>`)
	}
	play(t, func(t *testing.T) {
		s := plain(t, "moderatedroom=1")
		s.enter("hag", "wench")
		s.do("hag", `<message to="ROOM" type="groupchat" id="m"><body>x</body></message>`, "forbidden")
		s.do("hag", form(ask), "silence")
		s.hears("crone", `var="muc#jid"><value>`+hag, "<value>secondwitch</value>", "muc#request_allow", `from="demo@conference.meet.example.com"`)
		s.hears("wench", "silence")
		s.do("wench", allow("true"), "forbidden")
		s.do("crone", allow("0"), "silence")
		s.do("crone", allow("perhaps"), "bad-request")
		s.do("crone", allow("true"), `role="participant"`)
		s.hears("hag", `role="participant"`, `code="110"`)
		s.hears("wench", `role="participant"`)
		s.do("hag", form(ask), "silence") // has it
		s.hears("crone", "silence")
		s.do("hag", `<message to="ROOM" type="groupchat" id="m"><body>x</body></message>`, "<body>x</body>")
		s.do("wench", form(`<field var="muc#role"><value>moderator</value></field>`), "bad-request")
		s.do("wench", `<message to="ROOM" id="v"><x xmlns=data type="submit"/></message>`, "bad-request")
	})
}

// XEP-0045, 7.5, 7.8, 7.9 and 8.1: what is said.
func TestMessagesInPlainRooms(t *testing.T) {
	const invite = `<message to="ROOM" id="i"><x xmlns=muc#user><invite to="` + wench + `"><reason>come</reason><continue thread="t1"/></invite></x></message>`
	for name, f := range map[string]func(s *script){
		"stable ids": func(s *script) {
			s.do("hag", `<message to="ROOM" type="groupchat" id="m"><body>x</body><stanza-id xmlns="urn:xmpp:sid:0" id="forged" by="ROOM"/><occupant-id xmlns=oid id="forged"/></message>`,
				`<stanza-id xmlns="urn:xmpp:sid:0" by="demo@conference.meet.example.com" id="`, "-forged", "occupant-id")
		},
		"private": func(s *script) {
			s.do("hag", `<message to="ROOM/firstwitch" type="chat" id="p"><body>psst</body><x xmlns=muc#user/></message>`, "silence")
			s.hears("crone", "psst", `from="demo@conference.meet.example.com/secondwitch"`, `<x xmlns="http://jabber.org/protocol/muc#user"/>`)
			s.do("hag", `<message to="ROOM/nobody" type="chat" id="p"><body>psst</body></message>`, "item-not-found")
			s.do("hag", `<message to="ROOM/firstwitch" type="groupchat" id="p"><body>psst</body></message>`, "bad-request")
			s.do("wench", `<message to="ROOM/firstwitch" type="chat" id="p"><body>psst</body></message>`, "not-acceptable")
		},
		"subject": func(s *script) {
			s.do("hag", `<message to="ROOM" type="groupchat" id="s"><subject>Fire</subject></message>`, "forbidden")
			s.do("crone", `<message to="ROOM" type="groupchat" id="s"><subject>Fire</subject></message>`, "Fire")
			s.hears("hag", "Fire", "/firstwitch")
			s.do("crone", submit("changesubject=1"))
			s.do("hag", `<message to="ROOM" type="groupchat" id="s"><subject/></message>`, "<subject/>")
			s.do("wench", `<presence to="ROOM/thirdwitch"><x xmlns=muc/></presence>`, "<subject/>")
			s.do("hag", `<message to="ROOM" type="groupchat" id="s"><subject>talk</subject><thread>1</thread></message>`, "<thread>")
			s.do("wench", `<presence to="ROOM/thirdwitch"><x xmlns=muc/></presence>`, "<subject/>")
		},
		"invitation": func(s *script) {
			s.do("wench", `<presence/>`)
			s.do("hag", invite, "silence")
			s.hears("wench", `<invite from="`+hag, "<reason>come</reason>", `<continue thread="t1"/>`, "jabber:x:conference")
			s.do("crone", get(`affiliation="member"`), "-"+wenchBare)
			s.do("wench", `<message to="ROOM"><x xmlns=muc#user><decline to="`+hagBare+`"><reason>no</reason></decline></x></message>`)
			s.hears("hag", `<decline from="`+wenchBare+`"`, "no")
		},
		"invitation forbidden": func(s *script) {
			s.do("crone", submit("allowinvites=0"))
			s.do("hag", invite, "forbidden")
			s.do("crone", invite, "-error")
		},
		"invitation makes members": func(s *script) {
			s.do("crone", set(hagMember))
			s.do("crone", submit("membersonly=1"))
			s.quiet()
			s.do("hag", invite, "forbidden")
			s.do("crone", invite, `affiliation="member" jid="`+wenchBare)
			s.do("wench", `<presence to="ROOM/thirdwitch"><x xmlns=muc/></presence>`, `affiliation="member"`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				s := plain(t)
				s.enter("hag")
				f(s)
			})
		})
	}
}

// XEP-0045, 6: discovery. XEP-0059: pages. XEP-0410: self-ping.
func TestDiscoveryOfPlainRooms(t *testing.T) {
	const items = `xmlns="http://jabber.org/protocol/disco#items"`
	play(t, func(t *testing.T) {
		s := plain(t)
		service := "conference.meet.example.com"
		for _, name := range []string{"b", "a", "c"} {
			s.send("wench", `<presence to="`+name+`@`+service+`/thirdwitch"><x xmlns=muc/></presence>`)
			s.send("wench", `<iq type="set" to="`+name+`@`+service+`" id="f"><query xmlns=muc#owner><x xmlns=data type="submit"/></query></iq>`)
		}
		s.quiet()
		list := func(rsm string) string {
			return `<iq type="get" to="` + service + `" id="l"><query ` + items + `>` + rsm + `</query></iq>`
		}
		set := func(s string) string { return list(`<set xmlns="http://jabber.org/protocol/rsm">` + s + `</set>`) }
		s.do("hag", list(""), "a@", "b@", "c@", "demo@", "-<set")
		s.do("hag", set("<max>2</max>"), "a@", "b@", "-demo@", "<count>4</count>", `<first index="0">a@`, "<last>b@")
		s.do("hag", set("<max>2</max><after>b@"+service+"</after>"), "c@", "demo@", "-a@")
		s.do("hag", set("<max>1</max><before/>"), "demo@", "-c@")
		s.do("hag", set("<max>1</max><before>c@"+service+"</before>"), "b@", "-a@")
		s.do("hag", set("<max>0</max>"), "<count>4</count>", "-a@")
		s.do("hag", set("<max>1</max><index>1</index>"), "b@", `index="1"`)
		s.do("hag", set("<max>1</max><index>9</index>"), "item-not-found")
		s.do("hag", set("<max>-1</max>"), "bad-request")
		s.do("hag", `<iq type="get" to="`+service+`" id="u"><unique xmlns="http://jabber.org/protocol/muc#unique"/></iq>`, "muc#unique", `type="result"`)
		s.do("hag", `<iq type="get" to="`+service+`" id="t"><query xmlns=info node="http://jabber.org/protocol/muc#traffic"/></iq>`, "service-unavailable")
		s.do("hag", `<iq type="get" to="ROOM" id="t"><query xmlns=info node="nonsense"/></iq>`, "item-not-found")
		// The occupants, to all while the room is public.
		s.do("hag", `<iq type="get" to="ROOM" id="o"><query `+items+`/></iq>`, `jid="demo@conference.meet.example.com/firstwitch"`)
		s.do("hag", `<iq type="get" to="ROOM/firstwitch" id="o"><query `+items+`/></iq>`, "bad-request")
		s.do("hag", `<iq type="get" to="ROOM/firstwitch" id="o"><query xmlns=info/></iq>`, "bad-request")
		s.do("hag", `<iq type="get" to="ROOM/firstwitch" id="o"><ping xmlns=ping/></iq>`, "not-acceptable")
		s.do("crone", submit("publicroom=0"))
		s.do("hag", `<iq type="get" to="ROOM" id="o"><query `+items+`/></iq>`, "-firstwitch")
		s.do("hag", list(""), "-demo@")
		s.do("crone", `<iq type="get" to="ROOM/firstwitch" id="o"><ping xmlns=ping/></iq>`, `type="result"`)
		s.do("crone", `<iq type="get" to="ROOM/secondwitch" id="o"><ping xmlns=ping/></iq>`, "item-not-found")
	})
}

// XEP-0486: the room's picture.
func TestRoomAvatar(t *testing.T) {
	const card = `<vCard xmlns="vcard-temp"><PHOTO><TYPE>image/png</TYPE><BINVAL>aGVsbG8=</BINVAL></PHOTO></vCard>`
	const hash = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"
	setCard := func(c string) string { return `<iq type="set" to="ROOM" id="c">` + c + `</iq>` }
	play(t, func(t *testing.T) {
		s := plain(t)
		s.enter("hag")
		s.do("hag", `<iq type="get" to="ROOM" id="c"><vCard xmlns="vcard-temp"/></iq>`, "item-not-found")
		s.do("hag", setCard(card), "forbidden")
		s.do("crone", setCard(card), `type="result"`, hash, `code="104"`)
		s.hears("hag", "<photo>"+hash, `code="104"`)
		s.do("hag", `<iq type="get" to="ROOM" id="c"><vCard xmlns="vcard-temp"/></iq>`, "aGVsbG8=")
		s.do("wench", `<presence to="ROOM/thirdwitch"><x xmlns=muc/></presence>`, "<photo>"+hash)
		s.do("wench", `<iq type="get" to="ROOM" id="c"><query xmlns=info/></iq>`, `muc#roominfo_avatarhash`, hash)
		s.do("crone", setCard(`<vCard xmlns="vcard-temp"><PHOTO><BINVAL>%</BINVAL></PHOTO></vCard>`), "not-acceptable")
		s.do("crone", setCard(`<vCard xmlns="vcard-temp"/>`), `type="result"`, "<photo/>")
		s.do("hag", `<iq type="get" to="ROOM" id="c"><vCard xmlns="vcard-temp"/></iq>`, "-BINVAL")
	})
}
