package e2e

import (
	"strings"
	"testing"

	"parley/internal/app"
)

// TestFocusReturns: a focus that is started again in the middle of a call goes on with it.
// Nobody is invited anew, what was agreed holds, and the next one comes in as before.
func TestFocusReturns(t *testing.T) {
	in := newInstallation(t)
	in.start(app.XMPPD)
	first := in.start(app.Focus)
	in.bridgeBeside("east").start(app.Bridge).says("entered room")
	srv := in.server()
	if err := awaitFocus(srv); err != nil {
		t.Fatal(err)
	}
	v := vars{"roomname": uniqueRoom()}
	ann, bob := arrive(t, srv, v, "Ann"), arrive(t, srv, v, "Bob")
	for _, c := range []*caller{ann, bob} {
		c.isOffered()
	}
	ann.accepts(bob)
	bob.accepts(ann)
	ann.hears(bob)
	bob.hears(ann)

	first.stop()
	second := in.start(app.Focus)
	second.says("Going on with the conference of the last focus.")
	if err := awaitFocus(srv); err != nil {
		t.Fatal(err)
	}
	ann.hears(bob)
	cyd := arrive(t, srv, v, "Cyd")
	cyd.isOffered()
	cyd.accepts(ann, bob)
	ann.sees(bob, cyd)
	cyd.hears(ann, bob)
	ann.hears(bob, cyd)
	if sessions := strings.Count(second.logs.String(), "Sending session-initiate."); sessions != 1 {
		t.Errorf("%d invitations for the one who came", sessions)
	}
}
