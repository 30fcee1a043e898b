package bridgemsg_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	m "parley/internal/wire/bridgemsg"
)

func ptr[T any](v T) *T { return &v }

// Messages as clients and bridges send them.
var cases = []struct {
	text string
	want m.Message
	// out is our encoding where it differs from text.
	out string
}{
	{text: `{"colibriClass":"ClientHello"}`, want: &m.ClientHello{}},
	{text: `{"colibriClass":"ServerHello","version":"2.4.1"}`, want: &m.ServerHello{Version: "2.4.1"}},
	{text: `{"colibriClass":"LastNChangedEvent","lastN":-1}`, want: &m.LastNChangedEvent{LastN: -1}},
	{
		text: `{"colibriClass":"ReceiverVideoConstraints","lastN":20,"selectedSources":["e5-v0"],"onStageSources":["e5-v1"],"defaultConstraints":{"maxHeight":180},"constraints":{"e5-v1":{"maxHeight":1080,"maxFrameRate":30}},"assumedBandwidthBps":-1,"selectedEndpoints":["old"]}`,
		want: &m.ReceiverVideoConstraints{
			LastN: ptr(20), SelectedSources: []string{"e5-v0"}, OnStageSources: []string{"e5-v1"},
			DefaultConstraints:  &m.VideoConstraints{MaxHeight: 180, MaxFrameRate: -1},
			Constraints:         map[string]m.VideoConstraints{"e5-v1": {MaxHeight: 1080, MaxFrameRate: 30}},
			AssumedBandwidthBps: ptr(int64(-1)),
		},
		out: `{"colibriClass":"ReceiverVideoConstraints","lastN":20,"selectedSources":["e5-v0"],"onStageSources":["e5-v1"],"defaultConstraints":{"maxHeight":180,"maxFrameRate":-1},"constraints":{"e5-v1":{"maxHeight":1080,"maxFrameRate":30}},"assumedBandwidthBps":-1}`,
	},
	{
		text: `{"colibriClass":"ReceiverVideoConstraints","assumedBandwidthBps":-1,"lastN":-1}`,
		want: &m.ReceiverVideoConstraints{LastN: ptr(-1), AssumedBandwidthBps: ptr(int64(-1))},
		out:  `{"colibriClass":"ReceiverVideoConstraints","lastN":-1,"assumedBandwidthBps":-1}`,
	},
	{
		text: `{"colibriClass":"ReceiverAudioSubscription","mode":"Include","list":["e7-a0"]}`,
		want: &m.ReceiverAudioSubscription{Include: []string{"e7-a0"}},
		out:  `{"colibriClass":"ReceiverAudioSubscription","all":false,"include":["e7-a0"],"exclude":null}`,
	},
	{
		text: `{"colibriClass":"ReceiverAudioSubscription","all":true,"include":[],"exclude":["e7-a0"]}`,
		want: &m.ReceiverAudioSubscription{All: true, Include: []string{}, Exclude: []string{"e7-a0"}},
	},
	{
		text: `{"colibriClass":"SourceVideoTypeMessage","sourceName":"a1-v1","videoType":"DESKTOP"}`,
		want: &m.SourceVideoTypeMessage{SourceName: "a1-v1", VideoType: m.VideoDesktop},
		out:  `{"colibriClass":"SourceVideoTypeMessage","sourceName":"a1-v1","videoType":"desktop"}`,
	},
	{
		text: `{"colibriClass":"VideoTypeMessage","videoType":"disabled"}`,
		want: &m.VideoTypeMessage{VideoType: m.VideoNone},
		out:  `{"colibriClass":"VideoTypeMessage","videoType":"none"}`,
	},
	{
		text: `{"colibriClass":"DominantSpeakerEndpointChangeEvent","dominantSpeakerEndpoint":"e5","previousSpeakers":["a1","e7"],"silence":false}`,
		want: &m.DominantSpeakerEndpointChangeEvent{DominantSpeakerEndpoint: "e5", PreviousSpeakers: []string{"a1", "e7"}},
	},
	{
		text: `{"colibriClass":"EndpointConnectivityStatusChangeEvent","endpoint":"e7","active":"false"}`,
		want: &m.EndpointConnectivityStatusChangeEvent{Endpoint: "e7"},
	},
	{text: `{"colibriClass":"ForwardedSources","forwardedSources":[]}`, want: &m.ForwardedSources{ForwardedSources: []string{}}},
	{
		text: `{"colibriClass":"VideoSourcesMap","mappedSources":[{"source":"e5-v1","owner":"e5","ssrc":3735928559,"rtx":3735928560,"videoType":"DESKTOP","mid":"v0"}]}`,
		want: &m.VideoSourcesMap{MappedSources: []m.VideoMapping{{
			Source: "e5-v1", Owner: "e5", SSRC: 3735928559, RTX: 3735928560, VideoType: m.VideoDesktop.Upper(), MID: "v0"}}},
	},
	{
		text: `{"colibriClass":"AudioSourcesMap","mappedSources":[{"source":"e5-a0","owner":"e5","ssrc":305419896}]}`,
		want: &m.AudioSourcesMap{MappedSources: []m.AudioMapping{{Source: "e5-a0", Owner: "e5", SSRC: 305419896}}},
	},
	{
		text: `{"colibriClass":"SenderSourceConstraints", "sourceName":"a1-v0", "maxHeight":360}`,
		want: &m.SenderSourceConstraints{SourceName: "a1-v0", MaxHeight: 360},
		out:  `{"colibriClass":"SenderSourceConstraints","sourceName":"a1-v0","maxHeight":360}`,
	},
	{
		text: `{"colibriClass":"ConnectionStats","estimatedDownlinkBandwidth":2450000}`,
		want: &m.ConnectionStats{EstimatedDownlinkBandwidth: 2450000},
	},
	{
		text: `{"colibriClass":"SyntheticSourceSendingChangeEvent","sourceName":"tr-fr-a0","sending":true,"timestamp":1234567890}`,
		want: &m.SyntheticSourceSendingChangeEvent{SourceName: "tr-fr-a0", Sending: true, Timestamp: 1234567890},
	},
	{
		text: `{"colibriClass":"AddReceiver","bridgeId":"jvb-eu-1","sourceName":"e5-v0","videoConstraints":{"maxHeight":720,"maxFrameRate":-1}}`,
		want: &m.AddReceiver{BridgeID: "jvb-eu-1", SourceName: "e5-v0", VideoConstraints: m.VideoConstraints{MaxHeight: 720, MaxFrameRate: -1}},
	},
	{
		text: `{"colibriClass":"RemoveReceiver","bridgeId":"jvb-eu-1","endpointId":"e5"}`,
		want: &m.RemoveReceiver{BridgeID: "jvb-eu-1", EndpointID: "e5"},
	},
}

func TestMessages(t *testing.T) {
	for _, c := range cases {
		t.Run(c.want.Class(), func(t *testing.T) {
			got, err := m.Decode([]byte(c.text))
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			out, err := m.Encode(got)
			require.NoError(t, err)
			want := c.out
			if want == "" {
				want = c.text
			}
			assert.Equal(t, want, string(out))
			_, err = m.Decode(out)
			require.NoError(t, err)
		})
	}
	out, err := m.Encode(&m.ForwardedSources{})
	require.NoError(t, err)
	assert.Equal(t, `{"colibriClass":"ForwardedSources","forwardedSources":[]}`, string(out), "a list is never null")
	out, err = m.Encode(&m.VideoSourcesMap{})
	require.NoError(t, err)
	assert.Contains(t, string(out), `"mappedSources":[]`)
}

// What the bridge does not know passes through; who sent it is the bridge's to say.
func TestOpaque(t *testing.T) {
	got, err := m.Decode([]byte(`{"colibriClass":"EndpointMessage","to":"","from":"liar","msgPayload":{"type":"reaction","r":["like"]},"extra":[1]}`))
	require.NoError(t, err)
	e := got.(*m.EndpointMessage)
	assert.Equal(t, "", e.To)
	assert.JSONEq(t, `{"type":"reaction","r":["like"]}`, string(e.Payload()))
	e.From = "a1b2c3d4"
	out, err := m.Encode(e)
	require.NoError(t, err)
	assert.JSONEq(t, `{"colibriClass":"EndpointMessage","from":"a1b2c3d4","to":"","msgPayload":{"type":"reaction","r":["like"]},"extra":[1]}`, string(out))

	got, err = m.Decode([]byte(`{"colibriClass":"EndpointStats","jvbRTT":41,"serverRegion":null}`))
	require.NoError(t, err)
	s := got.(*m.EndpointStats)
	s.From = "e1"
	out, err = m.Encode(s)
	require.NoError(t, err)
	assert.JSONEq(t, `{"colibriClass":"EndpointStats","from":"e1","jvbRTT":41,"serverRegion":null}`, string(out))

	out, err = m.Encode(m.NewEndpointMessage("e1", []byte(`1`)))
	require.NoError(t, err)
	assert.JSONEq(t, `{"colibriClass":"EndpointMessage","from":"","to":"e1","msgPayload":1}`, string(out))
}

func TestRefused(t *testing.T) {
	_, err := m.Decode([]byte(`{"colibriClass":"SelectedEndpointsChangedEvent"}`))
	var unknown *m.UnknownClassError
	require.True(t, errors.As(err, &unknown))
	assert.Equal(t, "SelectedEndpointsChangedEvent", unknown.Class)
	_, err = m.Decode([]byte(`{}`))
	require.ErrorIs(t, err, m.ErrNoClass)
	_, err = m.Decode([]byte(strings.Repeat(" ", m.MaxSize+1)))
	require.ErrorIs(t, err, m.ErrTooLarge)
	for _, text := range []string{``, `[]`, `{"colibriClass":"LastNChangedEvent","lastN":"x"}`, `{"colibriClass":7}`, `nonsense`} {
		_, err := m.Decode([]byte(text))
		assert.Error(t, err, text)
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c.text))
	}
	f.Add([]byte(`{"colibriClass":"EndpointMessage","to":"","msgPayload":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := m.Decode(b)
		if err != nil {
			return
		}
		out, err := m.Encode(got)
		if err != nil {
			t.Fatalf("%s does not encode: %v", b, err)
		}
		if len(out) > m.MaxSize {
			return
		}
		if _, err := m.Decode(out); err != nil {
			t.Fatalf("%s does not decode again: %v", out, err)
		}
	})
}
