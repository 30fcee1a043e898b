package jitsimeet_test

import (
	"encoding/xml"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/wire/jitsimeet"
	"parley/internal/wire/ns"
	"parley/internal/wiretest"
)

func TestGolden(t *testing.T) {
	ready := true
	wiretest.Golden(t, "conference", map[string]jitsimeet.Conference{
		"request": {
			Room: "demo@conference.meet.example.com", MachineUID: "3665b327a09d42758b980bcbdd0bb562",
			Properties: []jitsimeet.Property{{Name: "rtcstatsEnabled", Value: "false"}, {Name: "visitors-version", Value: "1"}},
		},
		"answer": {
			Room: "demo@conference.meet.example.com", Ready: &ready, FocusJID: "focus@auth.meet.example.com",
			Properties: []jitsimeet.Property{{Name: "authentication", Value: "false"}, {Name: "visitors-supported", Value: "false"}},
		},
	})
	wiretest.Golden[jitsimeet.ConferenceProperties](t, "conference-properties", nil)
	wiretest.Golden(t, "etherpad", map[string]jitsimeet.Etherpad{"start": {Name: "demo"}})
	wiretest.Golden(t, "versions", map[string]jitsimeet.Versions{
		"start": {Components: []jitsimeet.VersionComponent{{Name: "focus", Version: "1.1.SNAPSHOT"}}},
	})
	wiretest.Golden[jitsimeet.Mute](t, "mute", nil)
	wiretest.Golden[jitsimeet.JSONMessage](t, "json-message", nil)
}

func file(el, name string) string { return filepath.Join("testdata", el, name+".xml") }

func TestMute(t *testing.T) {
	m := wiretest.Decode[jitsimeet.Mute](t, wiretest.Read(t, file("mute", "request")))
	on, err := m.Muted()
	require.NoError(t, err)
	assert.True(t, on)
	assert.Equal(t, jitsimeet.MediaAudio, m.Media())
	assert.Equal(t, "demo@conference.meet.example.com/e5c897e9", m.JID)

	n := jitsimeet.NewMute(jitsimeet.MediaDesktop, false)
	n.Actor = "r@c/a"
	out, err := xml.Marshal(n)
	require.NoError(t, err)
	assert.Equal(t, `<mute xmlns="http://jitsi.org/jitmeet/desktop" actor="r@c/a">false</mute>`, string(out))
	m.Text = "perhaps"
	_, err = m.Muted()
	require.Error(t, err)
	assert.Equal(t, "", (&jitsimeet.Mute{}).Media())
}

func TestPresence(t *testing.T) {
	p := wiretest.Decode[jitsimeet.Presence](t, wiretest.Read(t, file("presence", "join")))
	assert.Equal(t, "97635f21-196b-412f-8fca-8a692ca3b70a@meet.example.com/34YgKFYCHOJX", p.MUC.Item().JID)
	assert.Equal(t, "Filiberto-q34", p.StatsID)
	assert.Equal(t, "Bob", p.Nick)
	assert.Equal(t, ns.JitsiMeet, p.Caps.Node)
	states, err := p.SourceStates()
	require.NoError(t, err)
	assert.False(t, states["97635f21-v0"].Muted)
	assert.Equal(t, "", p.RegionName())

	p = wiretest.Decode[jitsimeet.Presence](t, wiretest.Read(t, file("presence", "vanished")))
	assert.True(t, p.MUC.Has(jitsimeet.StatusDropped))
	p = wiretest.Decode[jitsimeet.Presence](t, wiretest.Read(t, file("presence", "breakout")))
	assert.Equal(t, jitsimeet.StatusSwitchRoom, p.Status)

	p = wiretest.Decode[jitsimeet.Presence](t, []byte(`<presence xmlns='jabber:client'><jitsi_participant_region>eu-1</jitsi_participant_region><features><feature var='x'/></features><SourceInfo>{"a":{},"b":{"muted":false,"videoType":"desktop"}}</SourceInfo></presence>`))
	assert.Equal(t, "eu-1", p.RegionName())
	assert.True(t, p.Features.Has("x"))
	states, err = p.SourceStates()
	require.NoError(t, err)
	assert.True(t, states["a"].Muted, "a source that says nothing is muted")
	assert.Equal(t, jitsimeet.SourceState{VideoType: "desktop"}, states["b"])
	p.SourceInfo = "[1]"
	_, err = p.SourceStates()
	require.Error(t, err)
	assert.False(t, (*jitsimeet.MUCUser)(nil).Has(1))
	assert.False(t, (*jitsimeet.Features)(nil).Has("x"))
}

func TestJSONMessage(t *testing.T) {
	m := wiretest.Decode[jitsimeet.JSONMessage](t, wiretest.Read(t, file("json-message", "av-moderation")))
	typ, err := m.Type()
	require.NoError(t, err)
	assert.Equal(t, jitsimeet.TypeAVModeration, typ)
	var av jitsimeet.AVModeration
	require.NoError(t, m.Decode(&av))
	assert.True(t, *av.Enabled)
	assert.Equal(t, "demo@conference.meet.example.com/3da924ec", av.Actor)

	m = wiretest.Decode[jitsimeet.JSONMessage](t, wiretest.Read(t, file("json-message", "whitelist")))
	av = jitsimeet.AVModeration{}
	require.NoError(t, m.Decode(&av))
	assert.Nil(t, av.Enabled)
	assert.Len(t, av.Whitelists["audio"], 1)

	m = wiretest.Decode[jitsimeet.JSONMessage](t, wiretest.Read(t, file("json-message", "metadata")))
	assert.Equal(t, "demo@conference.meet.example.com", m.Room)
	var md jitsimeet.RoomMetadata
	require.NoError(t, m.Decode(&md))
	assert.Nil(t, md.Metadata.StartMuted)

	out, err := xml.Marshal(jitsimeet.JSONMessage{Text: `{"a":"<&>"}`})
	require.NoError(t, err)
	assert.Equal(t, `<json-message xmlns="http://jitsi.org/jitmeet">{"a":"&lt;&amp;&gt;"}</json-message>`, string(out))
	for _, text := range []string{"", "[]", "{}", `{"type":3}`} {
		_, err := (&jitsimeet.JSONMessage{Text: text}).Type()
		assert.Error(t, err, text)
	}
	assert.Error(t, (&jitsimeet.JSONMessage{Text: string(make([]byte, 1<<20))}).Decode(&md))
}

func TestProperties(t *testing.T) {
	var c jitsimeet.Conference
	c.SetProperty(jitsimeet.PropAuthentication, "false")
	v, ok := c.Property(jitsimeet.PropAuthentication)
	assert.True(t, ok && v == "false")
	_, ok = c.Property("x")
	assert.False(t, ok)
	var p jitsimeet.ConferenceProperties
	p.Set(jitsimeet.KeyBridgeCount, "1")
	p.Set(jitsimeet.KeyBridgeCount, "2")
	assert.Equal(t, []jitsimeet.ConferenceProperty{{Key: "bridge-count", Value: "2"}}, p.Properties)
}

func FuzzJSON(f *testing.F) {
	f.Add(`{"type":"av_moderation","whitelists":{"audio":["a"]}}`)
	f.Add(`{"type":"room_metadata","metadata":{"startMuted":{"audio":true}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		m := jitsimeet.JSONMessage{Text: text}
		_, _ = m.Type()
		_ = m.Decode(&jitsimeet.AVModeration{})
		_ = m.Decode(&jitsimeet.RoomMetadata{})
		p := jitsimeet.Presence{SourceInfo: text}
		_, _ = p.SourceStates()
	})
}
