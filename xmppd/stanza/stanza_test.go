package stanza

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/wire/ns"
)

func mustParse(t testing.TB, s string, o *Options) *Stanza {
	t.Helper()
	st, err := Parse([]byte(s), o)
	if err != nil {
		t.Fatalf("Parse(%s): %v", s, err)
	}
	return st
}

func TestParseHeader(t *testing.T) {
	st := mustParse(t, `<presence xmlns="jabber:client" to='Demo@Conference.example.com/Ann &amp; Bob' id="a&lt;" type='' xml:lang='de' foo='b"r'>
 <x xmlns='http://jabber.org/protocol/muc'><history maxstanzas="0"/></x><SourceInfo>{&quot;a&quot;:1}</SourceInfo><empty/></presence>`, nil)
	if st.Kind != Presence || st.ID != "a<" || st.Lang != "de" || st.Attr("foo") != `b"r` {
		t.Errorf("header: %+v", st)
	}
	if got := st.To.String(); got != "demo@conference.example.com/Ann & Bob" {
		t.Errorf("to = %q", got)
	}
	var names []string
	for _, c := range st.Children() {
		names = append(names, c.Space+" "+c.Name)
	}
	want := []string{ns.MUC + " x", ns.Client + " SourceInfo", ns.Client + " empty"}
	if d := cmp.Diff(want, names); d != "" {
		t.Error(d)
	}
	c, _ := st.Child(ns.Client, "SourceInfo")
	if got := st.ChildText(c); got != `{"a":1}` {
		t.Errorf("text = %q", got)
	}
	if got := string(st.Raw(st.Children()[0])); got != `<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas="0"/></x>` {
		t.Errorf("raw = %s", got)
	}
	if got := st.ChildAttr(st.Children()[0], "xmlns"); got != ns.MUC {
		t.Errorf("child attribute = %q", got)
	}
	without := st.Without(func(c Child) bool { return c.Space == ns.MUC })
	if len(without.Children()) != 2 || without.Has(ns.MUC, "x") || !st.Has(ns.MUC, "x") {
		t.Errorf("Without: %s", without)
	}
}

func TestEncode(t *testing.T) {
	from := MustAddr("room@conference.example.com/ann's")
	st := New(Message, Groupchat, from, MustAddr("x@y"), "m1")
	var b Builder
	b.Leaf("", "body", `<&"'>`)
	b.Start(ns.MUCUser, "x").Empty("", "item", "role", "none", "jid", "").End()
	st = st.WithContent(b.Bytes())
	e := st.Encode()
	got := string(e.Append(nil, MustAddr("bob@example.com/r"), ns.Client))
	want := `<message xmlns="jabber:client" to="bob@example.com/r" type="groupchat" id="m1" from="room@conference.example.com/ann&apos;s"><body>&lt;&amp;&quot;&apos;&gt;</body><x xmlns="http://jabber.org/protocol/muc#user"><item role="none"/></x></message>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	again := mustParse(t, got, nil)
	if again.ChildText(again.Children()[0]) != `<&"'>` {
		t.Error("text changed")
	}
}

func TestErrorReply(t *testing.T) {
	req := mustParse(t, `<iq type="get" id="1" from="a@b/c" to="d"><query xmlns="jabber:iq:version"/></iq>`, nil)
	e := Err(Cancel, NotAllowed, "no")
	e.App = []byte(`<room-mismatch xmlns="http://jitsi.org/jitmeet"/>`)
	got := ErrorReply(req, e).String()
	want := `<iq to="a@b/c" type="error" id="1" from="d"><error type="cancel"><not-allowed xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/><text xmlns="urn:ietf:params:xml:ns:xmpp-stanzas">no</text><room-mismatch xmlns="http://jitsi.org/jitmeet"/></error></iq>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRewrite(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"prefix", `<c:iq xmlns:c="jabber:client" type="get" id="1"><q:query xmlns:q="a"><q:x y=""/><z xmlns="b"/></q:query></c:iq>`,
			`<iq type="get" id="1"><query xmlns="a"><x y=""></x><z xmlns="b"></z></query></iq>`},
		{"cdata", `<message><body><![CDATA[a<b]]></body></message>`, `<message><body>a&lt;b</body></message>`},
		{"attribute", `<iq><q xmlns="a" xmlns:p="u" p:k="v" xml:lang="de"/></iq>`,
			`<iq><q xmlns="a" xmlns:n1="u" n1:k="v" xml:lang="de"></q></iq>`},
		{"stream", `<stream:error><a xmlns="b"/></stream:error>`, `<error><a xmlns="b"></a></error>`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustParse(t, tt.in, nil).String(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestForeignNamespace(t *testing.T) {
	o := &Options{Default: ns.Component, Foreign: ns.Component}
	for _, in := range []string{
		`<iq type="get"><query xmlns="a"/></iq>`,
		`<iq xmlns="jabber:component:accept" type="get"><query xmlns="a"/></iq>`,
	} {
		st := mustParse(t, in, o)
		if st.Kind != IQ || st.Space != ns.Client {
			t.Errorf("%s: %+v", in, st)
		}
	}
	st := mustParse(t, `<iq><error xmlns="jabber:component:accept"/></iq>`, o)
	if got := st.String(); got != `<iq><error></error></iq>` {
		t.Error(got)
	}
}

func TestParseErrors(t *testing.T) {
	deep := strings.Repeat("<a>", 70) + strings.Repeat("</a>", 70)
	tests := []struct{ name, in, condition string }{
		{"comment", `<iq><!-- c --></iq>`, "restricted-xml"},
		{"doctype", `<!DOCTYPE x><iq/>`, "restricted-xml"},
		{"instruction", `<iq><?x y?></iq>`, "restricted-xml"},
		{"entity", `<iq>&nbsp;</iq>`, "restricted-xml"},
		{"bare ampersand", `<iq>a & b</iq>`, "not-well-formed"},
		{"mismatch", `<iq></ip>`, "not-well-formed"},
		{"longer end", `<iq></iqq>`, "not-well-formed"},
		{"unfinished", `<iq><a></iq>`, "not-well-formed"},
		{"twice", `<iq a="1" a="2"/>`, "not-well-formed"},
		{"unquoted", `<iq a=1/>`, "not-well-formed"},
		{"control", "<iq>\x01</iq>", "not-well-formed"},
		{"control reference", "<iq>&#1;</iq>", "restricted-xml"},
		{"latin", "<iq>\xe4</iq>", "unsupported-encoding"},
		{"less in value", `<iq a="<"/>`, "not-well-formed"},
		{"two", `<iq/><iq/>`, "not-well-formed"},
		{"deep", `<iq>` + deep + `</iq>`, "policy-violation"},
		{"large", `<iq>` + strings.Repeat("x", 300<<10) + `</iq>`, "policy-violation"},
		{"prefix", `<iq><p:x/></iq>`, "bad-namespace-prefix"},
		{"end of cdata", `<iq>]]></iq>`, "not-well-formed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.in), nil)
			var pe *ParseError
			if !errors.As(err, &pe) || pe.Condition != tt.condition {
				t.Errorf("got %v, want %s", err, tt.condition)
			}
		})
	}
}

func TestRewriteIsBounded(t *testing.T) {
	in := `<iq xmlns:p="` + strings.Repeat("u", 60<<10) + `">` + strings.Repeat("<p:a/><a/>", 10000) + `</iq>`
	if _, err := Parse([]byte(in), nil); err == nil {
		t.Error("a stanza that grows without bound was taken")
	}
}

func TestAddr(t *testing.T) {
	for in, want := range map[string]string{
		"a@B.c/D":            "a@b.c/D",
		"A@b":                "a@b",
		"b.":                 "b",
		"focus.d/a@b/c":      "focus.d/a@b/c",
		"jürgen@example.com": "jürgen@example.com",
	} {
		a, err := ParseAddr(in)
		if err != nil || a.String() != want {
			t.Errorf("ParseAddr(%q) = %q, %v", in, a, err)
		}
	}
	for _, in := range []string{"", "@b", "a@", "a@b/", "/r", "a b@c", "a@b c", "a@.b", strings.Repeat("x", 1024) + "@b", "a@b/\x01"} {
		if a, err := ParseAddr(in); err == nil {
			t.Errorf("ParseAddr(%q) = %q", in, a)
		}
	}
	a := MustAddr("ann@example.com/r/1@x")
	if a.Local() != "ann" || a.Domain() != "example.com" || a.Resource() != "r/1@x" || a.IsBare() {
		t.Errorf("parts of %v", a)
	}
	if a.Bare() != MustAddr("ann@example.com") || a.Host() != MustAddr("example.com") {
		t.Error("addresses with equal text differ")
	}
	if _, err := NewAddr("a/b", "c", ""); err == nil {
		t.Error("a slash in a local part was taken")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`<iq type="get" id="1"><query xmlns="a"/></iq>`,
		`<c:iq xmlns:c="jabber:client"><q:query xmlns:q="a" q:a="b"/></c:iq>`,
		`<message><body><![CDATA[a<b]]>&#x41;&amp;</body></message>`,
		"<presence to='a@b/c'><x xmlns=\"u\">\n<y a='1' b=\"2\"/></x>ä</presence>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		st, err := Parse(bytes.Clone(b), nil)
		if err != nil {
			return
		}
		want, err := tokens(b)
		if err != nil {
			t.Fatalf("encoding/xml refuses what we took: %v", err)
		}
		if st.Space != ns.Client {
			return
		}
		out := st.Append(nil, "")
		st2, err := Parse(out, nil)
		if err != nil {
			t.Fatalf("not read again: %s: %v", out, err)
		}
		if out2 := st2.Append(nil, ""); !bytes.Equal(out, out2) {
			t.Fatalf("not stable:\n%s\n%s", out, out2)
		}
		got, err := tokens(out)
		if err != nil {
			t.Fatalf("encoding/xml refuses what we wrote: %v", err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("content changed: %s\n%s", d, out)
		}
	})
}

// tokens is what encoding/xml makes of the inside of an element: names and text.
func tokens(b []byte) ([]string, error) {
	d := xml.NewDecoder(io.MultiReader(strings.NewReader(`<w xmlns="jabber:client" xmlns:stream="`+ns.Stream+`">`), bytes.NewReader(b), strings.NewReader(`</w>`)))
	var out []string
	depth := 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		switch x := tok.(type) {
		case xml.StartElement:
			depth++
			out = append(out, "<"+x.Name.Space+" "+x.Name.Local)
		case xml.EndElement:
			depth--
			out = append(out, ">")
		case xml.CharData:
			if n := len(out); n > 0 && strings.HasPrefix(out[n-1], "\"") {
				out[n-1] += string(x)
			} else if len(x) > 0 {
				out = append(out, "\""+string(x))
			}
		}
	}
}

var presence = []byte(`<presence xmlns="jabber:client" to="demo@conference.meet.example.com/aa11bb22"><x xmlns="http://jabber.org/protocol/muc"/><stats-id>Shawna-4vp</stats-id><c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="https://jitsi.org/jitsi-meet" ver="dtzK/3xhISaXUMVg59IpXxdvKyQ="/><SourceInfo>` + strings.Repeat(`{&quot;60f7203f-a0&quot;:{&quot;muted&quot;:false}}`, 20) + `</SourceInfo><jitsi_participant_codecList>av1,vp9,vp8,h264</jitsi_participant_codecList><nick xmlns="http://jabber.org/protocol/nick">Ann</nick></presence>`)

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(presence, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFanOut100(b *testing.B) {
	st, _ := Parse(presence, nil)
	to := MustAddr("aa11bb22-7c1e-4f0b-9d7e-1f6f3a6c5e21@meet.example.com/Rz1")
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		e := st.Encode()
		for range 100 {
			buf = e.Append(buf[:0], to, ns.Client)
		}
	}
}
