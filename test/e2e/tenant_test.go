package e2e

import (
	"fmt"
	"strings"
	"testing"

	"parley/internal/app"
)

// TestTenant: a call in a room of a tenant, which clients address as
// room@conference.TENANT.DOMAIN. The room of the same name without a tenant is another one.
func TestTenant(t *testing.T) {
	in := newInstallation(t)
	in.environ = []string{"PARLEY_BRIDGE_WEBSOCKET_TLS=false", fmt.Sprintf("PARLEY_BRIDGE_WEBSOCKET_DOMAINS=127.0.0.1:%d", in.ports["web"])}
	in.start(app.All...)
	srv := in.server()
	if err := awaitFocus(srv); err != nil {
		t.Fatal(err)
	}
	v := vars{"roomname": uniqueRoom(), "tenant": "acme"}
	ann, bob := arrive(t, srv, v, "Ann"), arrive(t, srv, v, "Bob")
	stranger := arrive(t, srv, vars{"roomname": v["roomname"]}, "Eve")
	for _, c := range []*caller{ann, bob} {
		c.isOffered()
	}
	ann.accepts(bob)
	bob.accepts(ann)
	ann.hears(bob)
	bob.hears(ann)
	ann.tells(`{"colibriClass":"EndpointMessage","to":"","msgPayload":{"x":1}}`)
	bob.isTold("EndpointMessage", `"from":"`+ann.id()+`"`)
	stranger.mu.Lock()
	defer stranger.mu.Unlock()
	for _, e := range stranger.inbox {
		if text := e.String(); strings.Contains(text, "session-initiate") || strings.Contains(text, ann.id()) {
			t.Errorf("somebody outside the tenant's room got %s", text)
		}
	}
}
