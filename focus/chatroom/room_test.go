package chatroom_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"

	"parley/focus/chatroom"
	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/internal/xmppclient"
)

const addr = "demo@conference.example"

// line is a Link that notes what is sent and lets the test answer.
type line struct {
	t    *testing.T
	sent []string
	open []func(*xmppclient.Stanza, error)
}

func (l *line) Send(o xmppclient.Outgoing) {
	p := o.(xmppclient.Presence)
	out := ""
	for _, x := range p.Payload {
		b, err := xml.Marshal(x)
		if err != nil {
			l.t.Fatal(err)
		}
		out += string(b)
	}
	l.sent = append(l.sent, p.Type+" "+p.To+" "+out)
}

func (l *line) Request(iq xmppclient.IQ, done func(*xmppclient.Stanza, error)) {
	b, err := xml.Marshal(iq.Payload)
	if err != nil {
		l.t.Fatal(err)
	}
	l.sent = append(l.sent, iq.Type+" "+iq.To+" "+string(b))
	l.open = append(l.open, done)
}

// answer answers the oldest open request.
func (l *line) answer(inner string, err error) {
	done := l.open[0]
	l.open = l.open[1:]
	if err != nil {
		done(nil, err)
		return
	}
	done(stanza(l.t, `<iq type="result" id="x" from="`+addr+`">`+inner+`</iq>`), nil)
}

func stanza(t testing.TB, text string) *xmppclient.Stanza {
	st, err := xmppclient.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return st
}

func presence(t testing.TB, nick, kind, affil, extra string, codes ...int) *xmppclient.Stanza {
	var status strings.Builder
	for _, c := range codes {
		fmt.Fprintf(&status, `<status code="%d"/>`, c)
	}
	if kind != "" {
		kind = ` type="` + kind + `"`
	}
	return stanza(t, fmt.Sprintf(`<presence%s from="%s/%s" to="focus@auth.example/focus">%s<x xmlns="%s"><item affiliation="%s" role="participant" jid="%s@example/r"/>%s</x></presence>`,
		kind, addr, nick, extra, ns.MUCUser, affil, nick, &status))
}

const form = `<query xmlns="` + ns.MUCOwner + `"><x xmlns="` + ns.Data + `" type="form"><field var="muc#roominfo_meetingId"><value>m1</value></field><field var="muc#roominfo_isbreakout"><value>1</value></field></x></query>`

// enter makes a room and enters it; the outcome is noted.
func enter(t *testing.T) (*chatroom.Room, *line, *[]string) {
	l := &line{t: t}
	var outcome []string
	r := chatroom.New(addr, "focus", l, func(d string) bool { return d == "rec.example" }, logx.Discard())
	r.Join(func(i chatroom.Info, err error) { outcome = append(outcome, fmt.Sprint(i, err)) })
	return r, l, &outcome
}

func TestJoin(t *testing.T) {
	r, l, outcome := enter(t)
	if want := " " + addr + `/focus <x xmlns="` + ns.MUC + `"></x>`; l.sent[0] != want {
		t.Errorf("sent %s, want %s", l.sent[0], want)
	}
	if e := r.HandlePresence(presence(t, "kim", "", "none", "")); len(e) != 0 {
		t.Errorf("events before we are in: %v", e)
	}
	r.HandlePresence(presence(t, "focus", "", "owner", "", 110, 201))
	if len(l.sent) != 3 {
		t.Fatalf("sent %v", l.sent)
	}
	l.answer(form, nil)
	if r.Inside() {
		t.Error("inside before the room is configured")
	}
	l.answer("", nil)
	if !r.Inside() || (*outcome)[0] != "{m1 true } <nil>" {
		t.Errorf("inside %v, outcome %v", r.Inside(), *outcome)
	}
	if e := r.Release(); len(e) != 1 || e[0].Kind != chatroom.MemberJoined || e[0].Member.Nick != "kim" {
		t.Errorf("released %v", e)
	}
	r.Leave()
	if last := l.sent[len(l.sent)-1]; !strings.HasPrefix(last, "unavailable "+addr+"/focus") {
		t.Errorf("left with %s", last)
	}
}

func TestJoinFails(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(r *chatroom.Room, l *line)
		want string
	}{
		{"refused", func(r *chatroom.Room, _ *line) {
			r.HandlePresence(stanza(t, `<presence type="error" from="`+addr+`/focus"><error type="cancel"><not-allowed xmlns="`+ns.Stanzas+`"/></error></presence>`))
		}, "not-allowed"},
		{"no owner", func(r *chatroom.Room, _ *line) {
			r.HandlePresence(presence(t, "focus", "", "none", "", 110))
		}, "no owner rights"},
		{"no form", func(r *chatroom.Room, l *line) {
			r.HandlePresence(presence(t, "focus", "", "owner", "", 110))
			l.answer("", errors.New("too late"))
		}, "read the room's configuration: too late"},
		{"strange form", func(r *chatroom.Room, l *line) {
			r.HandlePresence(presence(t, "focus", "", "owner", "", 110))
			l.answer(`<other xmlns="urn:x"/>`, nil)
		}, "read the room's configuration"},
		{"given up", func(r *chatroom.Room, _ *line) { r.Failed(errors.New("nobody there")) }, "nobody there"},
		{"destroyed meanwhile", func(r *chatroom.Room, _ *line) {
			r.HandlePresence(presence(t, "focus", "", "owner", "", 110))
			r.HandlePresence(stanza(t, `<presence type="unavailable" from="`+addr+`/focus"><x xmlns="`+ns.MUCUser+`"><item affiliation="none" role="none"/><destroy/></x></presence>`))
		}, "destroyed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, l, outcome := enter(t)
			tc.do(r, l)
			if len(*outcome) != 1 || !strings.Contains((*outcome)[0], tc.want) || r.Inside() {
				t.Errorf("outcome %v, want %q", *outcome, tc.want)
			}
			for len(l.open) > 0 {
				l.answer(form, nil) // late answers change nothing
			}
			if len(*outcome) != 1 {
				t.Errorf("outcomes: %v", *outcome)
			}
		})
	}
}

func inside(t *testing.T) (*chatroom.Room, *line) {
	r, l, _ := enter(t)
	r.HandlePresence(presence(t, "focus", "", "owner", "", 110))
	l.answer(form, nil)
	l.answer("", nil)
	return r, l
}

func TestEndOfAnEarlierStay(t *testing.T) {
	r, _, outcome := enter(t)
	r.HandlePresence(presence(t, "focus", "unavailable", "owner", "", 110))
	if len(*outcome) != 0 {
		t.Errorf("the farewell of an earlier stay ended this one: %v", *outcome)
	}
}

func TestMembers(t *testing.T) {
	r, _ := inside(t)
	info := `<stats-id> Kim-x </stats-id><c xmlns="` + ns.Caps + `" hash="sha-1" node="N" ver="V"/><jitsi_participant_region>eu</jitsi_participant_region><SourceInfo>{"kim-a0":{"muted":false},"kim-v0":{"muted":true}}</SourceInfo><features><feature var="` + ns.Jibri + `"/><feature var="` + ns.FeatureAudioMute + `"/></features>`
	e := r.HandlePresence(presence(t, "kim", "", "none", info))
	if len(e) != 1 || e[0].Kind != chatroom.MemberJoined {
		t.Fatalf("events %v", e)
	}
	m := e[0].Member
	if m.CapsNode != "N#V" || m.Region != "eu" || m.StatsID != "Kim-x" || m.Sending != (chatroom.Sending{Audio: true}) ||
		m.Recorder() || m.Moderator() || m.Real.String() != "kim@example/r" || m.Addr != addr+"/kim" {
		t.Errorf("member %+v", m)
	}
	if e := r.HandlePresence(presence(t, "kim", "", "owner", `<SourceInfo>{bad</SourceInfo>`)); len(e) != 1 || e[0].Kind != chatroom.MemberChanged || !m.Moderator() {
		t.Errorf("events %v, member %+v", e, m)
	}
	if e := r.HandlePresence(presence(t, "kim", "unavailable", "none", "<status>switch_room</status>", 307)); len(e) != 1 || e[0].Kind != chatroom.MemberLeft || !e[0].ToOtherRoom {
		t.Errorf("events %v", e)
	}
	if e := r.HandlePresence(presence(t, "kim", "unavailable", "none", "")); len(e) != 0 {
		t.Errorf("left twice: %v", e)
	}
	rec := `<presence from="` + addr + `/rec"><features><feature var="` + ns.Jibri + `"/></features><x xmlns="` + ns.MUCUser + `"><item affiliation="none" role="participant" jid="r@rec.example/x"/></x></presence>`
	if e := r.HandlePresence(stanza(t, rec)); len(e) != 1 || !e[0].Member.Recorder() {
		t.Errorf("a trusted recorder: %v", e)
	}
	for _, odd := range []string{
		`<presence from="` + addr + `/x"><x xmlns="` + ns.MUCUser + `"><item affiliation="none" role="participant"/></x></presence>`,
		`<presence from="` + addr + `"/>`,
		`<presence from="other@conference.example/x"/>`,
		`<presence type="subscribe" from="` + addr + `/x"/>`,
	} {
		if e := r.HandlePresence(stanza(t, odd)); len(e) != 0 {
			t.Errorf("%s: %v", odd, e)
		}
	}
}

func TestLost(t *testing.T) {
	for _, tc := range []struct {
		name string
		st   *xmppclient.Stanza
		want error
	}{
		{"kicked", presence(t, "focus", "unavailable", "none", "", 110, 307), chatroom.ErrRemoved},
		{"demoted", presence(t, "focus", "", "member", "", 110), chatroom.ErrNotOwner},
		{"destroyed", stanza(t, `<presence type="unavailable" from="`+addr+`/focus"><x xmlns="`+ns.MUCUser+`"><item affiliation="none" role="none"/><destroy/></x></presence>`), chatroom.ErrDestroyed},
	} {
		r, _ := inside(t)
		e := r.HandlePresence(tc.st)
		if len(e) != 1 || e[0].Kind != chatroom.RoomLost || !errors.Is(e[0].Err, tc.want) || r.Inside() {
			t.Errorf("%s: %v", tc.name, e)
		}
	}
}

func TestGrantOwner(t *testing.T) {
	r, l := inside(t)
	r.HandlePresence(presence(t, "kim", "", "none", ""))
	r.GrantOwner(r.Member("kim"))
	want := "set " + addr + ` <query xmlns="` + ns.MUCAdmin + `"><item affiliation="owner" jid="kim@example"></item></query>`
	if got := l.sent[len(l.sent)-1]; got != want {
		t.Errorf("sent %s, want %s", got, want)
	}
	l.answer("", errors.New("no")) // only logged
}

func FuzzPresence(f *testing.F) {
	for _, s := range []string{
		`<presence from="demo@conference.example/kim"><x xmlns="http://jabber.org/protocol/muc#user"><item affiliation="none" role="participant" jid="k@e/r"/></x></presence>`,
		`<presence from="demo@conference.example/focus" type="unavailable"/>`,
		`<presence from="demo@conference.example/kim" type="error"/>`,
		`<presence from="demo@conference.example/a"><SourceInfo>{"a-v0":{}}</SourceInfo></presence>`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		st, err := xmppclient.Parse(raw)
		if err != nil || st.Name != xmppclient.NamePresence {
			t.Skip()
		}
		l := &line{t: t}
		r := chatroom.New(addr, "focus", l, func(string) bool { return false }, logx.Discard())
		r.Join(func(chatroom.Info, error) {})
		r.HandlePresence(presence(t, "focus", "", "owner", "", 110))
		l.answer(form, nil)
		l.answer("", nil)
		for _, e := range r.HandlePresence(st) {
			if e.Kind == chatroom.MemberJoined && r.Member(e.Member.Nick) != e.Member {
				t.Errorf("joined but not there: %+v", e.Member)
			}
		}
	})
}
