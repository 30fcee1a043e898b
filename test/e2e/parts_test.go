package e2e

import (
	"strings"
	"testing"

	"parley/internal/app"
)

// TestPartsApart runs the parts as processes of their own, started in the least
// convenient order, and restarts each of them in turn: the rest finds it again, and the
// next call is like the first.
func TestPartsApart(t *testing.T) {
	in := newInstallation(t)
	in.extra = "focus: {}"
	call, err := readPlay("plays/call.play")
	if err != nil {
		t.Fatal(err)
	}
	const loggedIn, entered = "logged in to the XMPP server", "entered room"

	focus := in.start(app.Focus)
	bridge := in.start(app.Bridge)
	focus.says("cannot reach the XMPP server, trying again")
	bridge.says("cannot reach the XMPP server, trying again")
	xmppd := in.start(app.XMPPD)
	bridge.says(entered)
	perform := func(t *testing.T) {
		if err := awaitFocus(in.server()); err != nil {
			t.Fatal(err)
		}
		call.perform(t, in.server())
	}
	t.Run("started in any order", perform)

	bridge.stop()
	bridge = in.start(app.Bridge)
	bridge.says(entered)
	t.Run("bridge restarted", perform)

	focus.stop()
	focus = in.start(app.Focus)
	focus.says(loggedIn)
	t.Run("focus restarted", perform)

	was := strings.Count(bridge.logs.String(), entered)
	xmppd.stop()
	in.start(app.XMPPD)
	bridge.until("the bridge is back in its room", func() bool {
		return strings.Count(bridge.logs.String(), entered) > was
	})
	t.Run("xmppd restarted", perform)
}

// TestWrongSecret: a component with another secret is one clear line in both logs, and
// not one for each try.
func TestWrongSecret(t *testing.T) {
	in := newInstallation(t)
	xmppd := in.start(app.XMPPD)
	in.extra = "focus: {component: {secret: not-the-secret-of-the-server}}"
	focus := in.start(app.Focus)
	const refusal = "the XMPP server refuses the secret of this component"
	focus.says(refusal)
	xmppd.says("focus.meet.localhost")
	focus.says("logged in to the XMPP server") // as a user it is right
	focus.stop()
	if n := strings.Count(focus.logs.String(), refusal); n != 1 {
		t.Errorf("said %d times:\n%s", n, focus.logs)
	}
	for _, log := range []*output{focus.logs, xmppd.logs} {
		if strings.Contains(log.String(), "not-the-secret-of-the-server") {
			t.Error("the secret is in the log")
		}
	}
}

// TestNoFocus: without a focus nobody waits in silence. Who has a token may not open the
// room himself (verify_room in Jitsi's token/util.lib.lua).
func TestNoFocus(t *testing.T) {
	in := newInstallation(t)
	in.start(app.XMPPD)
	p, err := parsePlay("nobody to open the room", `
person Ann name=Ann moderator=true
Ann connects
Ann sends
	<iq id="c1" to="focus.{domain}" type="set" xmlns="jabber:client"><conference room="{room}" xmlns="http://jitsi.org/protocol/focus"/></iq>
	<presence to="{room}/{Ann.nick}" xmlns="jabber:client"><x xmlns="http://jabber.org/protocol/muc"/></presence>
Ann receives
	<iq id="c1" to="{Ann.jid}" type="error" from="focus.{domain}" xmlns="jabber:client" play:more="the request may be repeated"><error play:more="condition: nobody is there"/></iq>
	<presence type="error" from="{room}/{Ann.nick}" to="{Ann.jid}" xmlns="jabber:client"><error type="cancel" play:more="the attribute by"><not-allowed xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/><text xmlns="urn:ietf:params:xml:ns:xmpp-stanzas">Room does not exist</text><room-does-not-exist xmlns="http://jitsi.org/jitmeet"/></error></presence>
Ann receives nothing else
`)
	if err != nil {
		t.Fatal(err)
	}
	p.perform(t, in.server())
}

// TestWrongPassword: the same of a part's account; the server's line says whose it was.
func TestWrongPassword(t *testing.T) {
	in := newInstallation(t)
	xmppd := in.start(app.XMPPD)
	in.extra = "focus: {client: {password: not-the-password}}"
	focus := in.start(app.Focus)
	focus.says("the XMPP server refuses the account's password")
	focus.says("focus@auth.meet.localhost")
	xmppd.says("log-in refused")
	xmppd.says("name=focus")
	focus.stop()
	for _, log := range []*output{focus.logs, xmppd.logs} {
		if strings.Contains(log.String(), "not-the-password") {
			t.Error("the password is in the log")
		}
	}
}
