package signal_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"parley/internal/wire/colibri"
)

// recorded is a request an unmodified Jicofo sent to its bridge.
func recorded(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../../internal/wire/colibri/testdata/conference-modify/" + name + ".xml")
	if err != nil {
		t.Fatal(err)
	}
	if _, rest, ok := bytes.Cut(b, []byte("-->")); ok {
		b = rest
	}
	return strings.TrimSpace(string(b))
}

// TestReplayJicofo: what Jicofo sent from the first participant to the end of the conference
// is carried out as it stands, and answered as its own bridge does.
func TestReplayJicofo(t *testing.T) {
	b := newBench(t)
	first := b.must(recorded(t, "create"))
	created(t, first, "1d615206")
	if first.Sources == nil || len(first.Sources.Media) != 2 {
		t.Errorf("the bridge's own sources are %+v", first.Sources)
	}
	created(t, b.must(recorded(t, "create-second")), "97635f21")
	if m := b.must(recorded(t, "update")); len(m.Endpoints) != 1 || m.Endpoints[0].Transport != nil {
		t.Errorf("the update was answered %+v", m)
	}
	second := b.net.Leg(1)
	remotes := second.Remotes()
	if len(remotes) != 1 || remotes[0].Ufrag == "" || len(remotes[0].Fingerprints) != 1 {
		t.Errorf("the session was told %+v", remotes)
	}

	// Of other recordings, with the ids of this one.
	here := func(name, meeting, endpoint string) string {
		return strings.NewReplacer(meeting, "18e3a6d0-f143-4fa6-8a8d-66fb6be61c90", endpoint, "97635f21").Replace(recorded(t, name))
	}
	b.must(here("force-mute", "8b0e0d16-8d50-412f-b12c-710676bc27b0", "e5c897e9"))
	if got := second.Muted(); got != [2]bool{true, false} {
		t.Errorf("muted are audio, video: %v", got)
	}
	second.Connect()
	restart := b.must(here("ice-restart", "fe7458c5-b0a8-4c05-ac95-0ab8185ce9a9", "7b6eae3a"))
	if tr := restart.Endpoints[0].Transport; tr == nil || tr.ICE.ICEGeneration == nil {
		t.Errorf("the restart was answered %+v", restart)
	}
	gone := b.must(here("expire-endpoint", "18e3a6d0-f143-4fa6-8a8d-66fb6be61c90", "a1135d78"))
	if len(gone.Endpoints) != 1 || !gone.Endpoints[0].Expire || !second.Closed() {
		t.Errorf("the end of an endpoint was answered %+v", gone)
	}
	b.must(recorded(t, "expire"))
	if n := len(b.set.List()); n != 0 {
		t.Errorf("%d conferences are left", n)
	}
}

func created(t *testing.T, m *colibri.Modified, id string) {
	t.Helper()
	if len(m.Endpoints) != 1 || m.Endpoints[0].ID != id || m.Endpoints[0].Transport == nil || m.Endpoints[0].Transport.ICE == nil {
		t.Fatalf("creating %s was answered %+v", id, m)
	}
}
