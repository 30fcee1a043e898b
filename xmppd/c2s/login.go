package c2s

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/xdg-go/scram"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/sasl"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

// login takes elements until somebody has proved who he is.
func (c *conn) login(st *stanza.Stanza) {
	switch {
	case st.Space == ns.StartTLS && st.Name == "starttls":
		c.startTLS()
	case st.Space == ns.SASL && st.Name == "auth":
		c.inline = nil
		c.auth(st.Attr("mechanism"), st.Text())
	case st.Space == ns.SASL2 && st.Name == "authenticate" && !c.web():
		c.authenticate(st)
	case (st.Space == ns.SASL || st.Space == ns.SASL2) && st.Name == "response":
		if c.exchange == nil || st.Space != c.saslSpace() {
			c.refuse(&sasl.Failure{Condition: sasl.MalformedRequest})
			return
		}
		c.step(st.Text())
	case (st.Space == ns.SASL || st.Space == ns.SASL2) && st.Name == "abort":
		c.refuse(&sasl.Failure{Condition: sasl.Aborted})
	case (st.Space == ns.SM3 || st.Space == ns.SM2) && (st.Name == "enable" || st.Name == "resume"):
		// XEP-0198 §3: after the log-in only.
		c.carrier.Element(smFailed(st.Space, stanza.UnexpectedRequest, nil))
	case st.IsRequest() && st.Has(ns.Register, "query") && c.host.Register != nil && !c.web():
		c.register(st)
	default:
		c.fail(stream.NotAuthorized, "Log in first")
	}
}

// registerTime is how long a stream without a session stays after its last word about
// registration: people type, and tools that make accounts come back for the next one.
const registerTime = 10 * time.Minute

// register lets somebody make an account before there is a session (XEP-0077 §3.1),
// where he could log in. That shows the password to whoever can listen: on this machine
// that is nobody, and elsewhere the operator has said that it may be (require_tls).
func (c *conn) register(st *stanza.Stanza) {
	if c.mustStartTLS() {
		c.reply(st, stanza.Err(stanza.Auth, stanza.NotAllowed, "Encrypt the stream first"))
		return
	}
	if c.timer.Stop() { // he is filling in the form, or makes further accounts
		c.timer.Reset(registerTime)
	}
	content, e := c.host.Register(c.meta.Client, st)
	if e != nil {
		c.reply(st, e)
		return
	}
	res := stanza.New(stanza.IQ, stanza.ResultType, stanza.Addr{}, stanza.Addr{}, st.ID).WithContent(content)
	c.carrier.Deliver(stanza.Addr{}, res.Encode())
}

// mechanisms are those offered on this stream as it is now.
func (c *conn) mechanisms() []string {
	return c.host.mechanisms(c.web(), c.encrypted(), len(c.bindings()) > 0)
}

// bindings are what a log-in can be bound to the encryption with, best first.
func (c *conn) bindings() []scram.ChannelBinding {
	t, ok := c.carrier.(stream.TLSStarter)
	if !ok || c.host.Accounts == nil {
		return nil
	}
	e := t.TLS()
	if e == nil {
		return nil
	}
	return sasl.Bindings(&e.State, e.Certificate)
}

// bindingsFor are those a mechanism insists on. A client that says it could have bound
// itself and was not offered to is refused, since somebody may have hidden the offer
// from it (RFC 5802 §6). Not so one that tried on this very stream and failed: it saw
// the offer and only knows another binding, as clients do that take tls-unique for one
// of TLS 1.3. Refused, they would show their password by PLAIN.
func (c *conn) bindingsFor(mechanism string) []scram.ChannelBinding {
	bound := strings.HasSuffix(mechanism, "-PLUS")
	if c.triedBound && !bound {
		return nil
	}
	c.triedBound = c.triedBound || bound
	return c.bindings()
}

func (c *conn) startTLS() {
	t, ok := c.carrier.(stream.TLSStarter)
	if !ok || !t.CanStartTLS() {
		c.carrier.Element([]byte(`<failure xmlns="` + ns.StartTLS + `"/>`))
		c.carrier.End()
		return
	}
	c.state = fresh
	t.StartTLS()
}

// saslSpace is the namespace of the attempt under way.
func (c *conn) saslSpace() string {
	if c.inline != nil {
		return ns.SASL2
	}
	return ns.SASL
}

// auth begins an attempt. What the client already says is in Base64; empty is nothing.
func (c *conn) auth(mechanism, initial string) {
	c.exchange = nil
	c.mech = mechanism
	if c.mustStartTLS() || c.mech == sasl.Plain && !c.encrypted() {
		c.refuse(&sasl.Failure{Condition: sasl.EncryptionRequired})
		return
	}
	if !slices.Contains(c.mechanisms(), c.mech) {
		c.refuse(&sasl.Failure{Condition: sasl.InvalidMechanism})
		return
	}
	if c.mech == sasl.Anonymous {
		c.exchange = sasl.NewAnonymous(c.anonymous())
	} else {
		c.exchange = sasl.NewPassword(c.mech, c.host.Domain, c.host.Accounts, c.bindingsFor(c.mech))
		if initial == "" {
			// No initial response: an empty challenge asks for it (RFC 6120 §6.4.2).
			c.carrier.Element(c.saslElement("challenge", nil))
			return
		}
	}
	c.step(initial)
}

// saslElement is an element of RFC 6120 §6.4, or of its successor, with what the
// mechanism says.
func (c *conn) saslElement(name string, content []byte) []byte {
	b := stanza.AppendAttr([]byte("<"+name), "xmlns", c.saslSpace())
	if len(content) == 0 {
		return append(b, "/>"...)
	}
	b = append(b, '>')
	b = base64.StdEncoding.AppendEncode(b, content)
	return append(b, "</"+name+">"...)
}

// anonymous finds the rules for this stream. With the resumption token of a living
// session the client gets that session's name again, without which it could not resume
// (Jitsi's mod_auth_jitsi-anonymous).
func (c *conn) anonymous() sasl.AnonymousOptions {
	o := sasl.AnonymousOptions{Verifier: c.host.Verifier, Token: c.meta.Token, Client: c.meta.Client}
	if s := c.srv.find(c.meta.Previd); s != nil && s.host == c.host {
		o.Name = s.rs.Addr().Local()
	}
	return o
}

func (c *conn) step(text string) {
	var response []byte
	if text != "" && text != "=" {
		var err error
		if response, err = base64.StdEncoding.DecodeString(text); err != nil {
			c.refuse(&sasl.Failure{Condition: sasl.IncorrectEncoding})
			return
		}
	}
	if c.mech != sasl.Anonymous && c.srv.wrong.tooMany(c.meta.Client, time.Now()) {
		c.refuse(&sasl.Failure{Condition: sasl.TemporaryFailure,
			Text: "Too many wrong passwords came from your address; try again in a minute"})
		return
	}
	answer, done, err := c.exchange.Next(context.Background(), response)
	switch {
	case err != nil:
		c.refuse(err)
	case !done:
		c.carrier.Element(c.saslElement("challenge", answer))
	case c.inline != nil:
		c.id, c.exchange = c.exchange.Identity(), nil
		c.succeed(answer)
	default:
		c.id, c.exchange = c.exchange.Identity(), nil
		c.state = proved
		c.carrier.Restart()
		c.carrier.Element(c.saslElement("success", answer))
	}
}

// refuse answers a failed attempt; the client may try again. Web clients find the
// reason with a regular expression, so its bytes are fixed (lib-jitsi-meet,
// xmpp.ts, FAILURE_REGEX).
func (c *conn) refuse(err error) {
	claimer, _ := c.exchange.(sasl.Claimer)
	c.exchange = nil
	var f *sasl.Failure
	if !errors.As(err, &f) {
		f = &sasl.Failure{Condition: sasl.TemporaryFailure, Cause: err}
	}
	if f.Condition == sasl.NotAuthorized && c.mech != sasl.Anonymous {
		c.srv.wrong.failed(c.meta.Client, time.Now())
	}
	log := c.log.WithField(logx.Mechanism, c.mech).WithField(logx.Reason, f.Error()).
		WithField(logx.Remote, logx.IP(stream.RemoteText(c.meta.Client)))
	if claimer != nil {
		log = log.WithField(logx.Name, claimer.Claimed())
	}
	switch {
	case f.Condition == sasl.TemporaryFailure && f.Cause != nil:
		log.WithError(f.Cause).Error("log-in could not be checked")
	case f.Cause != nil:
		log.WithError(f.Cause).Info("log-in refused")
	default:
		log.Info("log-in refused")
	}
	b := []byte(`<failure xmlns="` + c.saslSpace() + `"><` + f.Condition)
	if c.inline != nil { // the conditions stay where they were (XEP-0388 §2.6.2)
		b = stanza.AppendAttr(b, "xmlns", ns.SASL)
	}
	b = append(b, "/>"...)
	if f.Text != "" {
		b = append(b, "<text>"...)
		b = appendPlain(b, f.Text)
		b = append(b, "</text>"...)
	}
	b = append(b, "</failure>"...)
	c.carrier.Element(b)
	if c.attempts++; c.attempts >= c.srv.cfg.LoginAttempts {
		c.fail(stream.PolicyViolation, "Too many attempts to log in")
		c.state = over
	}
}

// appendPlain escapes only what must be: clients show the raw bytes, see refuse.
func appendPlain(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '&':
			dst = append(dst, "&amp;"...)
		case '<':
			dst = append(dst, "&lt;"...)
		case '>':
			dst = append(dst, "&gt;"...)
		default:
			dst = append(dst, s[i])
		}
	}
	return dst
}
