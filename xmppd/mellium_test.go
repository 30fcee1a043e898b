package xmppd

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"testing"

	"mellium.im/sasl"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/disco"
	discoinfo "mellium.im/xmpp/disco/info"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/ping"
	xroster "mellium.im/xmpp/roster"
	"mellium.im/xmpp/stanza"
)

// serveMessages reads a session to its end, and tells the bodies of messages.
func serveMessages(s *xmpp.Session) (served chan error, messages chan string) {
	served, messages = make(chan error, 1), make(chan string, 10)
	go func() {
		served <- s.Serve(xmpp.HandlerFunc(func(r xmlstream.TokenReadEncoder, start *xml.StartElement) error {
			if start.Name.Local != "message" {
				return nil
			}
			msg := struct {
				stanza.Message
				Body string `xml:"body"`
			}{}
			if err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), r)).Decode(&msg); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			messages <- msg.Body
			return nil
		}))
	}()
	return served, messages
}

// Somebody else's library logs in over STARTTLS with SCRAM and uses the server.
func TestMellium(t *testing.T) {
	w := start(t, func(c *Config) { c.TrustLoopback = false })
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if err := w.Accounts().Create(ctx, "bob", "meet.example.com", "pässword"); err != nil {
		t.Fatal(err)
	}
	addr := jid.MustParse("bob@meet.example.com/mellium")
	conn := dial(t, w.c2s)
	defer conn.Close()
	s, err := xmpp.NewClientSession(ctx, addr, conn,
		xmpp.StartTLS(&tls.Config{InsecureSkipVerify: true}),
		xmpp.SASL("", "pässword", sasl.ScramSha256, sasl.ScramSha1, sasl.Plain),
		xmpp.BindResource())
	if err != nil {
		t.Fatal(err)
	}
	// The library asks for no resource by itself.
	if !s.LocalAddr().Bare().Equal(addr.Bare()) || s.LocalAddr().Resourcepart() == "" {
		t.Errorf("bound %s", s.LocalAddr())
	}
	served, messages := serveMessages(s)
	if err := ping.Send(ctx, s, jid.MustParse("meet.example.com")); err != nil {
		t.Errorf("ping: %v", err)
	}
	info, err := disco.GetInfo(ctx, "", jid.MustParse("meet.example.com"), s)
	if err != nil || info.Identity[0].Name != "Parley" ||
		!slices.ContainsFunc(info.Identity, func(i discoinfo.Identity) bool { return i.Category == "component" }) {
		t.Errorf("disco: %+v %v", info, err)
	}
	if err := xroster.Set(ctx, s, xroster.Item{JID: jid.MustParse("ann@meet.example.com"), Name: "Ann", Group: []string{"friends"}}); err != nil {
		t.Errorf("roster set: %v", err)
	}
	iter := xroster.Fetch(ctx, s)
	n := 0
	for iter.Next() {
		n++
		if i := iter.Item(); i.Name != "Ann" || i.JID.String() != "ann@meet.example.com" || len(i.Group) != 1 {
			t.Errorf("contact %+v", i)
		}
	}
	if err := iter.Close(); err != nil || n != 1 {
		t.Errorf("roster: %d contacts, %v", n, err)
	}
	if err := s.Send(ctx, stanza.Presence{}.Wrap(nil)); err != nil {
		t.Error(err)
	}
	body := xmlstream.Wrap(xmlstream.Token(xml.CharData("to <me> & you")), xml.StartElement{Name: xml.Name{Local: "body"}})
	if err := s.Send(ctx, stanza.Message{To: addr.Bare(), Type: stanza.ChatMessage}.Wrap(body)); err != nil {
		t.Error(err)
	}
	select {
	case got := <-messages:
		if got != "to <me> & you" {
			t.Errorf("body %q", got)
		}
	case <-ctx.Done():
		t.Error("no message")
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
}
