package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"parley/internal/app"
)

// bridgeBeside is a bridge with a name, ports and a data directory of its own.
func (in *installation) bridgeBeside(name string) *installation {
	in.t.Helper()
	b := &installation{t: in.t, dir: in.t.TempDir(), ports: map[string]int{}}
	for k, v := range in.ports {
		b.ports[k] = v
	}
	for _, p := range []string{"media", "media-tcp", "colibri"} {
		b.ports[p] = freePort(in.t)
	}
	b.environ = []string{
		"PARLEY_BRIDGE_RELAY_ID=" + name, "PARLEY_BRIDGE_REGION=" + name, "PARLEY_BRIDGE_WEBSOCKET_SERVER_ID=" + name,
		"PARLEY_BRIDGE_WEBSOCKET_TLS=false", fmt.Sprintf("PARLEY_BRIDGE_WEBSOCKET_DOMAINS=127.0.0.1:%d", b.ports["colibri"]),
	}
	// What an operator would carry over: the secrets, and the certificate to trust.
	for _, name := range []string{"secrets.yaml", "tls/cert.pem"} {
		to := filepath.Join(b.dir, "data", name)
		text, err := os.ReadFile(filepath.Join(in.dir, "data", name))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(to), 0o700)
		}
		if err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
		if err != nil {
			in.t.Fatal(err)
		}
	}
	return b
}

// TestThreeBridges: one conference over three bridges. Everybody gets the audio, the
// pictures and the messages of all, all agree who speaks; and when a bridge goes, its
// people are moved and have everything again.
func TestThreeBridges(t *testing.T) {
	in := newInstallation(t)
	in.start(app.XMPPD)
	in.environ = []string{"PARLEY_FOCUS_BRIDGE_SELECTION_STRATEGY=split"}
	in.start(app.Focus)
	bridges := map[string]*process{}
	for _, name := range []string{"east", "north", "west"} {
		bridges[name] = in.bridgeBeside(name).start(app.Bridge)
		bridges[name].says("entered room")
	}
	srv := in.server()
	if err := awaitFocus(srv); err != nil {
		t.Fatal(err)
	}

	v := vars{"roomname": uniqueRoom()}
	ann, bob, cyd := arrive(t, srv, v, "Ann"), arrive(t, srv, v, "Bob"), arrive(t, srv, v, "Cyd")
	all := []*caller{ann, bob, cyd}
	used := map[string]*caller{}
	for _, c := range all {
		c.isOffered()
		used[c.bridge()] = c
	}
	if len(used) != 3 {
		t.Fatalf("the conference is on the bridges %v", used)
	}
	begun := time.Now()
	for _, c := range all {
		c.accepts(without(all, c)...)
	}
	for _, c := range all {
		c.hears(without(all, c)...)
	}
	t.Logf("everybody got everything after %v", time.Since(begun).Round(time.Millisecond))

	ann.tells(`{"colibriClass":"EndpointMessage","to":"","msgPayload":{"x":1}}`)
	for _, c := range []*caller{bob, cyd} {
		c.isTold("EndpointMessage", `"from":"`+ann.id()+`"`)
	}
	cyd.tells(`{"colibriClass":"EndpointMessage","to":"` + bob.id() + `","msgPayload":{"x":2}}`)
	bob.isTold("EndpointMessage", `"from":"`+cyd.id()+`"`)

	bob.leg.Loud.Store(true)
	for _, c := range all {
		c.knowsSpeaker(bob)
	}

	was := bob.bridge()
	begun = time.Now()
	bridges[was].stop()
	t.Logf("the bridge was gone after %v", time.Since(begun).Round(time.Millisecond))
	bob.isOffered()
	if bob.bridge() == was {
		t.Fatal("Bob is invited to the bridge that is gone")
	}
	bob.accepts(ann, cyd)
	ann.sees(bob, cyd)
	cyd.sees(ann, bob)
	for _, c := range all {
		c.hears(without(all, c)...)
	}
	t.Logf("everybody got everything again after %v", time.Since(begun).Round(time.Millisecond))
	ann.tells(`{"colibriClass":"EndpointMessage","to":"","msgPayload":{"x":3}}`)
	bob.isTold("EndpointMessage", `"from":"`+ann.id()+`"`)
}

func without(all []*caller, c *caller) []*caller {
	return slices.DeleteFunc(slices.Clone(all), func(o *caller) bool { return o == c })
}
