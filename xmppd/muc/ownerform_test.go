package muc_test

import (
	"testing"
	"time"
)

// XEP-0045, 10.2: what a change of the configuration does.
func TestReconfigure(t *testing.T) {
	for _, p := range []rankPlay{
		{name: "name", who: "crone", send: submit("roomname=Cave"), want: []string{`type="result"`, `code="104"`}, others: map[string][]string{"hag": {`code="104"`}}},
		{name: "logging on", who: "crone", send: submit("enablelogging=1"), others: map[string][]string{"hag": {`code="170"`, "-104"}}},
		{name: "logging off", config: []string{"enablelogging=1"}, who: "crone", send: submit("enablelogging=0"), others: map[string][]string{"hag": {`code="171"`}}},
		{name: "addresses open", who: "crone", send: submit("whois=anyone"), others: map[string][]string{"hag": {`code="172"`}}},
		{name: "addresses veiled", config: []string{"whois=anyone"}, who: "crone", send: submit("whois=moderators"), others: map[string][]string{"hag": {`code="173"`}}},
		{name: "members only", before: []string{hagMember}, who: "crone", send: submit("membersonly=1"),
			others: map[string][]string{"wench": {`code="322"`, `type="unavailable"`}, "hag": {`code="322"`, "/thirdwitch"}}},
		{name: "moderated no longer", config: []string{"moderatedroom=1"}, who: "crone", send: submit("moderatedroom=0"),
			others: map[string][]string{"hag": {`role="participant"`}}},
		{name: "new admin", who: "crone", send: submit("roomadmins=" + hagBare), want: []string{`type="result"`},
			others: map[string][]string{"hag": {`affiliation="admin" role="moderator"`}, "wench": {`affiliation="admin"`}}},
		{name: "admin no longer", before: []string{hagAdmin}, who: "crone", send: submit("roomadmins="),
			others: map[string][]string{"hag": {`affiliation="none" role="participant"`}}},
		{name: "new owner", who: "crone", send: submit("roomowners=" + croneBare + "," + hagBare), others: map[string][]string{"hag": {`affiliation="owner"`}}},
		{name: "owner no longer", before: []string{hagOwner}, who: "crone", send: submit("roomowners=" + croneBare), others: map[string][]string{"hag": {`affiliation="none"`}}},
		{name: "no owner left", who: "crone", send: submit("roomname=New", "roomowners="), want: []string{"conflict", "-104"}, others: map[string][]string{"hag": {"silence"}}},
		{name: "no address", who: "crone", send: submit("roomowners=@"), want: []string{"not-acceptable"}},
		{name: "bad number", who: "crone", send: submit("maxusers=many"), want: []string{"not-acceptable"}},
		{name: "bad role", who: "crone", send: submit("presencebroadcast=king"), want: []string{"not-acceptable"}},
		{name: "cancelled later", who: "crone", send: `<iq type="set" to="ROOM" id="c"><query xmlns=muc#owner><x xmlns=data type="cancel"/></query></iq>`,
			want: []string{`type="result"`, "-destroy"}},
		{name: "by an admin", before: []string{hagAdmin}, who: "hag", send: submit("roomname=x"), want: []string{"forbidden"}},
		{name: "form for an admin", before: []string{hagAdmin}, who: "hag", send: `<iq type="get" to="ROOM" id="f"><query xmlns=muc#owner/></iq>`, want: []string{"forbidden"}},
	} {
		t.Run(p.name, p.run)
	}
}

// The form shows what was submitted.
func TestFormRemembers(t *testing.T) {
	play(t, func(t *testing.T) {
		s := plain(t, "roomname=A", "roomdesc=B", "lang=de", "maxusers=5", "whois=anyone", "allowpm=moderators", "historylength=7",
			"presencebroadcast=moderator,participant", "getmemberlist=moderator", "passwordprotectedroom=1", "roomsecret=cauldron", "allowinvites=0")
		s.do("crone", `<iq type="get" to="ROOM" id="f"><query xmlns=muc#owner/></iq>`,
			"<value>A</value>", "<value>B</value>", "<value>de</value>", `label="Most occupants" var="muc#roomconfig_maxusers"><value>5</value>`,
			`var="muc#roomconfig_whois"><value>anyone</value>`, `var="muc#roomconfig_allowpm"><value>moderators</value>`, "<value>7</value>",
			`var="muc#roomconfig_presencebroadcast"><value>participant</value><value>moderator</value><option`,
			`var="muc#roomconfig_getmemberlist"><value>moderator</value><option`, "cauldron",
			`var="muc#roomconfig_passwordprotectedroom"><value>1</value>`, `var="muc#roomconfig_allowinvites"><value>0</value>`)
		s.do("crone", submit("passwordprotectedroom=0"), `code="104"`)
		s.do("hag", `<presence to="ROOM/secondwitch"><x xmlns=muc/></presence>`, `code="110"`)
		s.do("crone", `<iq type="get" to="ROOM" id="i"><query xmlns=info/></iq>`,
			"muc_unsecured", "muc_nonanonymous", "muc_public", "muc_open", "muc_temporary", "muc_unmoderated", `name="A"`,
			"muc#roominfo_subject", "muc#maxhistoryfetch", "jabber:iq:register", "urn:xmpp:sid:0")
	})
}

// Occupants whose role is not to be shown are heard of by nobody but themselves.
func TestPresenceBroadcast(t *testing.T) {
	play(t, func(t *testing.T) {
		s := plain(t, "presencebroadcast=moderator", "moderatedroom=0")
		s.do("hag", `<presence to="ROOM/secondwitch"><x xmlns=muc/></presence>`, "/firstwitch", `code="110"`)
		s.hears("crone", "silence")
		s.do("wench", `<presence to="ROOM/thirdwitch"><x xmlns=muc/></presence>`, "-secondwitch")
		s.hears("hag", "silence")
		s.do("crone", set(`<item nick="secondwitch" role="moderator"/>`), "/secondwitch", `role="moderator"`)
		s.hears("wench", "/secondwitch")
		s.do("crone", set(`<item nick="secondwitch" role="participant"/>`), `type="unavailable"`)
		s.hears("wench", `type="unavailable"`, "/secondwitch")
		s.do("hag", `<presence to="ROOM/secondwitch" type="unavailable"/>`, `code="110"`)
		s.hears("wench", "silence")
		s.do("crone", submit("presencebroadcast=visitor,participant,moderator"), "/thirdwitch")
	})
}

// XEP-0045, 7.2: who is let in, and what he hears.
func TestEntry(t *testing.T) {
	const x = `<presence to="ROOM/secondwitch"><x xmlns=muc/></presence>`
	for _, p := range []struct {
		name   string
		config []string
		send   string
		want   []string
	}{
		{"veiled", nil, x, []string{`code="110"`, "-100", `affiliation="owner" role="moderator"/>`, "<subject/>"}},
		{"open", []string{"whois=anyone"}, x, []string{`code="100"`, `jid="` + crone}},
		{"logged", []string{"enablelogging=1"}, x, []string{`code="170"`}},
		{"moderated", []string{"moderatedroom=1"}, x, []string{`role="visitor"`}},
		{"password", []string{"roomsecret=s"}, x, []string{"not-authorized"}},
		{"right password", []string{"roomsecret=s"}, `<presence to="ROOM/secondwitch"><x xmlns=muc><password>s</password></x></presence>`, []string{`code="110"`}},
		{"members", []string{"membersonly=1"}, x, []string{"registration-required"}},
		{"full", []string{"maxusers=1"}, x, []string{"service-unavailable"}},
		{"conflict", nil, `<presence to="ROOM/firstwitch"><x xmlns=muc/></presence>`, []string{"conflict"}},
		{"looks the same", nil, `<presence to="ROOM/FirstWitch"><x xmlns=muc/></presence>`, []string{"conflict"}},
		{"looks the same in another script", nil, `<presence to="ROOM/firstwit` + "сһ" + `"><x xmlns=muc/></presence>`, []string{"conflict"}},
		{"no nick", nil, `<presence to="ROOM"><x xmlns=muc/></presence>`, []string{"jid-malformed"}},
		{"no x", nil, `<presence to="ROOM/secondwitch"/>`, []string{"item-not-found"}},
	} {
		t.Run(p.name, func(t *testing.T) {
			play(t, func(t *testing.T) { plain(t, p.config...).do("hag", p.send, p.want...) })
		})
	}
	t.Run("owners and admins find a place", func(t *testing.T) {
		play(t, func(t *testing.T) {
			s := plain(t, "maxusers=1")
			s.do("crone", set(hagAdmin), `type="result"`)
			s.do("hag", x, `code="110"`)
		})
	})
}

// XEP-0045, 7.6 and 7.7: nicks and availability.
func TestNicksInPlainRooms(t *testing.T) {
	play(t, func(t *testing.T) {
		s := plain(t)
		s.enter("hag", "wench")
		s.do("hag", `<presence to="ROOM/oldhag"/>`, `code="303"`, `nick="oldhag"`, `from="demo@conference.meet.example.com/oldhag"`, `code="110"`)
		s.hears("wench", `code="303"`, "/oldhag", "-"+hagBare)
		s.do("wench", `<presence to="ROOM/OldHag"/>`, "conflict")
		s.do("hag", `<presence to="ROOM/OldHag"/>`, `code="303"`, `nick="OldHag"`)
		s.do("wench", `<presence to="ROOM/secondwitch"/>`, `nick="secondwitch"`)
		s.hears("hag")
		s.do("hag", `<presence to="ROOM/OldHag"><show>xa</show><status>gone</status></presence>`, "<show>xa</show>")
		s.hears("wench", "<show>xa</show>")
	})
}

// XEP-0045, 7.2.13: newcomers say how much of the past they want.
func TestHistoryWishes(t *testing.T) {
	for _, p := range []struct {
		name, wish string
		want       []string
	}{
		{"none", ``, []string{"eye of newt", "toe of frog", "wool of bat"}},
		{"maxstanzas", `<history maxstanzas="2"/>`, []string{"-newt", "toe of frog", "wool of bat"}},
		{"nothing", `<history maxstanzas="0"/>`, []string{"-newt", "-frog", "-bat", "<subject/>"}},
		{"maxchars", `<history maxchars="700"/>`, []string{"-newt", "-frog", "wool of bat"}},
		{"maxchars of whole stanzas", `<history maxchars="200"/>`, []string{"-bat"}},
		{"seconds", `<history seconds="90"/>`, []string{"-newt", "toe of frog", "wool of bat"}},
		{"since", `<history since="2000-01-01T00:01:30Z"/>`, []string{"-newt", "-frog", "wool of bat"}},
		{"since, with another zone", `<history since="2000-01-01T01:01:30.5+01:00"/>`, []string{"-frog", "wool of bat"}},
		{"the least counts", `<history maxstanzas="3" seconds="30"/>`, []string{"-frog", "wool of bat"}},
		{"nonsense", `<history maxstanzas="x" since="yesterday"/>`, []string{"eye of newt"}},
	} {
		t.Run(p.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				s := plain(t)
				for _, text := range []string{"eye of newt", "toe of frog", "wool of bat"} {
					s.send("crone", `<message to="ROOM" type="groupchat" id="m"><body>`+text+`</body></message>`)
					s.quiet()
					if text != "wool of bat" {
						time.Sleep(time.Minute) // the bubble's clock
					}
				}
				s.do("hag", `<presence to="ROOM/secondwitch"><x xmlns=muc>`+p.wish+`</x></presence>`, p.want...)
			})
		})
	}
}
