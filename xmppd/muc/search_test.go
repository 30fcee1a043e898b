package muc_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"parley/xmppd/muc"
	"parley/xmppd/muc/muctest"
)

// look is a search of XEP-0433 with these fields ("name=value") and a page.
func look(page string, fields ...string) string {
	x := `<field var="FORM_TYPE"><value>urn:xmpp:channel-search:0:search-params</value></field>`
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		x += `<field var="` + name + `"><value>` + value + `</value></field>`
	}
	return `<iq type="get" to="conference.meet.example.com" id="q"><search xmlns="urn:xmpp:channel-search:0:search"><x xmlns=data type="submit">` +
		x + `</x>` + page + `</search></iq>`
}

func TestSearch(t *testing.T) {
	const byAddress, byPeople = "key={urn:xmpp:channel-search:0:order}address", "key={urn:xmpp:channel-search:0:order}nusers"
	rsm := func(in string) string { return `<set xmlns="http://jabber.org/protocol/rsm">` + in + `</set>` }
	play(t, func(t *testing.T) {
		w := muctest.New(t, func(c *muc.Config) { c.AccountRooms = true }, nil)
		s := &script{t: t, w: w, clients: map[string]*muctest.Client{"crone": w.Account(crone), "hag": w.Account(hag)}}
		for i, fields := range [][]string{
			{"roomname=Test Übung", "roomdesc=cakes &amp; ale"}, {"roomname=Tea", "membersonly=1", "whois=moderators"},
			{"roomname=Test hidden", "publicroom=0"}, {"roomdesc=ale tests"},
		} {
			at := func(xml string) string {
				return strings.ReplaceAll(xml, "ROOM", fmt.Sprintf("r%d@conference.meet.example.com", i))
			}
			s.send("crone", at(`<presence to="ROOM/firstwitch"><x xmlns=muc/></presence>`))
			s.send("crone", at(submit(append(fields, "lang=en")...)))
		}
		s.send("hag", `<presence to="r3@conference.meet.example.com/secondwitch"><x xmlns=muc/></presence>`)
		s.quiet()
		finds := func(page string, fields []string, want string) string {
			t.Helper()
			s.send("hag", look(page, fields...))
			got := strings.Join(s.clients["hag"].Take(), "")
			var names []string
			for _, m := range regexp.MustCompile(`address="(r\d)@conference.meet.example.com"`).FindAllStringSubmatch(got, -1) {
				names = append(names, m[1])
			}
			assert.Equal(t, want, strings.Join(names, " "), "%v: %s", fields, got)
			return got
		}
		got := finds("", []string{"q=test"}, "r3 r0")
		assert.Contains(t, got, `<item address="r3@conference.meet.example.com"><name>r3</name><description>ale tests</description><language>en</language><nusers>2</nusers><service-type>xep-0045</service-type><is-open/><anonymity-mode>`)
		assert.Contains(t, got, `<count>2</count>`)
		got = finds("", []string{"q=tea"}, "r1")
		assert.Contains(t, got, `<anonymity-mode>semi</anonymity-mode>`)
		assert.NotContains(t, got, "is-open")
		finds("", []string{"q=ÜBUNG"}, "r0")
		finds("", []string{"q=ale test", byAddress}, "r0 r3")
		finds("", []string{"q=ale", "sindescription=0"}, "")
		finds("", []string{"q=r1", "sinname=false", "sindescription=false"}, "r1")
		finds("", []string{"q=test", "sinname=0", "sindescription=0", "sinaddress=0"}, "")
		finds("", []string{"q=test", "types=xep-0369"}, "")
		finds("", []string{"all=1", byPeople, "unknown=x"}, "r3 r0 r1")
		finds("", []string{"all=true", "q=", byAddress}, "r0 r1 r3")
		finds(rsm("<max>2</max>"), []string{"all=1", byAddress}, "r0 r1")
		got = finds(rsm("<max>2</max><after>r1@conference.meet.example.com</after>"), []string{"all=1", byAddress}, "r3")
		assert.Contains(t, got, `<first index="2">r3@conference.meet.example.com</first>`)
		finds(rsm("<max>2</max><before/>"), []string{"all=1", byAddress}, "r1 r3")
		finds(rsm("<max>1</max><before>r1@conference.meet.example.com</before>"), []string{"all=1", byAddress}, "r0")
		finds(rsm("<max>0</max>"), []string{"all=1"}, "")
		finds(rsm("<index>1</index>"), []string{"all=1", byAddress}, "r1 r3")

		for _, tt := range []struct{ xml, want string }{
			{look("", "all=0"), `<error type="cancel"><bad-request xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/><text`},
			{look(""), `<no-search-conditions xmlns="urn:xmpp:channel-search:0:error"/>`},
			{look("", "q=a", "all=1"), `<conflicting-fields xmlns="urn:xmpp:channel-search:0:error"/>`},
			{look("", "q=a", "key=x"), `<error type="modify"><feature-not-implemented `},
			{look("", "q=a", "key=x"), `<invalid-sort-key xmlns="urn:xmpp:channel-search:0:error"/>`},
			{look("", "q=  "), `<invalid-search-terms `},
			{look("", "q="+strings.Repeat("a ", 17)), `<invalid-search-terms `},
			{look("", "q=a", "sinname=perhaps"), "bad-request"},
			{look(rsm("<max>-1</max>"), "q=a"), "bad-request"},
			{look(rsm("<after>nowhere@conference.meet.example.com</after>"), "all=1"), "item-not-found"},
			{look(rsm("<index>9</index>"), "all=1"), "item-not-found"},
			{strings.Replace(look("", "q=a"), "search-params", "x", 1), "bad-request"},
			{`<iq type="get" to="conference.meet.example.com" id="q"><search xmlns="urn:xmpp:channel-search:0:search"/></iq>`, `type="list-single" label="Order" var="key"`},
			{`<iq type="get" to="conference.meet.example.com" id="q"><query xmlns="http://jabber.org/protocol/disco#info"/></iq>`, `var="urn:xmpp:channel-search:0:search"`},
		} {
			s.do("hag", tt.xml, tt.want)
		}
	})
}
