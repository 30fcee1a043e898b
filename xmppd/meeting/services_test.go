package meeting_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/jwtauth"
	"parley/xmppd/meeting"
	"parley/xmppd/muc/muctest"
	"parley/xmppd/router"
)

const (
	cyd     = "ee55ff66-0b5a-4e53-8a5e-5a0de2b8f222@meet.example.com/Rz3"
	waiting = "demo@lobby.meet.example.com"
)

// meet is a room with the focus, Ann who moderates, and Bob who does not, all
// services on; guests need no token.
func meet(t *testing.T, change func(*meeting.Config)) (s *stage, f, ann, bob *muctest.Client) {
	t.Helper()
	s = serving(t, change)
	f = s.enterFocus()
	ann = s.Login(muctest.Ann, router.Info{Anonymous: true, Room: "demo"})
	ann.Join("aa11bb22", `<nick xmlns=nick>Ann</nick>`)
	f.Send(`<iq type="set" to="ROOM" id="f1"><query xmlns=muc#admin><item affiliation="owner" jid="ANNBARE"/></query></iq>`)
	bob = s.Login(muctest.Bob, router.Info{Anonymous: true, Room: "demo"})
	bob.Join("cc33dd44", `<nick xmlns=nick>Bob</nick>`)
	for _, c := range []*muctest.Client{f, ann, bob} {
		c.Take()
	}
	return s, f, ann, bob
}

func serving(t *testing.T, change func(*meeting.Config)) *stage {
	return newStage(t, func(c *meeting.Config, j *jwtauth.Config) {
		c.Services = meeting.DefaultConfig().Services
		c.Services.FileSharing = true
		j.AllowEmpty = true
		if change != nil {
			change(c)
		}
	})
}

// note is a message of a service.
func note(service, to, json string) string {
	json = strings.NewReplacer("ROOM", muctest.Room).Replace(json)
	return `<message from="` + service + `.meet.example.com" to="` + to + `"><json-message xmlns=jitmeet>` + json + `</json-message></message>`
}

func hears(t *testing.T, c *muctest.Client, want string) {
	t.Helper()
	assert.Contains(t, strings.ReplaceAll(all(c), "&quot;", `"`), want)
}

func silent(t *testing.T, cs ...*muctest.Client) {
	t.Helper()
	for _, c := range cs {
		assert.Empty(t, c.Take())
	}
}

// What strangers, people without rank and nonsense get: the right error, and nobody
// hears of it.
func TestServicesRefuse(t *testing.T) {
	cases := []struct{ name, from, xml, want string }{
		{"stranger", "cyd", `<message to="endconference.meet.example.com"><end_conference/></message>`, "not-acceptable"},
		{"end by no moderator", "bob", `<message to="endconference.meet.example.com"><end_conference/></message>`, "forbidden"},
		{"av moderation by no moderator", "bob", `<message to="avmoderation.meet.example.com"><av_moderation enable="true" mediaType="audio"/></message>`, "forbidden"},
		{"unknown medium", "ann", `<message to="avmoderation.meet.example.com"><av_moderation enable="true" mediaType="smell"/></message>`, "bad-request"},
		{"nothing asked", "ann", `<message to="avmoderation.meet.example.com"><av_moderation mediaType="audio"/></message>`, "bad-request"},
		{"approve nobody", "ann", `<message to="avmoderation.meet.example.com"><av_moderation jidToWhitelist="ROOM/zz" mediaType="audio"/></message>`, "bad-request"},
		{"approve in another room", "ann", `<message to="avmoderation.meet.example.com"><av_moderation jidToWhitelist="x@conference.meet.example.com/cc33dd44" mediaType="audio"/></message>`, "bad-request"},
		{"breakout by no moderator", "bob", `<message to="breakout.meet.example.com"><breakout_rooms type="features/breakout-rooms/add"/></message>`, "forbidden"},
		{"breakout nonsense", "ann", `<message to="breakout.meet.example.com"><breakout_rooms type="x"/></message>`, "bad-request"},
		{"remove unknown breakout", "ann", `<message to="breakout.meet.example.com"><breakout_rooms type="features/breakout-rooms/remove" breakoutRoomJid="x@breakout.meet.example.com"/></message>`, "item-not-found"},
		{"remove the main room", "ann", `<message to="breakout.meet.example.com"><breakout_rooms type="features/breakout-rooms/remove" breakoutRoomJid="ROOM"/></message>`, "item-not-found"},
		{"metadata by no moderator", "bob", `<message to="metadata.meet.example.com"><room_metadata xmlns=jitmeet room="ROOM">{"key":"x","data":1}</room_metadata></message>`, "forbidden"},
		{"metadata of another room", "ann", `<message to="metadata.meet.example.com"><room_metadata xmlns=jitmeet room="x@conference.meet.example.com">{"key":"x","data":1}</room_metadata></message>`, "not-acceptable"},
		{"metadata of no address", "ann", `<message to="metadata.meet.example.com"><room_metadata xmlns=jitmeet room="@@">{"key":"x","data":1}</room_metadata></message>`, "bad-request"},
		{"blocked key", "ann", `<message to="metadata.meet.example.com"><room_metadata xmlns=jitmeet room="ROOM">{"key":"services","data":[]}</room_metadata></message>`, "not-allowed"},
		{"metadata without data", "ann", `<message to="metadata.meet.example.com"><room_metadata xmlns=jitmeet room="ROOM">{"key":"x","data":null}</room_metadata></message>`, "bad-request"},
		{"metadata no JSON", "ann", `<message to="metadata.meet.example.com"><room_metadata xmlns=jitmeet room="ROOM">{"key":"x","data":1}}</room_metadata></message>`, "bad-request"},
		{"metadata with a key of the wrong type", "ann", `<message to="metadata.meet.example.com"><room_metadata xmlns=jitmeet room="ROOM">{"key":1,"data":1}</room_metadata></message>`, "bad-request"},
		{"poll without options", "ann", `<message to="polls.meet.example.com" type="chat"><json-message xmlns=jitmeet>{"type":"polls","command":"new-poll","pollId":"p","question":"?","answers":[]}</json-message></message>`, "bad-request"},
		{"poll with a nameless option", "ann", `<message to="polls.meet.example.com" type="chat"><json-message xmlns=jitmeet>{"type":"polls","command":"new-poll","pollId":"p","question":"?","answers":[{"x":1}]}</json-message></message>`, "bad-request"},
		{"poll without question", "ann", `<message to="polls.meet.example.com" type="chat"><json-message xmlns=jitmeet>{"type":"polls","command":"new-poll","pollId":"p","answers":[{"name":"A"}]}</json-message></message>`, "bad-request"},
		{"poll with body", "ann", `<message to="polls.meet.example.com"><body>x</body><json-message xmlns=jitmeet>{"type":"polls"}</json-message></message>`, "bad-request"},
		{"long poll", "ann", `<message to="polls.meet.example.com"><json-message xmlns=jitmeet>{"type":"polls","command":"new-poll","pollId":"p","question":"` + strings.Repeat("x", 1000) + `","answers":[{"name":"A"}]}</json-message></message>`, "bad-request"},
		{"answer to no poll", "bob", `<message to="polls.meet.example.com"><json-message xmlns=jitmeet>{"type":"polls","command":"answer-poll","pollId":"p","answers":[true]}</json-message></message>`, "item-not-found"},
		{"votes that are none", "bob", `<message to="polls.meet.example.com"><json-message xmlns=jitmeet>{"type":"polls","command":"answer-poll","pollId":"p","answers":["x"]}</json-message></message>`, "bad-request"},
		{"face of nonsense", "bob", `<message to="speakerstats.meet.example.com"><faceLandmarks xmlns=jitmeet room="ROOM" faceExpression="happy" duration="NaN"/></message>`, "bad-request"},
		{"file by somebody who may not", "bob", `<message to="filesharing.meet.example.com"><file-sharing xmlns=jitmeet type="add">{"fileId":"f"}</file-sharing></message>`, "forbidden"},
		{"file by a moderator without the permission", "ann", `<message to="filesharing.meet.example.com"><file-sharing xmlns=jitmeet type="add">{"fileId":"f"}</file-sharing></message>`, "forbidden"},
		{"unknown message", "ann", `<message to="polls.meet.example.com"><body>hi</body></message>`, "service-unavailable"},
		{"unknown request", "ann", `<iq type="set" to="polls.meet.example.com" id="q"><x xmlns="y"/></iq>`, "service-unavailable"},
		{"unknown node", "ann", `<iq type="get" to="lobby.meet.example.com" id="q"><query xmlns=info node="x"/></iq>`, "item-not-found"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				s, f, ann, bob := meet(t, nil)
				people := map[string]*muctest.Client{"ann": ann, "bob": bob, "cyd": s.Web(cyd)}
				people[c.from].Send(c.xml)
				got := all(people[c.from])
				assert.Contains(t, got, `type="error"`)
				assert.Contains(t, got, "<"+c.want+" ")
				delete(people, c.from)
				for _, other := range people {
					silent(t, other)
				}
				silent(t, f)
			})
		})
	}
}

func TestPollVotes(t *testing.T) {
	play(t, func(t *testing.T) {
		s, f, ann, bob := meet(t, nil)
		poll := func(c *muctest.Client, json string) {
			c.Send(`<message to="polls.meet.example.com" type="chat"><json-message xmlns=jitmeet>{"type":"polls",` + json + `}</json-message></message>`)
		}
		poll(ann, `"command":"new-poll","pollId":"p","question":"?","answers":[{"name":"A"},{"name":"B"}],"senderId":"forged"`)
		hears(t, bob, `"senderId":"aa11bb22"`)
		poll(bob, `"command":"answer-poll","pollId":"p","answers":[true,false]`)
		ann.Take()
		f.Take()
		poll(bob, `"command":"answer-poll","pollId":"p","answers":[true,false]`) // the same again
		silent(t, ann, f)
		poll(bob, `"command":"answer-poll","pollId":"p","answers":[false,true,true,true,true]`) // more than there are
		hears(t, ann, `"answers":[false,true,true,true,true]`)
		c := s.Web(cyd)
		c.Join("ee55ff66")
		hears(t, c, `"answers":[{"name":"A"},{"name":"B","voters":[{"id":"cc33dd44","name":"Bob"}]}]`)
		poll(bob, `"command":"answer-poll","pollId":"p","answers":[false,false]`)
		for i := range 200 {
			poll(ann, fmt.Sprintf(`"command":"new-poll","pollId":"x%d","question":"?","answers":[{"name":"A"}]`, i))
		}
		hears(t, ann, "resource-constraint")
		d := s.Web("dd55ff66-0b5a-4e53-8a5e-5a0de2b8f222@meet.example.com/Rz3")
		d.Join("dd55ff66")
		got := strings.ReplaceAll(all(d), "&quot;", `"`)
		assert.Equal(t, 128, strings.Count(got, `"pollId":`))
		assert.NotContains(t, got, "voters", "taken back")
	})
}

// Polls of before 2025 go through the room; both generations hear of them.
func TestLegacyPolls(t *testing.T) {
	play(t, func(t *testing.T) {
		s, _, ann, bob := meet(t, nil)
		ann.Send(`<message to="ROOM" type="groupchat"><json-message xmlns=jitmeet>{"type":"new-poll","pollId":"p","senderId":"forged","senderName":"X","question":"?","answers":["A","B"]}</json-message></message>`)
		got := strings.ReplaceAll(all(bob), "&quot;", `"`)
		assert.Contains(t, got, `from="`+muctest.Room+`/aa11bb22"`)
		assert.Contains(t, got, `"command":"new-poll","pollId":"p","question":"?","answers":[{"name":"A"},{"name":"B"}],"senderId":"aa11bb22"`)
		bob.Send(`<message to="ROOM" type="groupchat"><json-message xmlns=jitmeet>{"type":"answer-poll","pollId":"p","voterId":"x","answers":[false,true]}</json-message></message>`)
		c := s.Web(cyd)
		c.Join("ee55ff66")
		got = strings.ReplaceAll(all(c), "&quot;", `"`)
		assert.Contains(t, got, `{"polls":[{"id":"p","senderId":"aa11bb22","senderName":"Ann","question":"?","answers":[{"name":"A","voters":{}},{"name":"B","voters":{"cc33dd44":"Bob"}}]}],"type":"old-polls"}`)
		assert.Contains(t, got, `"command":"old-polls"`)
		// What a client of today says reaches the others, too.
		c.Send(`<message to="polls.meet.example.com" type="chat"><json-message xmlns=jitmeet>{"type":"polls","command":"answer-poll","pollId":"p","answers":[true,false]}</json-message></message>`)
		got = strings.ReplaceAll(all(ann), "&quot;", `"`)
		assert.Contains(t, got, `type="groupchat" from="`+muctest.Room+`/ee55ff66"><json-message xmlns="http://jitsi.org/jitmeet">{"type":"answer-poll","pollId":"p","voterId":"ee55ff66","answers":[true,false]}`)
	})
}

func TestSpeakerStats(t *testing.T) {
	play(t, func(t *testing.T) {
		s, _, ann, bob := meet(t, nil)
		speaks := func(c *muctest.Client, silence string) {
			c.Send(`<message to="speakerstats.meet.example.com"><speakerstats xmlns=jitmeet room="ROOM" silence="` + silence + `"/></message>`)
			c.Take()
		}
		speaks(ann, "false")
		time.Sleep(5 * time.Second)
		speaks(bob, "false")
		time.Sleep(time.Second)
		speaks(bob, "true") // silence stops the clock
		time.Sleep(10 * time.Second)
		bob.Send(`<message to="speakerstats.meet.example.com"><faceLandmarks xmlns=jitmeet room="ROOM" faceExpression="happy" duration="3" timestamp="17"/></message>`)
		bob.Send(`<presence to="ROOM/cc33dd44" type="unavailable"/>`)
		bob.Take()
		c := s.Web(cyd)
		c.Join("ee55ff66")
		got := strings.ReplaceAll(all(c), "&quot;", `"`)
		assert.Contains(t, got, `"aa11bb22":{"totalDominantSpeakerTime":5000,"faceLandmarks":[],`)
		assert.Contains(t, got, `"cc33dd44":{"displayName":"Bob","totalDominantSpeakerTime":1000,"faceLandmarks":[{"duration":3,"faceExpression":"happy","timestamp":17}],"facialExpressions":{"angry":0,"disgusted":0,"fearful":0,"happy":3,`)
	})
}

// Long names are cut where they are kept.
func TestLongNames(t *testing.T) {
	play(t, func(t *testing.T) {
		_, _, ann, bob := meet(t, nil)
		bob.Send(`<presence to="ROOM/cc33dd44"><nick xmlns=nick>` + strings.Repeat("ä", 50000) + `</nick></presence>`)
		ann.Send(`<message to="polls.meet.example.com" type="chat"><json-message xmlns=jitmeet>{"type":"polls","command":"new-poll","pollId":"p","question":"?","answers":[{"name":"A"}]}</json-message></message>`)
		ann.Take()
		bob.Send(`<message to="polls.meet.example.com" type="chat"><json-message xmlns=jitmeet>{"type":"polls","command":"answer-poll","pollId":"p","answers":[true]}</json-message></message>`)
		hears(t, ann, `"senderName":"`+strings.Repeat("ä", 128)+`"`)
	})
}

func TestMetadataBounds(t *testing.T) {
	play(t, func(t *testing.T) {
		_, f, ann, bob := meet(t, nil)
		write := func(key, data string) {
			ann.Send(`<message to="metadata.meet.example.com"><room_metadata xmlns=jitmeet room="ROOM">{"key":"` + key + `","data":` + data + `,"type":"room_metadata"}</room_metadata></message>`)
		}
		write("a", `{"big":12345678901234567890}`)
		hears(t, bob, `{"metadata":{"a":{"big":12345678901234567890}},"type":"room_metadata"}`)
		hears(t, f, `{"metadata":{"a":{"big":12345678901234567890},"moderators":[]},"type":"room_metadata"}`)
		write("a", `{"big":12345678901234567890}`) // nothing new
		silent(t, bob, f)
		write("b", `"`+strings.Repeat("x", 60<<10)+`"`)
		ann.Take()
		write("c", `"`+strings.Repeat("x", 10<<10)+`"`)
		hears(t, ann, "resource-constraint")
		for i := range 100 {
			write(fmt.Sprint("k", i), "1")
		}
		hears(t, ann, "resource-constraint")
	})
}

// Approving somebody while nothing is moderated asks him to speak; newcomers hear
// what is moderated, moderators the lists.
func TestAVModerationOfNewcomers(t *testing.T) {
	play(t, func(t *testing.T) {
		s, f, ann, bob := meet(t, nil)
		ask := func(attrs string) {
			ann.Send(`<message to="avmoderation.meet.example.com"><av_moderation ` + attrs + `/></message>`)
		}
		ask(`jidToWhitelist="ROOM/cc33dd44" mediaType="audio"`)
		bob.Hears(note("avmoderation", "BOB", `{"type":"av_moderation","room":"ROOM","mediaType":"audio","approved":true,"from":"ROOM/aa11bb22"}`))
		silent(t, ann, f)
		ask(`enable="true" mediaType="audio"`)
		got := f.Take()
		require.Len(t, got, 2)
		assert.Contains(t, got[0], "whitelists", "the focus hears first whom to spare")
		got = ann.Take()
		require.Len(t, got, 2)
		assert.Contains(t, got[1], "whitelists")
		assert.Len(t, bob.Take(), 1)
		ask(`enable="true" mediaType="audio"`) // is so already
		ask(`enable="false" mediaType="video"`)
		silent(t, ann, bob, f)
		c := s.Web(cyd)
		c.Join("ee55ff66")
		text := strings.ReplaceAll(all(c), "&quot;", `"`)
		assert.Contains(t, text, `"startMuted":{"audio":true}`)
		assert.Contains(t, text, `"enabled":true,"actor":"`+muctest.Room+`/aa11bb22"`)
		assert.NotContains(t, text, "whitelists")
		ann.Take()
		f.Send(`<iq type="set" to="ROOM" id="f2"><query xmlns=muc#admin><item affiliation="owner" jid="BOBBARE"/></query></iq>`)
		hears(t, bob, `"whitelists":{"audio":["`+muctest.Room+`/aa11bb22"]}`)
		// Who leaves takes his leave to speak with him.
		ask(`jidToWhitelist="ROOM/ee55ff66" mediaType="audio"`)
		c.Send(`<presence to="ROOM/ee55ff66" type="unavailable"/>`)
		ann.Take()
		ask(`jidToWhitelist="ROOM/cc33dd44" mediaType="audio"`)
		hears(t, ann, `"whitelists":{"audio":["`+muctest.Room+`/aa11bb22","`+muctest.Room+`/cc33dd44"]}`)
	})
}

const owner = `<iq type="set" to="ROOM" id="o"><query xmlns=muc#owner><x xmlns=data type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field>`

func lobbyOn(c *muctest.Client, on string) {
	c.Send(`<iq type="set" to="ROOM" id="m"><query xmlns=muc#admin><item affiliation="member" jid="BOBBARE"/></query></iq>`)
	c.Send(owner + `<field var="muc#roomconfig_membersonly"><value>` + on + `</value></field></x></query></iq>`)
	c.Take()
}

func knocker(s *stage, addr, nick, name string) *muctest.Client {
	c := s.Login(addr, router.Info{Anonymous: true, Room: "demo"})
	c.Send(`<presence to="` + waiting + `/` + nick + `"><x xmlns=muc/><nick xmlns=nick>` + name + `</nick></presence>`)
	return c
}

// People in a lobby hear nothing of each other, by no way.
func TestLobbyKeepsApart(t *testing.T) {
	play(t, func(t *testing.T) {
		s, _, ann, bob := meet(t, nil)
		lobbyOn(ann, "true")
		bob.Take()
		c := knocker(s, cyd, "11111111", "Cyd")
		d := knocker(s, "dd55ff66-0b5a-4e53-8a5e-5a0de2b8f222@meet.example.com/Rz3", "22222222", "Dan")
		c.Take()
		d.Take()
		silent(t, bob)
		ann.Take()
		ann.Send(`<presence to="` + waiting + `/33333333"><x xmlns=muc/></presence>`)
		got := ann.Take()
		require.Len(t, got, 4, "both, herself, the subject")
		assert.Contains(t, got[2], `affiliation="owner" role="moderator"`)
		silent(t, c, d)
		for _, xml := range []string{
			`<message to="` + waiting + `/22222222" type="chat"><body>x</body></message>`,
			`<iq to="` + waiting + `/22222222" type="get" id="p"><ping xmlns=ping/></iq>`,
			`<iq to="` + waiting + `" type="get" id="p"><query xmlns=muc#admin><item role="participant"/></query></iq>`,
			`<iq to="` + waiting + `" type="get" id="p"><query xmlns=muc#owner/></iq>`,
			`<iq to="` + waiting + `" type="set" id="p"><query xmlns=muc#admin><item nick="22222222" role="none"/></query></iq>`,
		} {
			c.Send(xml)
			assert.Contains(t, all(c), `type="error"`, xml)
			silent(t, d)
		}
		// What one says to all only moderators hear.
		c.Send(`<message to="` + waiting + `" type="groupchat"><body>let me in</body></message>`)
		assert.Len(t, ann.Take(), 1)
		assert.Len(t, c.Take(), 1)
		silent(t, d)
		// Nor do they hear who moderates.
		ann.Send(`<iq type="set" to="ROOM" id="g"><query xmlns=muc#admin><item affiliation="owner" jid="BOBBARE"/></query></iq>`)
		assert.NotEmpty(t, ann.Take())
		silent(t, c, d)
		ann.Send(`<iq type="set" to="` + waiting + `" id="g"><query xmlns=muc#admin><item affiliation="owner" nick="11111111"/></query></iq>`)
		hears(t, ann, "not-allowed")
		silent(t, c, d)
		// Nor does a moderator change the lobby itself.
		ann.Send(`<iq type="set" to="` + waiting + `" id="o"><query xmlns=muc#owner><x xmlns=data type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field><field var="muc#roomconfig_membersonly"><value>1</value></field></x></query></iq>`)
		hears(t, ann, "not-allowed")
	})
}

// Two are let in with one message; another is refused; the right password, the
// whitelist and a rank need no leave.
func TestLobbyDoors(t *testing.T) {
	play(t, func(t *testing.T) {
		s, _, ann, _ := meet(t, func(c *meeting.Config) { c.Whitelist = []string{"auth.meet.example.com"} })
		lobbyOn(ann, "true")
		c := knocker(s, cyd, "11111111", "Cyd")
		dan := "dd55ff66-0b5a-4e53-8a5e-5a0de2b8f222@meet.example.com/Rz3"
		d := knocker(s, dan, "22222222", "Dan")
		c.Take()
		d.Take()
		ann.Send(`<message to="ROOM" id="i"><x xmlns=muc#user><invite to="` + cyd + `"/><invite to="` + dan + `"/></x></message>`)
		hears(t, c, `<invite from="`+muctest.Ann+`">`)
		hears(t, d, `<invite from="`+muctest.Ann+`">`)
		got := strings.ReplaceAll(all(ann), "&quot;", `"`)
		assert.Contains(t, got, `{"type":"lobby-notify","event":"LOBBY-ACCESS-GRANTED","value":"`+waiting+`/11111111","name":"Cyd"}`)
		assert.Contains(t, got, `"value":"`+waiting+`/22222222"`)
		c.Join("ee55ff66")
		assert.Contains(t, all(c), `affiliation="member"`)
		// With a password.
		ann.Send(owner + `<field var="muc#roomconfig_roomsecret"><value>pw</value></field></x></query></iq>`)
		e := s.Web("ab55ff66-0b5a-4e53-8a5e-5a0de2b8f222@meet.example.com/1")
		e.Send(`<presence to="ROOM/ab55ff66"><x xmlns=muc><password>no</password></x><nick xmlns=nick>E</nick></presence>`)
		assert.Contains(t, all(e), "registration-required")
		e.Send(`<presence to="ROOM/ab55ff66"><x xmlns=muc><password>pw</password></x><nick xmlns=nick>E</nick></presence>`)
		assert.Contains(t, all(e), isInside)
		// Let in before the password came: it is put in for him.
		d.Join("dd55ff66")
		assert.Contains(t, all(d), isInside)
		w := s.Account("jibri@auth.meet.example.com/1")
		w.Join("jibri")
		assert.Contains(t, all(w), isInside)
		// Who may not let in cannot.
		d.Send(`<message to="ROOM" id="i"><x xmlns=muc#user><invite to="` + cyd + `"/></x></message>`)
		assert.Contains(t, all(d), "forbidden")
		// The node tells clients to ask for a name first.
		x := s.Login("cb55ff66-0b5a-4e53-8a5e-5a0de2b8f222@meet.example.com/1", router.Info{Anonymous: true, Room: "Demo"})
		x.Send(`<iq type="get" to="lobby.meet.example.com" id="n"><query xmlns=info node="lobbyrooms"/></iq>`)
		assert.Contains(t, all(x), "displayname_required")
		// The end of the room is the end of the lobby.
		y := knocker(s, "db55ff66-0b5a-4e53-8a5e-5a0de2b8f222@meet.example.com/1", "44444444", "Y")
		y.Take()
		ann.Send(`<message to="endconference.meet.example.com"><end_conference/></message>`)
		assert.Contains(t, all(y), `type="unavailable"`)
	})
}

// A tenant's meeting has its lobby and its messages under the tenant's addresses.
func TestTenant(t *testing.T) {
	play(t, func(t *testing.T) {
		s := serving(t, nil)
		s.Router.AddTenants("conference", muctest.Domain, s.Host)
		const room, lobby = "demo@conference.acme.meet.example.com", "demo@lobby.acme.meet.example.com"
		f := s.Account(muctest.Focus)
		f.Send(`<presence to="` + room + `/focus"><x xmlns=muc/></presence>`)
		ann := s.Login(muctest.Ann, router.Info{Anonymous: true, Room: "demo", Prefix: "acme"})
		ann.Send(`<presence to="` + room + `/aa11bb22"><x xmlns=muc/></presence>`)
		f.Send(`<iq type="set" to="` + room + `" id="f1"><query xmlns=muc#admin><item affiliation="owner" jid="ANNBARE"/></query></iq>`)
		ann.Take()
		ann.Send(`<message to="avmoderation.meet.example.com"><av_moderation enable="true" mediaType="video"/></message>`)
		hears(t, ann, `"room":"`+room+`","mediaType":"video","enabled":true,"actor":"`+room+`/aa11bb22"`)
		ann.Send(strings.ReplaceAll(owner, "ROOM", room) + `<field var="muc#roomconfig_membersonly"><value>1</value></field></x></query></iq>`)
		ann.Take()
		bob := s.Login(muctest.Bob, router.Info{Anonymous: true, Room: "demo", Prefix: "acme"})
		bob.Send(`<presence to="` + room + `/cc33dd44"><x xmlns=muc/><nick xmlns=nick>Bob</nick></presence>`)
		assert.Contains(t, all(bob), "<lobbyroom>"+lobby+"</lobbyroom>")
		bob.Send(`<presence to="` + lobby + `/11111111"><x xmlns=muc/><nick xmlns=nick>Bob</nick></presence>`)
		assert.Contains(t, all(bob), isInside)
		bob.Send(`<iq type="get" to="lobby.meet.example.com" id="n"><query xmlns=info node="lobbyrooms"/></iq>`)
		assert.Contains(t, all(bob), "displayname_required")
		ann.Send(`<message to="` + room + `" id="i"><x xmlns=muc#user><invite to="BOB"/></x></message>`)
		hears(t, ann, `"value":"`+lobby+`/11111111"`)
	})
}

func TestNobodyOpensALobby(t *testing.T) {
	play(t, func(t *testing.T) {
		s, _, ann, _ := meet(t, nil)
		c := knocker(s, cyd, "11111111", "Cyd")
		assert.Contains(t, all(c), "Room creation is restricted")
		ann.Send(`<presence to="` + waiting + `/33333333"><x xmlns=muc/></presence>`)
		assert.Contains(t, all(ann), "Room creation is restricted")
	})
}

// A group that is emptied, joined from outside, under a taken name, and its end.
func TestBreakoutRules(t *testing.T) {
	play(t, func(t *testing.T) {
		s, f, ann, bob := meet(t, nil)
		ann.Send(`<message to="breakout.meet.example.com"><breakout_rooms type="features/breakout-rooms/add" subject="Team"/></message>`)
		time.Sleep(time.Second)
		text := strings.ReplaceAll(all(ann), "&quot;", `"`)
		node := breakoutNode.FindString(text)
		require.NotEmpty(t, node, text)
		group := node + ".meet.example.com"
		assert.Contains(t, text, `"participants":{}`)
		f.Send(`<presence to="` + group + `/focus"><x xmlns=muc/></presence>`)
		f.Take()
		// Somebody who never was in the meeting.
		c := s.Web(cyd)
		c.Send(`<presence to="` + group + `/ee55ff66"><x xmlns=muc/></presence>`)
		c.Hears(`<presence type="error" from="` + group + `/ee55ff66" to="` + cyd + `"><error type="cancel"><not-allowed xmlns=stanzas/><text xmlns=stanzas>*</text></error></presence>`)
		// Somebody who was, with another's name.
		c.Join("ee55ff66")
		c.Send(`<presence to="ROOM/ee55ff66" type="unavailable"><status>switch_room</status></presence>`)
		c.Take()
		c.Send(`<presence to="` + group + `/cc33dd44"><x xmlns=muc/></presence>`)
		assert.Contains(t, all(c), "<conflict ")
		// His own name is kept for him meanwhile.
		d := s.Web("dd55ff66-0b5a-4e53-8a5e-5a0de2b8f222@meet.example.com/Rz3")
		d.Join("ee55ff66")
		assert.Contains(t, all(d), "<conflict ")
		c.Send(`<presence to="` + group + `/ee55ff66"><x xmlns=muc/></presence>`)
		text = all(c)
		assert.Contains(t, text, isInside)
		assert.Contains(t, text, "<subject>Team</subject>")
		// A moderator moderates there, too.
		ann.Send(`<presence to="ROOM/aa11bb22" type="unavailable"/>`)
		ann.Send(`<presence to="` + group + `/aa11bb22"><x xmlns=muc/></presence>`)
		assert.Contains(t, all(ann), `affiliation="owner" role="moderator"`)
		// What is granted there holds everywhere.
		ann.Send(`<iq type="set" to="` + group + `" id="g"><query xmlns=muc#admin><item affiliation="owner" jid="` + strings.Split(cyd, "/")[0] + `"/></query></iq>`)
		c.Send(`<message to="breakout.meet.example.com"><breakout_rooms type="features/breakout-rooms/move-to-room" participantJid="BOB" roomJid="` + group + `"/></message>`)
		assert.NotContains(t, all(c), `type="error"`)
		hears(t, bob, `"event":"features/breakout-rooms/move-to-room","roomJid":"`+group+`"`)
		// Everybody goes.
		for who, room := range map[*muctest.Client]string{ann: group + "/aa11bb22", c: group + "/ee55ff66", bob: muctest.Room + "/cc33dd44"} {
			who.Send(`<presence to="` + room + `" type="unavailable"/>`)
		}
		f.Take()
		time.Sleep(4 * time.Second)
		assert.NotContains(t, all(f), "<destroy")
		time.Sleep(2 * time.Second)
		text = all(f)
		assert.Contains(t, text, "All occupants left.")
		assert.Contains(t, text, group)
	})
}

func TestInvalidBreakout(t *testing.T) {
	play(t, func(t *testing.T) {
		_, f, ann, _ := meet(t, nil)
		const room = "x1@breakout.meet.example.com"
		ann.Send(`<presence to="` + room + `/aa11bb22"><x xmlns=muc/></presence>`)
		assert.Contains(t, all(ann), "Room creation is restricted")
		f.Send(`<presence to="` + room + `/focus"><x xmlns=muc/></presence>`)
		assert.Contains(t, all(f), "Breakout room is invalid.")
	})
}

// What is told at the log-in is what the questions would bring.
func TestWelcome(t *testing.T) {
	play(t, func(t *testing.T) {
		s, _, ann, _ := meet(t, nil)
		lobbyOn(ann, "true")
		w := s.rules.Welcome(ann.Session)
		assert.Equal(t, "meet.example.com", w.From.String())
		text := w.String()
		assert.Contains(t, text, `<identity category="component" type="polls" name="polls.meet.example.com"/>`)
		assert.Contains(t, text, `<feature var="http://jitsi.org/protocol/lobbyrooms#displayname_required"/><feature var="http://jitsi.org/protocol/breakout_rooms#rename"/>`)
		assert.Nil(t, s.rules.Welcome(s.Login(cyd, router.Info{Transport: "tcp"}).Session))
	})
}

func TestDurationForOldClients(t *testing.T) {
	play(t, func(t *testing.T) {
		s, _, _, _ := meet(t, nil)
		c := s.Web(cyd)
		c.Join("ee55ff66")
		hears(t, c, `{"type":"conference_duration","created_timestamp":946684800000}`)
	})
}
