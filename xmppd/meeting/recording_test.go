package meeting_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"parley/internal/wire/ns"
	"parley/xmppd/meeting"
	"parley/xmppd/muc/muctest"
	"parley/xmppd/router"
)

// tape is a request to the focus to record, as clients send it.
func tape(attrs string) string {
	return `<iq type="set" to="ROOM/focus" id="r1"><jibri xmlns="` + ns.Jibri + `" ` + attrs + `/></iq>`
}

func app(text string) string { return `app_data="` + strings.ReplaceAll(text, `"`, "&quot;") + `"` }

// Who may record, and what the recorder learns of it (mod_filter_iq_jibri,
// mod_jibri_session).
func TestRecording(t *testing.T) {
	boss := token{moderator: true, features: map[string]bool{"recording": true}, group: "g"}
	for _, c := range []struct {
		name  string
		who   token
		attrs string
		want  string // in what the focus hears; "" for forbidden
	}{
		{"file", boss, `action="start" recording_mode="file" session_id="s"`, `app_data="{"file_recording_metadata":{"initiator":{"id":"u1","group":"g"}}}" action="start" recording_mode="file" session_id="s"`},
		{"data of the client", boss, `action="start" recording_mode="file" ` + app(`{"a":1,"file_recording_metadata":{"share":true,"initiator":{"id":"other"}}}`), `{"a":1,"file_recording_metadata":{"initiator":{"id":"u1","group":"g"},"share":true}}`},
		{"data that is none", boss, `action="start" recording_mode="file" app_data="[1]"`, `app_data="[1]"`},
		{"stop", boss, `action="stop" recording_mode="file"`, `<jibri xmlns="` + ns.Jibri + `" action="stop" recording_mode="file"/>`},
		{"stream without the feature", boss, `action="START" recording_mode="stream"`, ""},
		{"stop without the feature", boss, `action="Stop" recording_mode="stream"`, ""},
		{"another action", token{}, `action="status"`, `action="status"`},
		{"moderator without features", token{moderator: true}, `action="start" recording_mode="stream" streamid="x"`, `streamid="x"`},
		{"nobody in particular", token{}, `action="start" recording_mode="file"`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				s := serving(t, nil)
				f := s.enterFocus()
				claims := c.who.claims()
				claims.User.ID = "u1"
				ann := s.Login(muctest.Ann, router.Info{Anonymous: true, Token: claims})
				ann.Join("aa11bb22")
				ann.Take()
				f.Take()
				ann.Send(tape(c.attrs))
				if c.want == "" {
					hears(t, ann, "forbidden")
					silent(t, f)
					return
				}
				hears(t, f, c.want)
				silent(t, ann)
			})
		})
	}
}

// Whoever was made moderator by the holder of a token acts in his name.
func TestRecordingGranted(t *testing.T) {
	play(t, func(t *testing.T) {
		s := serving(t, nil)
		f := s.enterFocus()
		claims := token{moderator: true, features: map[string]bool{"recording": true}}.claims()
		claims.User.ID = "u1"
		ann := s.Login(muctest.Ann, router.Info{Anonymous: true, Token: claims})
		ann.Join("aa11bb22")
		bob := s.Web(muctest.Bob)
		bob.Join("cc33dd44")
		ann.Send(`<iq type="set" to="ROOM" id="o1"><query xmlns=muc#admin><item affiliation="owner" jid="BOBBARE"/></query></iq>`)
		f.Take()
		bob.Take()
		bob.Send(tape(`action="start" recording_mode="file"`))
		hears(t, f, `"initiator":{"id":"u1"}`)
		ann.Send(`<iq type="set" to="ROOM" id="o2"><query xmlns=muc#admin><item affiliation="member" jid="BOBBARE"/></query></iq>`)
		f.Take()
		bob.Take()
		bob.Send(tape(`action="stop" recording_mode="file"`))
		hears(t, bob, "forbidden")
		silent(t, f)
	})
}

func TestRecordingLimits(t *testing.T) {
	play(t, func(t *testing.T) {
		s, f, ann, _ := meet(t, func(c *meeting.Config) { c.RecordingsPerMinute = 3; c.RecordingsPerAddress = 4 })
		try := func(want string) {
			t.Helper()
			ann.Send(tape(`action="start" recording_mode="stream"`))
			if want == "" {
				hears(t, f, "jibri")
				return
			}
			hears(t, ann, want)
			silent(t, f)
		}
		for range 3 {
			try("")
		}
		try("policy-violation")
		time.Sleep(time.Minute)
		try("")

		// Another room, another person, the same address.
		away := netip.MustParseAddr("192.0.2.1")
		var last *muctest.Client
		for i := range 5 {
			room := fmt.Sprintf("r%d@conference.meet.example.com", i)
			fr := s.Account(fmt.Sprintf("focus@auth.meet.example.com/r%d", i))
			fr.Send(`<presence to="` + room + `/focus"><x xmlns=muc/></presence>`)
			last = s.Login(fmt.Sprintf("0000000%d-1@meet.example.com/x", i), router.Info{Anonymous: true, Token: token{room: "*", moderator: true}.claims(), Client: away})
			last.Send(`<presence to="` + room + `/p"><x xmlns=muc/></presence>`)
			last.Take()
			last.Send(strings.ReplaceAll(tape(`action="start" recording_mode="stream"`), "ROOM", room))
			if i < 4 {
				silent(t, last)
			}
		}
		hears(t, last, "policy-violation")
	})
}

// The focus's own request tells the recorder the meeting (mod_jibri_session).
func TestTellRecorder(t *testing.T) {
	play(t, func(t *testing.T) {
		s := serving(t, nil)
		// The hook is for the rooms of recorders; here these are the same.
		s.Host.Hooks().OnRequest(s.rules.TellRecorder)
		f := s.enterFocus()
		ann := s.Web(muctest.Ann)
		ann.Join("aa11bb22")
		f.Send(`<iq type="get" to="ROOM" id="d"><query xmlns=info/></iq>`)
		_, id, _ := strings.Cut(all(f), "muc#roominfo_meetingId")
		_, id, _ = strings.Cut(id, "<value>")
		id, _, _ = strings.Cut(id, "<")
		assert.Len(t, id, 36)
		ann.Take()
		f.Send(`<iq type="set" to="ROOM/aa11bb22" id="j"><jibri xmlns="` + ns.Jibri + `" action="start" room="ROOM"/></iq>`)
		hears(t, ann, `{"file_recording_metadata":{"conference_details":{"session_id":"`+id+`"}}}`)
		f.Send(`<iq type="set" to="ROOM/aa11bb22" id="j"><jibri xmlns="` + ns.Jibri + `" action="start" room="x@conference.meet.example.com"/></iq>`)
		assert.NotContains(t, all(ann), "app_data")
	})
}

// dialling is a request to call a telephone.
func dialling(to string, headers ...string) string {
	xml := `<iq type="set" to="ROOM/focus" id="d1"><dial xmlns="` + ns.RayoOne + `" to="` + to + `" from="fromnumber">`
	for i := 0; i < len(headers); i += 2 {
		xml += `<header name="` + headers[i] + `" value="` + headers[i+1] + `"/>`
	}
	return xml + `</dial></iq>`
}

// Who may call a telephone, and what the gateway learns of him (mod_filter_iq_rayo).
func TestDialling(t *testing.T) {
	const call = `<dial xmlns="` + ns.RayoOne + `" to="+4930" from="fromnumber"><header name="X-outbound-call-initiator-user" value="u  1"/><header name="X-outbound-call-initiator-group" value="g"/><header name="JvbRoomName" value="` + muctest.Room + `"/></dial>`
	caller := token{features: map[string]bool{"outbound-call": true}, group: "g"}
	for _, c := range []struct {
		name string
		who  token
		xml  string
		want string // in what the focus hears; "" for forbidden
	}{
		{"with the feature", caller, dialling("+4930", "JvbRoomName", "ROOM", "X-Evil", "1", "X-outbound-call-initiator-user", "root", "JvbRoomPassword", "x"), call},
		{"no room", caller, dialling("+4930"), ""},
		{"another room", caller, dialling("+4930", "JvbRoomName", "x@conference.meet.example.com"), ""},
		{"a room twice", caller, dialling("+4930", "JvbRoomName", "ROOM", "JvbRoomName", "x@conference.meet.example.com"), ""},
		{"transcriber without the feature", caller, dialling("jitsi_meet_transcribe", "JvbRoomName", "ROOM"), ""},
		{"nobody in particular", token{}, dialling("+4930", "JvbRoomName", "ROOM"), ""},
		{"moderator", token{moderator: true}, dialling("jitsi_meet_transcribe", "JvbRoomName", "ROOM"), `to="jitsi_meet_transcribe"`},
		{"something else", token{}, `<iq type="set" to="ROOM/focus" id="d1"><hangup xmlns="` + ns.RayoOne + `"/></iq>`, "hangup"},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				s := serving(t, nil)
				f := s.enterFocus()
				claims := c.who.claims()
				claims.User.ID = "u\r\n1"
				ann := s.Login(muctest.Ann, router.Info{Anonymous: true, Token: claims})
				ann.Join("aa11bb22")
				ann.Take()
				f.Take()
				ann.Send(c.xml)
				if c.want == "" {
					hears(t, ann, "forbidden")
					silent(t, f)
					return
				}
				hears(t, f, c.want)
			})
		})
	}
}

func TestDiallingLimits(t *testing.T) {
	play(t, func(t *testing.T) {
		_, f, ann, _ := meet(t, func(c *meeting.Config) { c.CallsPerMinute = 2 })
		ann.Send(`<iq type="set" to="ROOM" id="p"><query xmlns=muc#owner><x xmlns=data type="submit"><field var="FORM_TYPE"><value>http://jabber.org/protocol/muc#roomconfig</value></field><field var="muc#roomconfig_roomsecret"><value>pw</value></field></x></query></iq>`)
		ann.Take()
		f.Take()
		ring := func(to, want string) {
			t.Helper()
			ann.Send(dialling(to, "JvbRoomName", "ROOM"))
			if want == "" {
				hears(t, f, `<header name="JvbRoomPassword" value="pw"/>`)
				return
			}
			hears(t, ann, want)
			silent(t, f)
		}
		ring("+1", "")
		ring("+2", "")
		ring("+3", "resource-constraint")
		ring("jitsi_meet_transcribe", "")
		time.Sleep(9 * time.Second)
		ring("jitsi_meet_transcribe", "resource-constraint")
		time.Sleep(time.Second)
		ring("jitsi_meet_transcribe", "")
		time.Sleep(time.Minute)
		ring("+3", "")
	})
}
