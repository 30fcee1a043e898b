package stream

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"parley/internal/wire/ns"
)

// endless gives a beginning, and then the same for ever, as a peer that wants to fill
// our memory. It counts.
type endless struct {
	begin, again string
	given        int
}

func (e *endless) Read(b []byte) (int, error) {
	n := 0
	if e.given < len(e.begin) {
		n = copy(b, e.begin[e.given:])
	}
	for n < len(b) {
		n += copy(b[n:], e.again[(e.given+n-len(e.begin))%len(e.again):])
	}
	e.given += n
	return n, nil
}

// TestEndlessIsBounded: whatever a peer goes on with, he is stopped when the limit of
// a stanza is reached, and not much more than that was kept of it.
func TestEndlessIsBounded(t *testing.T) {
	const limit = 64 << 10
	for name, in := range map[string]endless{
		"attribute of a gigabyte": {begin: open + `<a b="`, again: "xxxxxxxx"},
		"text":                    {begin: open + `<a>`, again: "text "},
		"CDATA":                   {begin: open + `<a><![CDATA[`, again: "]] "},
		"name":                    {begin: open + `<a`, again: "aaaaaaaa"},
		"namespace":               {begin: open + `<a xmlns:p="`, again: "uuuuuuuu"},
		"blanks in a tag":         {begin: open + `<a `, again: "\t \n "},
		"children":                {begin: open + `<a>`, again: "<b/>"},
		"siblings with text":      {begin: open + `<a>`, again: "<b>x</b>"},
		"references":              {begin: open + `<a>`, again: "&amp;"},
		"end tag":                 {begin: open + `<a></`, again: "aaaaaaaa"},
		"header":                  {begin: `<stream:stream x="`, again: "xxxxxxxx"},
		"declaration":             {begin: `<?xml version="1.0" `, again: "        "},
	} {
		t.Run(name, func(t *testing.T) {
			x := NewReader(&in, ns.Client, limit)
			var err error
			for err == nil {
				_, err = x.Next()
			}
			var se *Error
			if !errors.As(err, &se) {
				t.Errorf("got %v", err)
			}
			if in.given > limit+maxHeader || cap(x.buf) > 2*limit {
				t.Errorf("%d bytes were read, %d are kept", in.given, cap(x.buf))
			}
		})
	}
}

// TestWhiteSpaceIsFree: blanks between stanzas keep a connection alive, and are not kept.
func TestWhiteSpaceIsFree(t *testing.T) {
	r := io.MultiReader(strings.NewReader(open), io.LimitReader(&endless{again: " \n"}, 10<<20), strings.NewReader("<a/>"))
	x := NewReader(r, ns.Client, 10_000)
	for _, want := range []EventKind{Opened, Element} {
		if ev, err := x.Next(); err != nil || ev.Kind != want {
			t.Fatalf("%v %v", ev, err)
		}
	}
	if cap(x.buf) > 2*keepSize {
		t.Errorf("%d bytes are kept", cap(x.buf))
	}
}

// TestMarkupAttacks: what XML can do to a reader that believes it.
func TestMarkupAttacks(t *testing.T) {
	const laughs = `<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;">]>`
	for _, tt := range []struct{ name, in, condition string }{
		{"billion laughs before the stream", laughs + open, RestrictedXML},
		{"billion laughs in the stream", open + laughs, RestrictedXML},
		{"external entity", `<!DOCTYPE x SYSTEM "file:///etc/passwd">` + open, RestrictedXML},
		{"own entity", open + `<a>&lol;</a>`, RestrictedXML},
		{"entity in a value", open + `<a b="&lol;"/>`, RestrictedXML},
		{"reference to nothing", open + `<a>&#0;</a>`, RestrictedXML},
		{"reference to a surrogate", open + `<a>&#xD800;</a>`, RestrictedXML},
		{"endless reference", open + `<a>&` + strings.Repeat("x", 200) + `</a>`, NotWellFormed},
		{"bad UTF-8", open + "<a>\xc0\xaf</a>", UnsupportedEncoding},
		{"half a character", open + "<a>\xe2\x82</a>", UnsupportedEncoding},
		{"surrogate in UTF-8", open + "<a>\xed\xa0\x80</a>", UnsupportedEncoding},
		{"bad UTF-8 in a name", open + "<a\xff/>", UnsupportedEncoding},
		{"prefix of nobody", open + `<p:a/>`, BadNamespacePrefix},
		{"prefix of nobody in an attribute", open + `<a p:b="x"/>`, BadNamespacePrefix},
		{"prefix closed as another", open + `<p:a xmlns:p="u" xmlns:q="u"></q:a>`, NotWellFormed},
		{"prefix out of scope", open + `<a><p:b xmlns:p="u"/><p:c/></a>`, BadNamespacePrefix},
		{"name of two prefixes", open + `<a:b:c xmlns:a="u"/>`, NotWellFormed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
				_, err := events(r, 10_000)
				var se *Error
				if !errors.As(err, &se) || se.Condition != tt.condition {
					t.Errorf("got %v, want %s", err, tt.condition)
				}
			}
		})
	}
}

// TestPrefixTricks: an element is what its namespace says, whatever prefix it wears.
func TestPrefixTricks(t *testing.T) {
	in := open + `<c:message xmlns:c="jabber:client" id="1"><c:body>x</c:body></c:message>` +
		`<message id="2"><stream:error/></message>` +
		`<q:message id="3"/></stream:stream>`
	got, err := events(strings.NewReader(in), 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`<message id="1"><body>x</body></message>`,
		`<message id="2"><error xmlns="http://etherx.jabber.org/streams"></error></message>`, `<message id="3" xmlns="urn:q"`} {
		if !strings.HasPrefix(got[i+1], strings.TrimSuffix(want, ` xmlns="urn:q"`)) {
			t.Errorf("got %s, want %s", got[i+1], want)
		}
	}
	x := NewReader(strings.NewReader(in), ns.Client, 10_000)
	last := ""
	for ev, err := x.Next(); err == nil && ev.Kind != Closed; ev, err = x.Next() {
		if ev.Kind == Element {
			last = ev.Stanza.Space
		}
	}
	if last != "urn:q" {
		t.Errorf("a message of another namespace is taken for one of %q", last)
	}
}

// TestByteByByte: the slowest sender costs no more than the quickest: what was looked
// at is not looked at again.
func TestByteByByte(t *testing.T) {
	in := open + `<a>` + strings.Repeat("<b c='d'>"+strings.Repeat("x", 1000)+"</b>", 250) + `</a></stream:stream>`
	got, err := events(iotest.OneByteReader(strings.NewReader(in)), 300_000)
	if err != nil || len(got) != 3 || len(got[1]) < 200_000 {
		t.Errorf("%d events, %v", len(got), err)
	}
}
