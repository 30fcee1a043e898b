package e2e

import (
	"fmt"
	"testing"
	"time"

	"parley/internal/app"
)

// TestManyRooms: the focus is in more rooms at once than any person may be.
func TestManyRooms(t *testing.T) {
	const rooms = 1200
	in := newInstallation(t)
	in.start(app.XMPPD)
	in.environ = []string{"PARLEY_FOCUS_MAX_BEGUN=100000", "PARLEY_FOCUS_CONFERENCE_INITIAL_TIMEOUT=5m"}
	in.start(app.Focus)
	srv := in.server()
	if err := awaitFocus(srv); err != nil {
		t.Fatal(err)
	}
	c := &caller{actor: newActor("Ann", nil), t: t}
	t.Cleanup(c.hangUp)
	if failure, err := c.connect(srv, vars{"roomname": "*"}); failure != nil || err != nil {
		t.Fatalf("log-in: %s %v", failure, err)
	}
	begun := time.Now()
	ask := func(i int) {
		c.say(`<iq id="r%d" to="focus.%[2]s" type="set" xmlns="jabber:client"><conference room="many%[1]d@conference.%[2]s" xmlns="http://jitsi.org/protocol/focus"/></iq>`, i, srv.domain)
	}
	for i := range rooms {
		ask(i)
	}
	for i := range rooms {
		// The focus of a slow machine says "not yet", and is asked again, as by any client.
		for ready := false; !ready; {
			e := c.gets(fmt.Sprintf(`<iq id="r%d" play:more="x" xmlns="jabber:client"/>`, i))
			q := e.child("conference")
			if e.attr("type") != "result" || q == nil || time.Since(begun) > 5*time.Minute {
				t.Fatalf("room %d of %d: %s", i+1, rooms, e)
			}
			if ready = q.attr("ready") == "true"; !ready {
				ask(i)
			}
		}
	}
	t.Logf("the focus was in %d rooms after %v", rooms, time.Since(begun).Round(time.Millisecond))
}
