package colibri_test

import (
	"encoding/xml"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/wire/colibri"
	"parley/internal/wire/jingle"
	"parley/internal/wiretest"
)

func TestGolden(t *testing.T) {
	const meeting = "18e3a6d0-f143-4fa6-8a8d-66fb6be61c90"
	wiretest.Golden(t, "conference-modify", map[string]colibri.Modify{
		"expire":          {MeetingID: meeting, Expire: true},
		"expire-endpoint": {MeetingID: meeting, Endpoints: []colibri.Endpoint{{ID: "a1135d78", Expire: true}}},
	})
	wiretest.Golden(t, "conference-modified", map[string]colibri.Modified{
		"expire": {Endpoints: []colibri.Endpoint{{ID: "a1135d78", Expire: true}}},
	})
	wiretest.Golden[colibri.Stats](t, "stats", nil)
	wiretest.Golden[colibri.HealthCheck](t, "healthcheck", nil)
}

func TestCreate(t *testing.T) {
	m := wiretest.Decode[colibri.Modify](t, wiretest.Read(t, filepath.Join("testdata", "conference-modify", "create.xml")))
	assert.True(t, m.Create)
	require.Len(t, m.Endpoints, 1)
	e := m.Endpoints[0]
	assert.True(t, e.Create && e.HasCapability(colibri.CapSourceNames))
	assert.False(t, e.HasCapability(colibri.CapMIDDemux))
	require.Len(t, e.Media, 2)
	assert.Equal(t, "video audio", e.Media[0].Type+" "+e.Media[1].Type)
	opus := e.Media[1].PayloadTypes[0]
	fec, ok := opus.Parameter("useinbandfec")
	assert.Equal(t, "opus 111 1", opus.Name+" 111 "+fec)
	assert.True(t, ok)
	assert.True(t, e.Transport.ICEControlling)
	assert.Nil(t, e.Transport.ICE)
	require.NotNil(t, e.Sources)
	assert.Empty(t, e.Sources.Media)
	head := m.Header()
	assert.Empty(t, head.Endpoints)
	assert.Equal(t, m.MeetingID, head.MeetingID)
}

// TestRefusalOfJVB: JVB gives no reason of COLIBRI's when it has no data channels.
func TestRefusalOfJVB(t *testing.T) {
	e := wiretest.Decode[colibri.StanzaError](t, wiretest.Read(t, filepath.Join("testdata", "error", "no-sctp-jvb.xml")))
	assert.False(t, e.FromBridge())
	assert.Empty(t, e.Reason())
}

func TestError(t *testing.T) {
	raw := wiretest.Read(t, filepath.Join("testdata", "error", "conflict.xml"))
	e := wiretest.Decode[colibri.StanzaError](t, raw)
	assert.True(t, e.FromBridge())
	assert.Equal(t, colibri.ConferenceAlreadyExists, e.Reason())
	for _, text := range []string{
		`<error><error xmlns='jitsi:colibri2' reason='UNKNOWN_ENDPOINT'/><endpoint xmlns='jitsi:colibri2' id='e1'/></error>`,
		`<error><error xmlns='jitsi:colibri2' reason='unknown_endpoint'><endpoint id='e1'/></error></error>`,
	} {
		e := wiretest.Decode[colibri.StanzaError](t, []byte(text))
		assert.Equal(t, colibri.UnknownEndpoint, e.Reason())
		assert.Equal(t, "e1", e.EndpointID())
	}
	e = wiretest.Decode[colibri.StanzaError](t, []byte(`<error type='cancel'/>`))
	assert.False(t, e.FromBridge())
	assert.Equal(t, colibri.Reason(""), e.Reason())
	assert.Equal(t, "", e.EndpointID())
	out, err := xml.Marshal(colibri.Error{Reason: colibri.ConferenceNotFound})
	require.NoError(t, err)
	assert.Equal(t, `<error xmlns="jitsi:colibri2" reason="conference_not_found"></error>`, string(out))
}

func TestStatus(t *testing.T) {
	s := colibri.NewStatus()
	assert.True(t, s.Drain && s.Healthy)
	stats := wiretest.Decode[colibri.Stats](t, wiretest.Read(t, filepath.Join("testdata", "stats", "startup.xml")))
	s.Apply(&stats)
	assert.False(t, s.Drain)
	assert.Contains(t, s.FullVersion(), "2.3")

	var u colibri.Stats
	u.AddBool(colibri.StatGraceful, true)
	u.AddFloat(colibri.StatStress, 0.25)
	u.Add(colibri.StatRegion, "eu")
	u.Add(colibri.StatRelease, "99")
	u.AddInt("participants", 3)
	s.Apply(&u)
	assert.Equal(t, 0.25, s.Stress)
	assert.Equal(t, "eu", s.Region)
	n, ok := u.Get("participants")
	assert.True(t, ok && n == "3")

	bad := colibri.Stats{Stats: []colibri.Stat{
		{Name: colibri.StatStress, Value: "NaN"}, {Name: colibri.StatDrain, Value: "x"}, {Name: colibri.StatGraceful, Value: "false"},
	}}
	s.Apply(&bad)
	assert.Equal(t, 0.25, s.Stress)
	assert.True(t, s.Graceful, "once true stays true")
	assert.False(t, s.Drain)
}

// What a payload type inherits in Jingle it must declare here.
func TestMediaNamespace(t *testing.T) {
	out, err := xml.Marshal(colibri.Media{Type: "audio", PayloadTypes: []jingle.PayloadType{{ID: 111, Name: "opus"}}})
	require.NoError(t, err)
	assert.Contains(t, string(out), `<payload-type xmlns="urn:xmpp:jingle:apps:rtp:1" id="111"`)
}

func FuzzModify(f *testing.F) { wiretest.Stable[colibri.Modify](f, "testdata/conference-modif*/*.xml") }
