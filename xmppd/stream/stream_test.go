package stream

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const open = `<?xml version='1.0'?><stream:stream xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams" xmlns:q="urn:q" to="meet.example.com" from="a@b" version="1.0" xml:lang="de">`

// events reads a whole stream and names what it found.
func events(r io.Reader, limit int) (list []string, err error) {
	x := NewReader(r, ns.Client, limit)
	for {
		ev, err := x.Next()
		if err != nil {
			return list, err
		}
		switch ev.Kind {
		case Opened:
			list = append(list, "open "+ev.Header.To+" "+ev.Header.From+" "+ev.Header.Lang)
		case Closed:
			return append(list, "close"), nil
		case Element:
			list = append(list, ev.Stanza.String())
		}
	}
}

func TestReader(t *testing.T) {
	in := open + "\n " + `<iq type="get" id="1"><q:x a="&gt;>"/><y><![CDATA[</y>]]></y></iq>` + "\n" +
		`<presence/><message><body>a > b "c' d</body></message>` + " </stream:stream>"
	want := []string{"open meet.example.com a@b de",
		`<iq type="get" id="1"><x xmlns="urn:q" a="&gt;&gt;"></x><y>&lt;/y&gt;</y></iq>`,
		`<presence/>`, `<message><body>a > b "c' d</body></message>`, "close"}
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(in), "bytes": iotest.OneByteReader(strings.NewReader(in)), "halves": iotest.HalfReader(strings.NewReader(in)),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := events(r, 0)
			if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(" a" + strconv.Itoa(i) + `="x"`)
	}
	return b.String()
}

func TestReaderErrors(t *testing.T) {
	for _, tt := range []struct{ name, in, condition string }{
		{"comment", open + "<!-- -->", RestrictedXML},
		{"inside", open + "<a><!-- --></a>", RestrictedXML},
		{"instruction", open + "<?x y?>", RestrictedXML},
		{"doctype", "<!DOCTYPE a>", RestrictedXML},
		{"text", open + "x<a/>", BadFormat},
		{"empty name", open + "<>", NotWellFormed},
		{"no stream", `<a xmlns="jabber:client">`, InvalidNamespace},
		{"wrong close", open + "</a>", NotWellFormed},
		{"large", open + "<a>" + strings.Repeat("x", 2000), PolicyViolation},
		{"mismatch", open + "<a><b></a></b>", NotWellFormed},
		{"mismatch while it arrives", open + "<a><b></a>", NotWellFormed},
		{"depth while it arrives", open + strings.Repeat("<a>", 65), PolicyViolation},
		{"attributes while they arrive", open + "<a " + attributes(65) + ` z="`, PolicyViolation},
		{"tag in a value", open + `<a b="<`, NotWellFormed},
		{"tag in a tag", open + `<a <`, NotWellFormed},
		{"encoding", `<?xml version="1.0" encoding="UTF-16"?>`, UnsupportedEncoding},
		{"byte order", "\xfe\xff\x00<", UnsupportedEncoding},
		{"wide characters", "<\x00?\x00", UnsupportedEncoding},
		{"other instruction", "<?xml-stylesheet a?>", RestrictedXML},
		{"second declaration", `<?xml version="1.0"?><?xml version="1.0"?>`, RestrictedXML},
		{"prefix", `<s:stream xmlns="jabber:client">`, BadNamespacePrefix},
		{"no prefix", `<stream xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams">`, BadNamespacePrefix},
		{"stream namespace", `<stream:stream xmlns="jabber:client" xmlns:stream="urn:x">`, InvalidNamespace},
		{"content namespace", `<stream:stream xmlns="jabber:server" xmlns:stream="http://etherx.jabber.org/streams">`, InvalidNamespace},
		{"other element", `<stream:flow xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams">`, BadFormat},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := events(iotest.OneByteReader(strings.NewReader(tt.in)), 1000)
			var se *Error
			if !errors.As(err, &se) || se.Condition != tt.condition {
				t.Errorf("got %v, want %s", err, tt.condition)
			}
		})
	}
}

func TestReadBody(t *testing.T) {
	b, err := ReadBody([]byte(`<body rid='1' sid="x" xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh' xmpp:restart='true'> <iq type="get"/><message xmlns="jabber:client"/></body>`), 1000)
	if err != nil || b.Attr("rid") != "1" || b.Attr("sid") != "x" || b.AttrNS(ns.XBOSH, "restart") != "true" || len(b.Elements) != 2 {
		t.Fatalf("%+v %v", b, err)
	}
	for _, st := range b.Elements {
		if st.Space != ns.Client {
			t.Errorf("%s is in %s", st.Name, st.Space)
		}
	}
	for _, in := range []string{"", "<body", "<body/>", `<body xmlns="x"/>`, `<body xmlns="http://jabber.org/protocol/httpbind">`,
		`<body xmlns="http://jabber.org/protocol/httpbind"/>x`, `<body xmlns="http://jabber.org/protocol/httpbind"></x>`,
		`<body xmlns="http://jabber.org/protocol/httpbind"><a></body>`, `<body xmlns="http://jabber.org/protocol/httpbind">text</body>`} {
		if _, err := ReadBody([]byte(in), 1000); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
}

func BenchmarkReadBody(b *testing.B) {
	raw := []byte(`<body rid="1234567" sid="ABCDEFGHIJKLMNOPQRSTUVWXYZ" xmlns="http://jabber.org/protocol/httpbind"/>`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadBody(raw, 1000); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzReader checks that it does not matter in which pieces bytes arrive.
func FuzzReader(f *testing.F) {
	f.Add([]byte(open + `<iq type="get" id="1"><x a=">"/></iq></stream:stream>`))
	f.Add([]byte(open + `<a><![CDATA[]]]]></a> <b/>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, err1 := events(bytes.NewReader(b), 4096)
		pieces, err2 := events(iotest.OneByteReader(bytes.NewReader(b)), 4096)
		if strings.Join(whole, "\n") != strings.Join(pieces, "\n") || (err1 == nil) != (err2 == nil) {
			t.Errorf("whole %q %v\npieces %q %v", whole, err1, pieces, err2)
		}
	})
}

// FuzzStartTag checks that the short way of reading a stream header is the long one.
func FuzzStartTag(f *testing.F) {
	f.Add([]byte(strings.TrimPrefix(open, "<?xml version='1.0'?>")))
	f.Add([]byte(`<stream:stream xmlns='jabber:client' xmlns:stream='urn:x' xmlns:stream="http://etherx.jabber.org/streams">`))
	f.Add([]byte(`<stream:stream to="x" xmlns:stream="http://etherx.jabber.org/streams" />`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, ok := plainHead(b, "<stream:stream"); !ok {
			return
		}
		short, err := startTag(b)
		tok, err2 := xml.NewDecoder(bytes.NewReader(b)).Token()
		if long, ok := tok.(xml.StartElement); err != nil || err2 != nil || !ok || short.Name != long.Name || !slices.Equal(short.Attr, long.Attr) {
			t.Fatalf("the short way reads %v %v, the long one %v %v", short, err, tok, err2)
		}
	})
}

func FuzzReadBody(f *testing.F) {
	f.Add([]byte(`<body rid='1' xmlns='http://jabber.org/protocol/httpbind'><iq type="get"/></body>`))
	f.Add([]byte(`<body xmlns:xmpp="urn:xmpp:xbosh" xml:lang="en" xmpp:restart="true" xmlns="http://jabber.org/protocol/httpbind"/>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if attrs, ok := plainHead(b, "<body"); ok {
			tok, err := xml.NewDecoder(bytes.NewReader(b)).Token()
			if s, ok := tok.(xml.StartElement); err != nil || !ok || !slices.Equal(s.Attr, attrs) {
				t.Fatalf("the short way reads %v, the long one %v, %v", attrs, tok, err)
			}
		}
		body, err := ReadBody(b, 4096)
		if body == nil {
			t.Fatalf("no body: %v", err)
		}
		_ = body.Attr("rid")
	})
}

// slowConn is a connection whose writes block until released.
type slowConn struct {
	mu     sync.Mutex
	got    bytes.Buffer
	writes int
	gate   chan struct{}
	closed chan struct{}
	once   sync.Once
}

func (c *slowConn) Write(b []byte) (int, error) {
	select {
	case <-c.gate:
	case <-c.closed:
		return 0, net.ErrClosed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	return c.got.Write(b)
}

func (c *slowConn) SetWriteDeadline(time.Time) error { return nil }
func (c *slowConn) Close() error                     { c.once.Do(func() { close(c.closed) }); return nil }

func TestWriterJoinsAndBounds(t *testing.T) {
	c := &slowConn{gate: make(chan struct{}), closed: make(chan struct{})}
	w := NewWriter(c, encodeTCP{ns.Client}, 4096)
	w.Header(Header{From: "x"})
	e := stanza.New(stanza.Message, "", stanza.Addr{}, stanza.Addr{}, "1").Encode()
	for range 10 {
		if !w.Deliver(stanza.MustAddr("a@b/c"), e) {
			t.Fatal("refused")
		}
	}
	close(c.gate)
	w.Drain()
	c.mu.Lock()
	if n := strings.Count(c.got.String(), `<message to="a@b/c" id="1"/>`); n != 10 || c.writes > 2 {
		t.Errorf("%d stanzas in %d writes: %s", n, c.writes, c.got.String())
	}
	c.mu.Unlock()

	c = &slowConn{gate: make(chan struct{}), closed: make(chan struct{})}
	w = NewWriter(c, encodeTCP{ns.Client}, 4096)
	w.Header(Header{From: "x"})
	n := 0
	for w.Deliver(stanza.MustAddr("a@b/c"), e) {
		if n++; n > 1000 {
			t.Fatal("the queue has no bound")
		}
	}
	close(c.gate)
	<-c.closed
	if got := c.got.String(); !strings.HasSuffix(got, `<resource-constraint xmlns="urn:ietf:params:xml:ns:xmpp-streams"/><text xmlns="urn:ietf:params:xml:ns:xmpp-streams" xml:lang="en">The stream is not read fast enough</text></stream:error></stream:stream>`) {
		t.Errorf("ended with %s", got)
	}
	if w.Deliver(stanza.Addr{}, e) {
		t.Error("a closed writer takes stanzas")
	}
}
