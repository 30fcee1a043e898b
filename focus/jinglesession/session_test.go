package jinglesession_test

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/focus/jinglesession"
	"parley/internal/source"
	"parley/internal/wire/jingle"
	"parley/internal/xmppclient"
)

func set(ssrc uint32) source.Set {
	return source.Set{Sources: []source.Source{{Media: source.Audio, SSRC: ssrc, Name: "x-a0", MSID: "x a"}}}
}

func session(change ...func(*jinglesession.Params)) *jinglesession.Session {
	p := jinglesession.Params{SID: "s", Peer: "r@c/kim", Initiator: "focus@a/focus", BridgeSession: "b",
		Form: jinglesession.JSON, StripLayers: true, Audio: true, Video: true}
	for _, f := range change {
		f(&p)
	}
	return jinglesession.New(p)
}

func TestAdmit(t *testing.T) {
	const me, other = "r@c/kim", "r@c/ada"
	pending, active, ended := session(), session(), session()
	active.Accept()
	ended.End()
	for _, tc := range []struct {
		name   string
		s      *jinglesession.Session
		from   string
		action jingle.Action
		want   string
	}{
		{"accept", pending, me, jingle.SessionAccept, ""},
		{"source-add overtakes", pending, me, jingle.SourceAdd, ""},
		{"accept twice", active, me, jingle.SessionAccept, xmppclient.UnexpectedRequest},
		{"terminate", active, me, jingle.SessionTerminate, ""},
		{"ended", ended, me, jingle.SourceAdd, xmppclient.Gone},
		{"somebody else", active, other, jingle.SourceAdd, xmppclient.ItemNotFound},
		{"somebody else, ended", ended, other, jingle.SourceAdd, xmppclient.ItemNotFound},
		{"not for us", active, me, jingle.SessionInitiate, xmppclient.FeatureNotImplemented},
	} {
		err := tc.s.Admit(tc.from, tc.action)
		if got := condition(err); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	if _, err := jinglesession.Known("nonsense"); condition(err) != xmppclient.BadRequest {
		t.Errorf("unknown action: %v", err)
	}
	if a, err := jinglesession.Known("removesource"); err != nil || a != jingle.SourceRemove {
		t.Errorf("old spelling: %v, %v", a, err)
	}
}

func condition(err *xmppclient.StanzaError) string {
	if err == nil {
		return ""
	}
	return err.Condition
}

func TestQueue(t *testing.T) {
	s := session()
	s.Add("ada", set(1))
	if out := s.Flush(); out != nil {
		t.Errorf("told while pending: %v", out)
	}
	s.Add("bob", set(2))
	s.Remove("bob", set(2)) // cancels out
	s.Add("eve", set(3))
	s.Forget("eve")
	s.Remove("old", set(4))
	s.Accept()
	out := s.Flush()
	var got []string
	for _, j := range out {
		got = append(got, string(j.Action)+" "+j.JSONSources.Text)
	}
	want := []string{
		`source-remove {"sources":{"old":[[],[],[{"s":4,"n":"x-a0","m":"x a"}]]}}`,
		`source-add {"sources":{"ada":[[],[],[{"s":1,"n":"x-a0","m":"x a"}]]}}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if out := s.Flush(); out != nil {
		t.Errorf("told twice: %v", out)
	}
	s.End()
	s.Add("late", set(5))
	if s.Waiting() {
		t.Error("an ended session waits to tell something")
	}
}

func TestRewritingTellsOnlyOfTheBridge(t *testing.T) {
	s := session(func(p *jinglesession.Params) { p.Rewriting = true })
	s.Add("ada", set(1))
	s.Add(source.Feedback, set(2))
	j := s.Initiate(jinglesession.Offer{})
	if text := j.JSONSources.Text; strings.Contains(text, "ada") || !strings.Contains(text, "jvb") {
		t.Errorf("offer says %s", text)
	}
	s.Accept()
	s.Remove("ada", set(1))
	if s.Waiting() {
		t.Error("something is told later")
	}
}

func TestXMLForm(t *testing.T) {
	s := session(func(p *jinglesession.Params) { p.Form = jinglesession.XML })
	s.Add("ada", set(1))
	contents := []jingle.Content{{Name: "audio", Description: &jingle.Description{Media: "audio"}}}
	j := s.Initiate(jinglesession.Offer{Contents: contents, Region: "eu", StartMuted: &jingle.StartMuted{Audio: true}})
	raw, err := xml.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`owner="ada"`, `name="msid" value="x a"`, `region="eu"`, `semantics="BUNDLE"`, `<startmuted `, `initiator="focus@a/focus"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("offer lacks %s: %s", want, raw)
		}
	}
	if j.JSONSources != nil {
		t.Error("both forms")
	}
}

func TestReceiverFilter(t *testing.T) {
	s := session(func(p *jinglesession.Params) { p.Audio = false })
	s.Accept()
	s.Add("ada", set(1))
	if s.Waiting() {
		t.Error("audio is told to a client without audio")
	}
}

func TestTerminate(t *testing.T) {
	s := session()
	j := s.Terminate(jingle.ReasonSuccess, "moving")
	if s.State() != jinglesession.Ended || j.Reason.Condition != "success" || j.Reason.Text != "moving" || j.SID != "s" {
		t.Errorf("%v, %+v", s.State(), j)
	}
	s.Accept()
	if s.State() != jinglesession.Ended {
		t.Error("an ended session came back")
	}
}

func TestSIDsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := jinglesession.NewSID()
		if len(id) != 13 || seen[id] {
			t.Fatalf("sid %q", id)
		}
		seen[id] = true
	}
}
