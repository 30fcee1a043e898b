package xmppclient

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"time"

	"parley/internal/wire/ns"
)

// features are the stream features we look at.
type features struct {
	StartTLS *struct {
		Required *struct{} `xml:"required"`
	} `xml:"urn:ietf:params:xml:ns:xmpp-tls starttls"`
	Mechanisms []string  `xml:"urn:ietf:params:xml:ns:xmpp-sasl mechanisms>mechanism"`
	Bind       *struct{} `xml:"urn:ietf:params:xml:ns:xmpp-bind bind"`
	Session    *struct {
		Optional *struct{} `xml:"optional"`
	} `xml:"urn:ietf:params:xml:ns:xmpp-session session"`
	SM *struct{} `xml:"urn:xmpp:sm:3 sm"`
}

// negotiation is a connection on its way to a session, confined to Run's goroutine.
type negotiation struct {
	c      *Client
	conn   net.Conn
	in     *stanzaReader
	secure bool
}

// connect dials and logs in.
func (c *Client) connect(ctx context.Context) (s *session, err error) {
	err = c.negotiate(ctx, func(n *negotiation) (err error) {
		s, err = n.run()
		return err
	})
	return s, err
}

// negotiate dials and runs do on the connection, which do has taken over if it succeeds.
func (c *Client) negotiate(ctx context.Context, do func(*negotiation) error) error {
	dialCtx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := c.opts.Dial(dialCtx, "tcp", c.cfg.Address)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	n := &negotiation{c: c, conn: conn}
	if s, ok := conn.(interface{ Secure() bool }); ok {
		n.secure = s.Secure()
	}
	// Whoever ends ctx also ends reads that wait for the server.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	_ = conn.SetDeadline(time.Now().Add(loginTimeout))
	err = do(n)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = n.conn.Close()
		return fmt.Errorf("log in: %w", err)
	}
	_ = conn.SetDeadline(time.Time{})
	return nil
}

// login brings a user's stream to the point where a resource can be bound, or a session
// resumed.
func (n *negotiation) login() (*features, error) {
	f, err := n.open()
	if err != nil {
		return nil, err
	}
	if f, err = n.startTLS(f); err != nil {
		return nil, err
	}
	if err := n.authenticate(f.Mechanisms); err != nil {
		return nil, err
	}
	return n.open()
}

func (n *negotiation) run() (*session, error) {
	if n.c.cfg.Component {
		return n.component()
	}
	f, err := n.login()
	if err != nil {
		return nil, err
	}
	addr, err := n.bind(f)
	if err != nil {
		return nil, err
	}
	sm, early, err := n.enable(f)
	if err != nil {
		return nil, err
	}
	s := newSession(n.c, newLine(n), addr)
	s.sm, s.early = sm, early
	return s, nil
}

// header opens a stream and returns the server's header.
func (n *negotiation) header(space string) (xml.StartElement, error) {
	var b bytes.Buffer
	b.WriteString("<?xml version='1.0'?><stream:stream xmlns='" + space + "' xmlns:stream='" + ns.Stream + "'")
	writeAttr(&b, "to", n.c.cfg.Domain)
	if !n.c.cfg.Component {
		b.WriteString(" version='1.0'")
		if n.secure { // RFC 6120 §4.7.1: the address only once the stream is confidential
			writeAttr(&b, "from", n.c.cfg.Username+"@"+n.c.cfg.Domain)
		}
	}
	b.WriteByte('>')
	if _, err := n.conn.Write(b.Bytes()); err != nil {
		return xml.StartElement{}, err
	}
	n.in = newStanzaReader(n.conn, n.c.opts.MaxStanza, DefaultMaxDepth)
	return n.in.open()
}

// next reads an element and turns a stream error into an error.
func (n *negotiation) next() (*Stanza, error) {
	st, err := n.in.next()
	if err != nil {
		return nil, noEOF(err)
	}
	if st.Name == "stream:error" {
		return nil, streamError(st)
	}
	return st, nil
}

// open opens a client stream and reads its features.
func (n *negotiation) open() (*features, error) {
	if _, err := n.header(ns.Client); err != nil {
		return nil, fmt.Errorf("stream header: %w", err)
	}
	st, err := n.next()
	if err != nil {
		return nil, fmt.Errorf("stream features: %w", err)
	}
	if st.Name != "stream:features" {
		return nil, fmt.Errorf("<%s/> instead of stream features", st.Name)
	}
	f := &features{}
	if err := st.Decode(f); err != nil {
		return nil, err
	}
	return f, nil
}

// startTLS encrypts the stream as the mode says, and returns the features after that.
func (n *negotiation) startTLS(f *features) (*features, error) {
	mode := n.c.cfg.TLS
	switch {
	case n.secure:
		return f, nil
	case f.StartTLS == nil && mode == TLSRequired:
		return nil, errors.New("the server does not offer TLS, which is required here")
	case f.StartTLS != nil && f.StartTLS.Required != nil && mode == TLSDisabled:
		return nil, errors.New("the server requires TLS, which is disabled here")
	case f.StartTLS == nil || mode == TLSDisabled:
		return f, nil
	}
	if _, err := n.conn.Write([]byte("<starttls xmlns='" + ns.StartTLS + "'/>")); err != nil {
		return nil, err
	}
	st, err := n.next()
	if err != nil {
		return nil, err
	}
	if st.Name != "proceed" {
		return nil, fmt.Errorf("<%s/> instead of leave for TLS", st.Name)
	}
	cfg, err := n.c.cfg.tlsConfig()
	if err != nil {
		return nil, err
	}
	t := tls.Client(n.conn, cfg)
	if err := t.Handshake(); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	// What was read behind <proceed/> in the clear stays in the old reader and is dropped.
	n.conn, n.secure = t, true
	return n.open()
}

func (n *negotiation) bind(f *features) (string, error) {
	if f.Bind == nil {
		return "", errors.New("the server does not offer to bind a resource")
	}
	type bind struct {
		XMLName  xml.Name `xml:"urn:ietf:params:xml:ns:xmpp-bind bind"`
		Resource string   `xml:"resource,omitempty"`
		JID      string   `xml:"jid,omitempty"`
	}
	st, err := n.ask(bind{Resource: n.c.cfg.Resource})
	if err != nil {
		return "", fmt.Errorf("bind: %w", err)
	}
	var b bind
	if err := st.DecodePayload(&b); err != nil || b.JID == "" {
		return "", errors.Join(errors.New("bind: no address in the answer"), err)
	}
	if f.Session != nil && f.Session.Optional == nil {
		// Servers of RFC 3921 want a session; later ones call it optional.
		type session struct {
			XMLName xml.Name `xml:"urn:ietf:params:xml:ns:xmpp-session session"`
		}
		if _, err := n.ask(session{}); err != nil {
			return "", fmt.Errorf("session: %w", err)
		}
	}
	return b.JID, nil
}

// ask sends an IQ set and reads its answer, before the session has a reader.
func (n *negotiation) ask(payload any) (*Stanza, error) {
	id := n.c.NewID()
	var b bytes.Buffer
	if err := appendStanza(&b, IQ{Type: TypeSet, Payload: payload}, id, ""); err != nil {
		return nil, err
	}
	if _, err := n.conn.Write(b.Bytes()); err != nil {
		return nil, err
	}
	for {
		st, err := n.next()
		if err != nil {
			return nil, err
		}
		if st.Name == NameIQ && st.ID == id {
			return st, st.Err()
		}
	}
}

// component is the handshake of XEP-0114 §3.
func (n *negotiation) component() (*session, error) {
	start, err := n.header(ns.Component)
	if err != nil {
		return nil, fmt.Errorf("stream header: %w", err)
	}
	id, _ := attr(start, "id")
	sum := sha1.Sum([]byte(id + n.c.cfg.Password))
	if _, err := fmt.Fprintf(n.conn, "<handshake>%s</handshake>", hex.EncodeToString(sum[:])); err != nil {
		return nil, err
	}
	st, err := n.next()
	if err != nil {
		return nil, fmt.Errorf("handshake: %w", err)
	}
	if st.Name != "handshake" {
		return nil, fmt.Errorf("<%s/> instead of the end of the handshake", st.Name)
	}
	return newSession(n.c, newLine(n), n.c.cfg.Domain), nil
}
