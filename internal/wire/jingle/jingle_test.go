package jingle_test

import (
	"encoding/xml"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/wire/jingle"
	"parley/internal/wiretest"
)

func TestGolden(t *testing.T) {
	generation := uint32(1)
	wiretest.Golden(t, "jingle", map[string]jingle.Jingle{
		"terminate-idle": {
			Action: jingle.SessionTerminate, SID: "19va3dr9pj744",
			Reason: &jingle.Reason{Condition: jingle.ReasonExpired, Text: "Idle session timeout"},
		},
		"terminate-restart": {
			Action: jingle.SessionTerminate, SID: "31hgkkok25i91",
			Initiator:     "demo@conference.meet.example.com/focus",
			Reason:        &jingle.Reason{Condition: jingle.ReasonConnectivityError, Text: "ICE FAILED"},
			BridgeSession: &jingle.BridgeSession{ID: "76d7b5ad-953d-4137-9369-768ef090e530", Restart: true},
		},
		"ice-restart": {
			Action: jingle.SessionInfo, SID: "31hgkkok25i91",
			Initiator:     "demo@conference.meet.example.com/focus",
			BridgeSession: &jingle.BridgeSession{ID: "76d7b5ad-953d-4137-9369-768ef090e530", ICERestart: true},
		},
		"transport-info-focus": {
			Action: jingle.TransportInfo, SID: "31hgkkok25i91",
			Contents: []jingle.Content{{Creator: "initiator", Name: "audio", Transport: &jingle.Transport{
				Ufrag: "blmra1k7uqo1n7", Pwd: "6e3nonak7ct4vvc21a7qm4qjin", ICEGeneration: &generation,
				RTCPMux: &jingle.Empty{},
				WebSockets: []jingle.WebSocket{{
					URL: "ws://localhost:9090/colibri-ws/jvb-a/859ecc9b27721470/7b6eae3a?pwd=3ltoYU40t0XLR4Ah0fO3qaY8",
				}},
				Fingerprints: []jingle.Fingerprint{{Hash: "sha-256", Setup: "passive", Required: "false", Cryptex: "false",
					Value: "51:E4:85:14:12:FD:3B:FF:62:C4:98:BD:A1:E1:00:97:23:42:DD:B5:52:09:86:00:A1:21:B2:C9:9D:71:72:97"}},
				Candidates: []jingle.Candidate{{ID: "652191e831bf541a0ffffffffeb3f2b3e", IP: "192.0.2.2", Component: 1,
					Port: 10000, Protocol: "udp", Type: "host", Priority: 2130706431, Foundation: "1", Network: "0"}},
			}}},
		},
	})
}

// Clients find elements by their xmlns attribute (lib-jitsi-meet, XMLUtils): what we write
// has one wherever it differs from the parent's.
func TestOfferNamespaces(t *testing.T) {
	for _, f := range wiretest.Cases(t, "jingle") {
		j := wiretest.Decode[jingle.Jingle](t, wiretest.Read(t, f))
		out, err := xml.Marshal(j)
		require.NoError(t, err)
		require.NoError(t, wiretest.CheckNamespaces(out), f)
		assert.NotContains(t, string(out), "&#34;s&#34;", "quotes in JSON stay as they are")
	}
}

func TestAction(t *testing.T) {
	for _, c := range []struct {
		in   jingle.Action
		want jingle.Action
		ok   bool
	}{
		{"addsource", jingle.SourceAdd, true}, {"session-accept", jingle.SessionAccept, true},
		{"content-add", "content-add", true}, {"dance", "", false}, {"", "", false},
	} {
		got, ok := c.in.Canonical()
		assert.Equal(t, c.want, got)
		assert.Equal(t, c.ok, ok)
	}
}

func TestBadValues(t *testing.T) {
	for _, text := range []string{
		`<jingle xmlns='urn:xmpp:jingle:1'><content><description xmlns='urn:xmpp:jingle:apps:rtp:1'><source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='4294967296'/></description></content></jingle>`,
		`<jingle xmlns='urn:xmpp:jingle:1'><content><description xmlns='urn:xmpp:jingle:apps:rtp:1'><source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='-1'/></description></content></jingle>`,
		`<jingle xmlns='urn:xmpp:jingle:1'><content><transport xmlns='urn:xmpp:jingle:transports:ice-udp:1'><candidate port='70000'/></transport></content></jingle>`,
		`<jingle xmlns='urn:xmpp:jingle:2'/>`,
		`<jingle xmlns='urn:xmpp:jingle:1'><bridge-session xmlns='http://jitsi.org/protocol/focus' restart='perhaps'/></jingle>`,
	} {
		var j jingle.Jingle
		assert.Error(t, xml.Unmarshal([]byte(text), &j), text)
	}
}

func TestClone(t *testing.T) {
	j := wiretest.Decode[jingle.Jingle](t, wiretest.Read(t, filepath.Join("testdata", "jingle", "transport-info-focus.xml")))
	a := j.FirstTransport()
	b := a.Clone()
	assert.Equal(t, a, b)
	b.Candidates[0].IP, *b.ICEGeneration, b.Fingerprints[0].Setup = "x", 7, "y"
	assert.NotEqual(t, a, b)
	assert.Equal(t, "192.0.2.2", a.Candidates[0].IP)
	assert.Equal(t, uint32(1), *a.ICEGeneration)
	assert.Nil(t, (*jingle.Transport)(nil).Clone())
}

func FuzzJingle(f *testing.F) { wiretest.Stable[jingle.Jingle](f, "testdata/jingle/*.xml") }
