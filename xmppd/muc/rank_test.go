package muc_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

const (
	croneBare = "crone@meet.example.com"
	hagBare   = "hag@meet.example.com"
	wenchBare = "wench@meet.example.com"
)

// rankPlays are exchanges in a room with crone as its owner and hag and wench inside.
type rankPlay struct {
	name   string
	config []string
	before []string // admin requests crone sends first
	who    string
	send   string
	want   []string            // in the answer
	others map[string][]string // what others hear
}

func (p rankPlay) run(t *testing.T) {
	play(t, func(t *testing.T) {
		s := plain(t, p.config...)
		for _, b := range p.before {
			s.do("crone", set(b), `type="result"`)
		}
		s.enter("hag", "wench")
		s.do(p.who, p.send, p.want...)
		for who, parts := range p.others {
			s.hears(who, parts...)
		}
	})
}

const (
	hagAdmin    = `<item affiliation="admin" jid="` + hagBare + `"/>`
	hagOwner    = `<item affiliation="owner" jid="` + hagBare + `"/>`
	hagMember   = `<item affiliation="member" jid="` + hagBare + `"/>`
	wenchMember = `<item affiliation="member" jid="` + wenchBare + `"/>`
	wenchAdmin  = `<item affiliation="admin" jid="` + wenchBare + `"/>`
	wenchOwner  = `<item affiliation="owner" jid="` + wenchBare + `"/>`
)

// XEP-0045, 8.2 to 8.5, 9.6 to 9.8: kicks, voice, moderators.
func TestRoles(t *testing.T) {
	for _, p := range []rankPlay{
		{name: "8.2 kick", who: "crone", send: set(`<item nick="secondwitch" role="none"><reason>Avaunt</reason></item>`),
			want: []string{`type="result"`, `code="307"`},
			others: map[string][]string{
				"hag":   {`type="unavailable"`, `code="307"`, `code="110"`, `<actor nick="firstwitch"/>`, "Avaunt", `affiliation="none" role="none"`},
				"wench": {`type="unavailable"`, `from="demo@conference.meet.example.com/secondwitch"`, `code="307"`, "-jid="}}},
		{name: "8.2 a kick keeps membership", before: []string{hagMember}, who: "crone", send: set(`<item nick="secondwitch" role="none"/>`),
			others: map[string][]string{"hag": {`affiliation="member" role="none"`}}},
		{name: "8.2 kick by a participant", who: "hag", send: set(`<item nick="thirdwitch" role="none"/>`),
			want: []string{`type="auth"><forbidden`}, others: map[string][]string{"wench": {"silence"}}},
		{name: "8.2 admin kicks owner", before: []string{hagAdmin}, who: "hag", send: set(`<item nick="firstwitch" role="none"/>`),
			want: []string{`type="cancel"><not-allowed`}},
		{name: "8.2 several", who: "crone", send: set(`<item nick="secondwitch" role="none"/><item nick="thirdwitch" role="none"/>`),
			want: []string{`type="result"`}, others: map[string][]string{"hag": {`code="307"`}, "wench": {`code="307"`}}},
		{name: "8.2 all or none", who: "crone", send: set(`<item nick="secondwitch" role="none"/><item nick="nobody" role="none"/>`),
			want: []string{"item-not-found", "-307"}, others: map[string][]string{"hag": {"silence"}}},
		{name: "8.3 grant voice", config: []string{"moderatedroom=1"}, who: "crone", send: set(`<item nick="secondwitch" role="participant"/>`),
			want: []string{`type="result"`}, others: map[string][]string{"hag": {`role="participant"`, `code="110"`}, "wench": {`role="participant"`}}},
		{name: "8.4 revoke voice", who: "crone", send: set(`<item nick="secondwitch" role="visitor"><reason>Hush</reason></item>`),
			want: []string{`type="result"`}, others: map[string][]string{"hag": {`role="visitor"`, "Hush"}, "wench": {`role="visitor"`}}},
		{name: "8.4 of an admin", before: []string{hagAdmin, wenchAdmin}, who: "wench", send: set(`<item nick="secondwitch" role="visitor"/>`),
			want: []string{"not-allowed"}},
		{name: "8.4 by a participant", who: "hag", send: set(`<item nick="thirdwitch" role="visitor"/>`), want: []string{"forbidden"}},
		{name: "8.5 voice list", who: "crone", send: get(`role="participant"`), want: []string{`nick="secondwitch"`, `nick="thirdwitch"`, "-firstwitch"}},
		{name: "8.5 by a participant", who: "hag", send: get(`role="participant"`), want: []string{"forbidden"}},
		{name: "9.6 grant moderator", before: []string{hagAdmin}, who: "hag", send: set(`<item nick="thirdwitch" role="moderator"/>`),
			want: []string{`type="result"`}, others: map[string][]string{"wench": {`role="moderator"`, `code="110"`}, "crone": {`role="moderator"`}}},
		{name: "9.6 by a participant", who: "hag", send: set(`<item nick="thirdwitch" role="moderator"/>`), want: []string{"forbidden"}},
		{name: "9.7 revoke moderator from an admin", before: []string{hagAdmin, wenchAdmin}, who: "hag",
			send: set(`<item nick="thirdwitch" role="participant"/>`), want: []string{"not-allowed"}},
		{name: "9.7 from an owner", before: []string{hagAdmin}, who: "hag", send: set(`<item nick="firstwitch" role="participant"/>`), want: []string{"not-allowed"}},
		{name: "9.7 by a participant", who: "hag", send: set(`<item nick="firstwitch" role="participant"/>`), want: []string{"forbidden"}},
		{name: "9.8 moderator list", before: []string{hagAdmin}, who: "hag", send: get(`role="moderator"`),
			want: []string{`nick="firstwitch"`, `nick="secondwitch"`, `role="moderator"`, "-thirdwitch"}},
	} {
		t.Run(p.name, p.run)
	}
}

// A moderator without rank may give and take voice, but makes no moderators.
func TestModeratorWithoutRank(t *testing.T) {
	play(t, func(t *testing.T) {
		s := plain(t)
		s.enter("hag", "wench")
		s.do("crone", set(`<item nick="secondwitch" role="moderator"/>`), `type="result"`)
		s.quiet()
		s.do("hag", set(`<item nick="thirdwitch" role="visitor"/>`), `type="result"`)
		s.do("hag", set(`<item nick="thirdwitch" role="moderator"/>`), "forbidden")
		s.do("hag", set(`<item nick="firstwitch" role="participant"/>`), "not-allowed")
		s.do("hag", set(`<item affiliation="member" jid="`+wenchBare+`"/>`), "forbidden")
		// Membership does not take the role away.
		s.do("crone", set(hagMember), `type="result"`)
		s.hears("hag", `affiliation="member" role="moderator"`)
		s.do("hag", set(`<item nick="thirdwitch" role="none"/>`), `type="result"`)
	})
}

// XEP-0045, 9.1 to 9.5: bans and members.
func TestAffiliationsOfAdmins(t *testing.T) {
	const banned = `<item affiliation="outcast" jid="earl@elsewhere.example"/>`
	for _, p := range []rankPlay{
		{name: "9.1 ban", before: []string{hagAdmin}, who: "hag", send: set(`<item affiliation="outcast" jid="` + wenchBare + `"><reason>Treason</reason></item>`),
			want:   []string{`type="result"`, `code="301"`},
			others: map[string][]string{"wench": {`code="301"`, `affiliation="outcast" role="none"`, "Treason", `<actor nick="secondwitch"/>`}, "crone": {`code="301"`}}},
		{name: "9.1 somebody who is not there", before: []string{hagAdmin}, who: "hag", send: set(banned), want: []string{`type="result"`}},
		{name: "9.1 oneself", before: []string{hagAdmin}, who: "hag", send: set(`<item affiliation="outcast" jid="` + hagBare + `"/>`), want: []string{"conflict"}},
		{name: "9.1 oneself as owner", who: "crone", send: set(`<item affiliation="outcast" jid="` + croneBare + `"/>`), want: []string{"conflict"}},
		{name: "9.1 an owner", before: []string{hagAdmin}, who: "hag", send: set(`<item affiliation="outcast" jid="` + croneBare + `"/>`), want: []string{"not-allowed"}},
		{name: "9.1 by a participant", who: "hag", send: set(banned), want: []string{"forbidden"}},
		{name: "9.2 ban list", before: []string{hagAdmin, banned}, who: "hag", send: get(`affiliation="outcast"`),
			want: []string{`affiliation="outcast" jid="earl@elsewhere.example"`}},
		{name: "9.2 by a member", before: []string{hagMember, banned}, who: "hag", send: get(`affiliation="outcast"`), want: []string{"forbidden"}},
		{name: "9.2 full address", who: "crone", send: set(`<item affiliation="outcast" jid="` + wench + `"/>`), want: []string{`type="result"`},
			others: map[string][]string{"wench": {`code="301"`}}},
		{name: "9.3 grant membership", before: []string{hagAdmin}, who: "hag", send: set(wenchMember), want: []string{`type="result"`},
			others: map[string][]string{"wench": {`affiliation="member" role="participant"`, `code="110"`}, "crone": {`affiliation="member"`}}},
		{name: "9.3 by a participant", who: "hag", send: set(wenchMember), want: []string{"forbidden"}},
		{name: "9.4 revoke membership", before: []string{hagAdmin, wenchMember}, who: "hag", send: set(`<item affiliation="none" jid="` + wenchBare + `"/>`),
			want: []string{`type="result"`}, others: map[string][]string{"wench": {`affiliation="none" role="participant"`, "-unavailable"}}},
		{name: "9.4 in a room for members", config: []string{"membersonly=1"}, before: []string{hagAdmin, wenchMember}, who: "hag",
			send: set(`<item affiliation="none" jid="` + wenchBare + `"/>`), want: []string{`type="result"`, `code="321"`},
			others: map[string][]string{"wench": {`type="unavailable"`, `code="321"`, `affiliation="none" role="none"`}}},
		{name: "9.5 member list", before: []string{hagAdmin, wenchMember}, who: "hag", send: get(`affiliation="member"`), want: []string{wenchBare, `-jid="` + hagBare}},
		{name: "9.5 by a participant where addresses are veiled", before: []string{wenchMember}, who: "hag", send: get(`affiliation="member"`), want: []string{"forbidden"}},
		{name: "9.5 where they are open", config: []string{"whois=anyone"}, before: []string{wenchMember}, who: "hag", send: get(`affiliation="member"`), want: []string{wenchBare}},
		{name: "9.5 if the room lets only moderators", config: []string{"whois=anyone", "getmemberlist=moderator"}, before: []string{wenchMember}, who: "hag",
			send: get(`affiliation="member"`), want: []string{"forbidden"}},
		{name: "5.1 no such affiliation", who: "crone", send: set(`<item affiliation="king" jid="` + hagBare + `"/>`), want: []string{"not-acceptable"}},
	} {
		t.Run(p.name, p.run)
	}
}

// XEP-0045, 10.3 to 10.8: owners and admins.
func TestAffiliationsOfOwners(t *testing.T) {
	for _, p := range []rankPlay{
		{name: "10.3 grant owner", who: "crone", send: set(hagOwner), want: []string{`type="result"`},
			others: map[string][]string{"hag": {`affiliation="owner" role="moderator"`}, "wench": {`affiliation="owner"`}}},
		{name: "10.3 by an admin", before: []string{hagAdmin}, who: "hag", send: set(wenchOwner), want: []string{"forbidden"}},
		{name: "10.4 revoke owner", before: []string{hagOwner}, who: "crone", send: set(hagAdmin), want: []string{`type="result"`},
			others: map[string][]string{"hag": {`affiliation="admin" role="moderator"`}}},
		{name: "10.4 from oneself, the last", who: "crone", send: set(`<item affiliation="admin" jid="` + croneBare + `"/>`), want: []string{"conflict"}},
		{name: "10.4 from oneself, not the last", before: []string{hagOwner}, who: "crone", send: set(`<item affiliation="none" jid="` + croneBare + `"/>`),
			want: []string{`type="result"`, `affiliation="none" role="participant"`}},
		{name: "10.4 from all at once", before: []string{hagOwner}, who: "crone",
			send: set(`<item affiliation="none" jid="` + hagBare + `"/><item affiliation="none" jid="` + croneBare + `"/>`),
			want: []string{"conflict"}, others: map[string][]string{"hag": {"silence"}}},
		{name: "10.4 by an admin", before: []string{hagAdmin}, who: "hag", send: set(`<item affiliation="none" jid="` + croneBare + `"/>`), want: []string{"forbidden"}},
		{name: "10.5 owner list", before: []string{hagOwner}, who: "hag", send: get(`affiliation="owner"`), want: []string{croneBare, hagBare}},
		{name: "10.5 by an admin", before: []string{hagAdmin}, who: "hag", send: get(`affiliation="owner"`), want: []string{"forbidden"}},
		{name: "10.5 by a participant", who: "hag", send: get(`affiliation="owner"`), want: []string{"forbidden"}},
		{name: "10.6 grant admin", who: "crone", send: set(hagAdmin), want: []string{`type="result"`},
			others: map[string][]string{"hag": {`affiliation="admin" role="moderator"`}}},
		{name: "10.6 by an admin", before: []string{hagAdmin}, who: "hag", send: set(wenchAdmin), want: []string{"forbidden"}},
		{name: "10.7 revoke admin", before: []string{hagAdmin}, who: "crone", send: set(`<item affiliation="member" jid="` + hagBare + `"/>`),
			want: []string{`type="result"`}, others: map[string][]string{"hag": {`affiliation="member" role="participant"`}}},
		{name: "10.8 admin list", before: []string{hagAdmin}, who: "crone", send: get(`affiliation="admin"`), want: []string{hagBare}},
		{name: "10.8 by a participant", who: "hag", send: get(`affiliation="admin"`), want: []string{"forbidden"}},
		{name: "10.9 destroy", who: "crone", send: `<iq type="set" to="ROOM" id="d"><query xmlns=muc#owner><destroy jid="c@d.example"><reason>Macbeth</reason><password>p</password></destroy></query></iq>`,
			want: []string{`type="result"`, "Macbeth"}, others: map[string][]string{"hag": {`jid="c@d.example"`, "Macbeth", "<password>p</password>", `type="unavailable"`}}},
		{name: "10.9 by an admin", before: []string{hagAdmin}, who: "hag", send: `<iq type="set" to="ROOM" id="d"><query xmlns=muc#owner><destroy/></query></iq>`,
			want: []string{"forbidden"}},
	} {
		t.Run(p.name, p.run)
	}
}

// Ranks outlive a stay, and decide who comes in.
func TestRankAtTheDoor(t *testing.T) {
	play(t, func(t *testing.T) {
		s := plain(t, "membersonly=1", "moderatedroom=1")
		s.do("hag", `<presence to="ROOM/secondwitch"><x xmlns=muc/></presence>`, "registration-required")
		s.do("crone", set(hagMember), `type="result"`)
		s.do("hag", `<presence to="ROOM/secondwitch"><x xmlns=muc/></presence>`, `affiliation="member" role="participant"`)
		s.do("crone", set(`<item affiliation="outcast" jid="`+hagBare+`"/>`), `type="result"`)
		s.hears("hag", `code="301"`)
		s.do("hag", `<presence to="ROOM/secondwitch"><x xmlns=muc/></presence>`, `type="auth"><forbidden`)
		// The owner leaves and is still the owner.
		s.do("crone", set(wenchMember), `type="result"`)
		s.enter("wench")
		s.do("crone", `<presence to="ROOM/firstwitch" type="unavailable"/>`, `code="110"`)
		s.do("crone", `<iq type="get" to="ROOM" id="f"><query xmlns=muc#owner/></iq>`, "muc#roomconfig_")
		s.do("crone", `<presence to="ROOM/firstwitch"><x xmlns=muc/></presence>`, `affiliation="owner" role="moderator"`)
		assert.NotContains(t, strings.Join(s.clients["wench"].Take(), ""), croneBare+"/")
	})
}
