package meeting_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/logx"
	"parley/xmppd/meeting"
	"parley/xmppd/muc/muctest"
	"parley/xmppd/router"
)

// record is a line of a recorded play: a party and its address, or one stanza a
// party sent to a room (out) or got from there (in). The recordings are of
// unmodified clients, Jicofo and Prosody with Jitsi's plug-ins; bodies of Jingle,
// disco and configuration forms are taken out, ids that Prosody rewrote are put
// back, the services beside the room are left out.
type record struct {
	T   int    `json:"t"` // ms
	Who string `json:"who"`
	JID string `json:"jid"`
	Dir string `json:"dir"`
	XML string `json:"xml"`
}

func records(t *testing.T, name string) []record {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "traces", name+".jsonl"))
	require.NoError(t, err)
	var out []record
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		var r record
		require.NoError(t, json.Unmarshal(s.Bytes(), &r))
		out = append(out, r)
	}
	return out
}

// bodies are what the recordings leave out.
var bodies = regexp.MustCompile(`(?s)(<\{(?:http://jabber.org/protocol/disco#info|http://jabber.org/protocol/muc#owner)\}query[^>]*>).*?(</></>)$`)

// What the recorded clients sent is sent to our room, and what the recorded server
// told each of them is what ours must tell; only the order of independent stanzas
// and the ids the server makes are free.
func TestTraces(t *testing.T) {
	for _, name := range []string{"join-2-3-leave", "moderation", "xmpp-people"} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T) { replay(t, records(t, name)) })
		})
	}
}

func replay(t *testing.T, recs []record) {
	w := muctest.New(t, nil, nil)
	cfg := meeting.DefaultConfig()
	cfg.Domain, cfg.Services = muctest.Domain, meeting.ServicesConfig{}
	_, err := meeting.Install(w.Host, cfg, nil, logx.Discard())
	require.NoError(t, err)
	parties := map[string]*muctest.Client{}
	sent := map[string]bool{}
	want, got := map[string][]string{}, map[string][]string{}
	keep := func(id string) bool { return sent[id] }
	id := regexp.MustCompile(`^<\w+[^>]* id="([^"]*)"`)
	for _, r := range recs {
		if m := id.FindStringSubmatch(r.XML); m != nil && r.Dir == "out" {
			sent[m[1]] = true
		}
	}
	clock := 0
	for _, r := range recs {
		switch {
		case r.JID != "":
			parties[r.Who] = w.Login(r.JID, router.Info{Anonymous: strings.Contains(r.JID, "@meet.")})
		case r.Dir == "in":
			want[r.Who] = append(want[r.Who], strip(muctest.Canonical(t, r.XML, keep)))
		default:
			time.Sleep(time.Duration(r.T-clock) * time.Millisecond)
			clock = r.T
			parties[r.Who].Send(r.XML)
			for who, p := range parties {
				for _, st := range p.Take() {
					got[who] = append(got[who], strip(muctest.Canonical(t, st, keep)))
				}
			}
		}
	}
	for who := range parties {
		assert.ElementsMatch(t, want[who], got[who], who)
	}
}

func strip(s string) string {
	return bodies.ReplaceAllString(s, "$1$2")
}
