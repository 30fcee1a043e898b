package xmppclient

import (
	"context"
	"encoding/xml"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/logx"
	"parley/internal/wire/ns"
)

func ctx10(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestLogin(t *testing.T) {
	cert, ca := certificate(t, "auth.example.org")
	for _, c := range []struct {
		name   string
		server func(*fakeServer)
		config func(*Config)
	}{
		{"scram-sha-256 in process", func(*fakeServer) {}, func(*Config) {}},
		{"scram-sha-1 only", func(f *fakeServer) { f.mechanisms = []string{"PLAIN", "SCRAM-SHA-1"} }, func(*Config) {}},
		{"plain in process", func(f *fakeServer) { f.mechanisms = []string{"PLAIN"} }, func(*Config) {}},
		{"scram without TLS", func(f *fakeServer) { f.secure = false }, func(c *Config) { c.TLS = TLSDisabled }},
		{"TLS with own certificate", func(f *fakeServer) { f.secure, f.tls = false, cert },
			func(c *Config) { c.TLS, c.CAFile = TLSRequired, ca }},
		{"plain under TLS, unchecked", func(f *fakeServer) {
			f.secure, f.tls, f.mechanisms = false, cert, []string{"PLAIN"}
		}, func(c *Config) { c.InsecureSkipVerify = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, cfg := newFake(t), userConfig()
			c.server(f)
			c.config(&cfg)
			cl, stop := startClient(t, f, cfg, Options{Available: true, Node: "http://example.org/x"}, logx.Discard())
			p := f.login()
			require.NoError(t, cl.WaitConnected(ctx10(t)))
			assert.Equal(t, "focus@auth.example.org/r1", cl.Addr())
			st := p.next()
			assert.Equal(t, NamePresence, st.Name)
			assert.True(t, st.HasChild(ns.Caps, "c"))
			go stop()
			require.Equal(t, TypeUnavailable, p.next().Type)
			_, err := p.in.next()
			require.ErrorIs(t, err, errStreamEnd)
			p.write("</stream:stream>")
		})
	}
}

func TestLoginRefused(t *testing.T) {
	t.Run("plain in the clear", func(t *testing.T) {
		f := newFake(t)
		f.secure, f.mechanisms = false, []string{"PLAIN"}
		cl, _ := startClient(t, f, userConfig(), Options{}, logx.Discard())
		p := f.accept()
		p.open(ns.Client, f.saslFeatures())
		_, err := p.in.next() // no <auth/>: the password stays at home
		require.Error(t, err)
		assert.False(t, cl.Connected())
	})
	t.Run("TLS required but not offered", func(t *testing.T) {
		f, cfg := newFake(t), userConfig()
		f.secure, cfg.TLS = false, TLSRequired
		startClient(t, f, cfg, Options{}, logx.Discard())
		p := f.accept()
		p.open(ns.Client, f.saslFeatures())
		_, err := p.in.next()
		require.Error(t, err)
	})
	t.Run("certificate of somebody else", func(t *testing.T) {
		cert, _ := certificate(t, "other.example.org")
		f, cfg := newFake(t), userConfig()
		f.secure, cfg.TLS = false, TLSRequired
		_, cfg.CAFile = certificate(t, "auth.example.org")
		startClient(t, f, cfg, Options{}, logx.Discard())
		p := f.accept()
		p.open(ns.Client, "<stream:features><starttls xmlns='"+ns.StartTLS+"'/></stream:features>")
		p.next()
		p.write("<proceed xmlns='%s'/>", ns.StartTLS)
		c := newTLSServer(p.conn, cert)
		require.Error(t, c.Handshake())
	})
}

// A wrong password is said once, at Error, however often it is tried.
func TestWrongPasswordIsSaidOnce(t *testing.T) {
	for _, component := range []bool{false, true} {
		log, out := testLog(logrus.InfoLevel)
		f, cfg := newFake(t), userConfig()
		f.refuse = true
		if component {
			cfg = componentConfig()
		}
		opts := Options{Dial: f.dial}
		c, err := New(cfg, log, opts)
		require.NoError(t, err)
		said := ""
		for range 3 {
			go func() {
				if component {
					f.component()
				} else {
					f.login()
				}
			}()
			loggedIn, err := c.once(ctx10(t))
			require.ErrorIs(t, err, ErrCredentials)
			said = c.complain(err, loggedIn, said)
		}
		assert.Equal(t, 1, strings.Count(out.String(), "\n"), out.String())
		assert.Contains(t, out.String(), "level=error")
		assert.NotContains(t, out.String(), password)
	}
}

func TestComponent(t *testing.T) {
	f := newFake(t)
	cl, _ := startClient(t, f, componentConfig(), Options{}, logx.Discard())
	got := make(chan *Request, 1)
	cl.HandleIQ(ns.Focus, "conference", func(r *Request) { got <- r })
	p, ok := f.component()
	require.True(t, ok)
	p.write("<iq type='set' id='c1' from='u@example.org/r' to='focus.example.org'><conference xmlns='%s' room='a@b'/></iq>", ns.Focus)
	r := <-got
	r.Reply(Raw("<conference xmlns='" + ns.Focus + "' ready='true'/>"))
	r.Reply(nil) // only the first counts
	st := p.nextPayload("conference")
	assert.Equal(t, "focus.example.org", st.From)
	assert.Equal(t, "u@example.org/r", st.To)
	assert.Equal(t, "c1", st.ID)
	require.NoError(t, cl.Send(Message{To: "x@example.org", Payload: []any{Raw("<body>hi</body>")}}))
	st = p.next()
	assert.Equal(t, NameMessage, st.Name)
	assert.Equal(t, "focus.example.org", st.From)
}

func TestBuiltinAnswers(t *testing.T) {
	f := newFake(t)
	startClient(t, f, userConfig(), Options{
		Identity: Identity{Category: "component", Type: "conference", Name: "focus"},
		Features: []string{"urn:test"}, Software: Software{Name: "Parley focus", Version: "1"},
	}, logx.Discard())
	p := f.login()
	p.write("<iq type='get' id='1' from='a@b/c'><query xmlns='%s'/></iq>", ns.DiscoInfo)
	st := p.next()
	var info Info
	require.NoError(t, st.DecodePayload(&info))
	assert.True(t, info.Has("urn:test") && info.Has(ns.Ping))
	assert.Equal(t, "focus", info.Identities[0].Name)
	p.write("<iq type='get' id='2' from='a@b/c'><ping xmlns='%s'/></iq>", ns.Ping)
	st = p.next()
	assert.Equal(t, "result 2 a@b/c", st.Type+" "+st.ID+" "+st.To)
	p.write("<iq type='get' id='3' from='a@b/c'><query xmlns='%s'/></iq>", ns.Version)
	assert.Contains(t, string(p.next().Raw), "Parley focus")
	p.write("<iq type='set' id='4' from='a@b/c'><query xmlns='urn:unknown'/></iq>")
	st = p.next()
	assert.True(t, IsCondition(st.Err(), ServiceUnavailable))
	p.write("<iq type='get' id='5' from='a@b/c'><query xmlns='%s' node='x'/></iq>", ns.DiscoInfo)
	assert.True(t, IsCondition(p.next().Err(), ItemNotFound))
}

func TestIQ(t *testing.T) {
	f := newFake(t)
	cl, _ := startClient(t, f, userConfig(), Options{}, logx.Discard())
	p := f.login()
	require.NoError(t, cl.WaitConnected(ctx10(t)))

	t.Run("answer of another is not taken", func(t *testing.T) {
		got := make(chan *Stanza, 1)
		require.NoError(t, cl.Ask(IQ{Type: TypeGet, To: "b@c/d", Payload: pingElement{}}, 0, func(st *Stanza, _ error) { got <- st }))
		q := p.next()
		p.write("<iq type='result' id='%s' from='evil@c/d'><x xmlns='urn:x'/></iq>", q.ID)
		p.write("<iq type='result' id='%s' from='b@c/d'><y xmlns='urn:x'/></iq>", q.ID)
		assert.Equal(t, "y", (<-got).Payload.Local)
	})
	t.Run("error", func(t *testing.T) {
		go func() {
			q := p.next()
			p.write("<iq type='error' id='%s' from='b@c/d'><error type='cancel'><item-not-found xmlns='%s'/><text xmlns='%s'>gone</text><error xmlns='jitsi:colibri2' reason='X'/></error></iq>", q.ID, ns.Stanzas, ns.Stanzas)
		}()
		st, err := cl.IQ(ctx10(t), IQ{Type: TypeGet, To: "b@c/d", Payload: pingElement{}})
		require.True(t, IsCondition(err, ItemNotFound))
		assert.Equal(t, TypeError, st.Type)
		assert.Equal(t, "item-not-found: gone", err.Error())
		var e *StanzaError
		require.True(t, errors.As(err, &e))
		var v struct {
			Error *struct {
				Reason string `xml:"reason,attr"`
			} `xml:"jitsi:colibri2 error"`
		}
		require.NoError(t, e.Decode(&v))
		assert.Equal(t, "X", v.Error.Reason)
	})
	t.Run("timeout", func(t *testing.T) {
		got := make(chan error, 1)
		require.NoError(t, cl.Ask(IQ{Type: TypeGet, To: "b@c/d", Payload: pingElement{}}, time.Millisecond, func(_ *Stanza, err error) { got <- err }))
		assert.ErrorIs(t, <-got, ErrTimeout)
		p.next()
	})
	t.Run("connection lost", func(t *testing.T) {
		got := make(chan error, 1)
		require.NoError(t, cl.Ask(IQ{Type: TypeGet, To: "b@c/d", Payload: pingElement{}}, 0, func(_ *Stanza, err error) { got <- err }))
		p.conn.Close()
		assert.ErrorIs(t, <-got, ErrDisconnected)
	})
}

// Many handlers' answers, given from other goroutines, all arrive.
func TestAnswersFromElsewhere(t *testing.T) {
	f := newFake(t)
	cl, _ := startClient(t, f, userConfig(), Options{}, logx.Discard())
	cl.HandleIQ("urn:test", "slow", func(r *Request) { go r.Reply(nil) })
	cl.HandleIQ("urn:test", "broken", func(r *Request) { r.Fail(errors.New("secret detail")) })
	cl.HandleIQ("urn:test", "panics", func(*Request) { panic("oops") })
	p := f.login()
	go func() {
		for i := range 100 {
			p.write("<iq type='set' id='n%d' from='a@b/c'><slow xmlns='urn:test'/></iq>", i)
		}
		p.write("<iq type='set' id='e' from='a@b/c'><broken xmlns='urn:test'/></iq>")
		p.write("<iq type='set' id='p' from='a@b/c'><panics xmlns='urn:test'/></iq>")
	}()
	seen := map[string]string{}
	for range 102 {
		st := p.next()
		seen[st.ID] = st.Type
		assert.NotContains(t, string(st.Raw), "secret")
	}
	assert.Len(t, seen, 102)
	assert.Equal(t, "error error", seen["e"]+" "+seen["p"])
}

func TestReconnect(t *testing.T) {
	f := newFake(t)
	var mu sync.Mutex
	var calls []string
	note := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, s)
	}
	opts := Options{
		OnUp:   func(context.Context) { note("up") },
		OnDown: func(error) { note("down") },
	}
	cl, stop := startClient(t, f, userConfig(), opts, logx.Discard())
	for range 3 {
		p := f.login()
		require.NoError(t, cl.WaitConnected(ctx10(t)))
		p.write("<stream:error><system-shutdown xmlns='%s'/></stream:error></stream:stream>", ns.Streams)
		p.conn.Close()
	}
	f.login().conn.Close()
	stop()
	mu.Lock()
	defer mu.Unlock()
	assert.GreaterOrEqual(t, len(calls), 6)
	for i, c := range calls {
		assert.Equal(t, []string{"up", "down"}[i%2], c)
	}
	assert.ErrorIs(t, cl.Send(Presence{}), ErrNotConnected)
}

// A server that stops answering is given up after two missed pings.
func TestSilentServer(t *testing.T) {
	f := newFake(t)
	down := make(chan error, 4)
	startClient(t, f, userConfig(), Options{PingInterval: 20 * time.Millisecond, OnDown: func(err error) { down <- err }}, logx.Discard())
	p := f.login()
	for range 5 { // answered pings keep it
		q := p.nextPayload("ping")
		p.write("<iq type='result' id='%s' from='auth.example.org'/>", q.ID)
	}
	go func() {
		for {
			if _, err := p.in.next(); err != nil {
				return
			}
		}
	}()
	assert.ErrorContains(t, <-down, "does not answer pings")
}

func TestQueueBound(t *testing.T) {
	f := newFake(t)
	down := make(chan error, 4)
	cl, _ := startClient(t, f, userConfig(), Options{MaxQueue: 1 << 20, OnDown: func(err error) { down <- err }}, logx.Discard())
	f.login() // and reads nothing more
	require.NoError(t, cl.WaitConnected(ctx10(t)))
	body := Raw("<body>" + strings.Repeat("x", 100_000) + "</body>")
	var err error
	for err == nil {
		err = cl.Send(Message{To: "a@b", Payload: []any{body}})
	}
	assert.ErrorIs(t, <-down, ErrQueueFull)
}

func TestStanzaBound(t *testing.T) {
	for name, text := range map[string]string{
		"long":       "<message><body>" + strings.Repeat("x", 70_000),
		"deep":       "<message>" + strings.Repeat("<x>", 100),
		"unbalanced": "<message><a></b></message>",
		"doctype":    "<!DOCTYPE x>",
		"comment":    "<message><!-- hi --></message>",
		"text":       "hello<",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			down := make(chan error, 4)
			startClient(t, f, userConfig(), Options{MaxStanza: 64 << 10, OnDown: func(err error) { down <- err }}, logx.Discard())
			p := f.login()
			_, _ = p.conn.Write([]byte(text)) // the client may hang up in the middle
			assert.Error(t, <-down)
		})
	}
}

func TestStanzaDecode(t *testing.T) {
	st, err := Parse([]byte(`<presence from="r@c/a" xmlns="jabber:client"><stats-id>Kim</stats-id><x xmlns="http://jabber.org/protocol/muc#user"><item role="moderator"/></x></presence>`))
	require.NoError(t, err)
	assert.Equal(t, xml.Name{Space: ns.Client, Local: "stats-id"}, st.Payload)
	assert.True(t, st.HasChild(ns.MUCUser, "x"))
	assert.False(t, st.HasChild(ns.MUC, "x"))
	var p mucPresence
	require.NoError(t, st.Decode(&p))
	assert.Equal(t, "moderator", p.User.Items[0].Role)
	_, err = Parse([]byte(`<x/>`))
	require.Error(t, err)
	_, err = Parse([]byte(`<iq>`))
	require.Error(t, err)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>`))
	f.Add([]byte(`<message to='a@b'><body>&lt;x&gt; &#x41;</body></message>`))
	f.Add([]byte(`<presence><x:y xmlns:x='urn:x'/></presence>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		st, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(st.Raw)
		if err != nil {
			t.Fatalf("%q does not parse again: %v", st.Raw, err)
		}
		if again.ID != st.ID || again.Payload != st.Payload {
			t.Fatalf("%+v became %+v", st, again)
		}
		_ = st.Err()
	})
}
