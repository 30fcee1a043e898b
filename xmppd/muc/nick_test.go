package muc_test

import (
	"testing"
)

// XEP-0045, 7: what occupants may not do, and what they hear.
func TestOccupantRules(t *testing.T) {
	const join = `<x xmlns=muc/>`
	for _, p := range []struct {
		rankPlay
		outside bool // hag is not inside
	}{
		{rankPlay{name: "7.2.1 no nick", who: "hag", send: `<presence to="ROOM">` + join + `</presence>`, want: []string{`type="modify"><jid-malformed`}}, true},
		{rankPlay{name: "7.2.5 no password", config: []string{"passwordprotectedroom=1", "roomsecret=s"}, who: "hag",
			send: `<presence to="ROOM/secondwitch">` + join + `</presence>`, want: []string{`type="auth"><not-authorized`}}, true},
		{rankPlay{name: "7.2.5 with it", config: []string{"passwordprotectedroom=1", "roomsecret=s"}, who: "hag",
			send: `<presence to="ROOM/secondwitch"><x xmlns=muc><password>s</password></x></presence>`, want: []string{`code="110"`}}, true},
		{rankPlay{name: "7.2.6 members only", config: []string{"membersonly=1"}, who: "hag",
			send: `<presence to="ROOM/secondwitch">` + join + `</presence>`, want: []string{`type="auth"><registration-required`}}, true},
		{rankPlay{name: "7.2.7 banned", before: []string{`<item affiliation="outcast" jid="` + hagBare + `"/>`}, who: "hag",
			send: `<presence to="ROOM/secondwitch">` + join + `</presence>`, want: []string{`type="auth"><forbidden`}}, true},
		{rankPlay{name: "7.2.8 nick taken", who: "hag", send: `<presence to="ROOM/firstwitch">` + join + `</presence>`, want: []string{`type="cancel"><conflict`}}, true},
		{rankPlay{name: "7.2.9 full", config: []string{"maxusers=1"}, who: "hag",
			send: `<presence to="ROOM/secondwitch">` + join + `</presence>`, want: []string{`<service-unavailable`}}, true},
		{rankPlay{name: "7.4 message from outside", who: "hag", send: `<message to="ROOM" type="groupchat" id="m"><body>x</body></message>`,
			want: []string{`<not-acceptable`}}, true},
		{rankPlay{name: "7.4 without voice", config: []string{"moderatedroom=1"}, who: "hag",
			send: `<message to="ROOM" type="groupchat" id="m"><body>x</body></message>`, want: []string{`type="auth"><forbidden`}, others: map[string][]string{"wench": {"silence"}}}, false},
		{rankPlay{name: "7.5 private message from outside", who: "hag", send: `<message to="ROOM/firstwitch" type="chat" id="m"><body>x</body></message>`,
			want: []string{`<not-acceptable`}, others: map[string][]string{"crone": {"silence"}}}, true},
		{rankPlay{name: "7.5 to nobody", who: "hag", send: `<message to="ROOM/nobody" type="chat" id="m"><body>x</body></message>`,
			want: []string{`type="cancel"><item-not-found`}}, false},
		{rankPlay{name: "7.5 of type groupchat", who: "hag", send: `<message to="ROOM/firstwitch" type="groupchat" id="m"><body>x</body></message>`,
			want: []string{`type="modify"><bad-request`}}, false},
		{rankPlay{name: "7.6 a nick that is taken", who: "hag", send: `<presence to="ROOM/thirdwitch"/>`, want: []string{`type="cancel"><conflict`},
			others: map[string][]string{"wench": {"silence"}}}, false},
		{rankPlay{name: "7.6 another nick", who: "hag", send: `<presence to="ROOM/oldhag"/>`,
			want:   []string{`code="303"`, `nick="oldhag"`, `code="110"`, `from="demo@conference.meet.example.com/oldhag"`},
			others: map[string][]string{"wench": {`code="303"`, `from="demo@conference.meet.example.com/oldhag"`}}}, false},
		{rankPlay{name: "7.8.2 invitation by a participant", config: []string{"membersonly=1", "allowinvites=0"}, before: []string{hagMember, wenchMember}, who: "hag",
			send: `<message to="ROOM" id="i"><x xmlns=muc#user><invite to="earl@meet.example.com"/></x></message>`, want: []string{`type="auth"><forbidden`}}, false},
		{rankPlay{name: "7.13 voice asked by who has it", who: "hag",
			send: `<message to="ROOM" id="v"><x xmlns=data type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#request</value></field><field var="muc#role"><value>participant</value></field></x></message>`,
			want: []string{"silence"}, others: map[string][]string{"crone": {"silence"}}}, false},
		{rankPlay{name: "8.1 subject by a participant", config: []string{"changesubject=0"}, who: "hag",
			send: `<message to="ROOM" type="groupchat" id="s"><subject>x</subject></message>`, want: []string{`type="auth"><forbidden`}}, false},
	} {
		t.Run(p.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				s := plain(t, p.config...)
				for _, b := range p.before {
					s.do("crone", set(b), `type="result"`)
				}
				if !p.outside {
					s.enter("hag", "wench")
				}
				s.do(p.who, p.send, p.want...)
				for who, parts := range p.others {
					s.hears(who, parts...)
				}
			})
		})
	}
}

// Who is inside with several devices has one nick, and changes it in all of them.
func TestNickOfSeveralSessions(t *testing.T) {
	play(t, func(t *testing.T) {
		s := plain(t)
		s.clients["other"] = s.w.Account("hag@meet.example.com/phone")
		s.enter("hag", "wench")
		s.send("other", `<presence to="ROOM/secondwitch"><x xmlns=muc/></presence>`)
		s.quiet()
		s.do("hag", `<presence to="ROOM/oldhag"><show>away</show></presence>`, `code="303"`, `nick="oldhag"`, `from="demo@conference.meet.example.com/oldhag"`, `code="110"`)
		s.hears("other", `type="unavailable"`, `code="303"`, `nick="oldhag"`, `from="demo@conference.meet.example.com/oldhag"`, `code="110"`)
		s.hears("wench", `code="303"`, `from="demo@conference.meet.example.com/oldhag"`)
		s.do("other", `<message to="ROOM" type="groupchat"><body>still here</body></message>`, `from="demo@conference.meet.example.com/oldhag"`)
		s.quiet()
		// One device leaves: the nick stays.
		s.do("hag", `<presence to="ROOM/oldhag" type="unavailable"/>`, `type="unavailable"`)
		s.do("wench", `<message to="ROOM/oldhag" type="chat"><body>psst</body></message>`, "-error")
		s.hears("other", "psst")
	})
}
