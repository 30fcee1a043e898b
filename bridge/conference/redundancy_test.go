package conference_test

import (
	"testing"
	"time"

	"parley/bridge/conference"
	"parley/bridge/endpoint"
	"parley/bridge/media"
	"parley/bridge/rtp"
)

// TestRedundantAudioByPath: who knows RED gets it when its path loses packets and has room.
func TestRedundantAudioByPath(t *testing.T) {
	meet(t, func(m *meeting) {
		red := func(r *conference.EndpointRequest) {
			r.PayloadTypes = append([]media.PayloadType{{Number: 112, Kind: media.Audio, Codec: media.RED}}, r.PayloadTypes...)
		}
		m.join("a")
		good, lossy, narrow := m.join("good", red), m.join("lossy", red), m.join("narrow", red)
		if !good.GetsPlainAudio() || !lossy.GetsPlainAudio() || !narrow.GetsPlainAudio() {
			t.Error("redundant audio is sent before anything is known of the path")
		}
		for range 10 {
			good.Event(endpoint.Event{Kind: rtp.EventREMB, Bitrate: 900_000})
			lossy.Event(endpoint.Event{Kind: rtp.EventREMB, Bitrate: 900_000})
			lossy.Event(endpoint.Event{Kind: rtp.EventReport, Loss: 0.05, At: time.Now()})
			narrow.Event(endpoint.Event{Kind: rtp.EventREMB, Bitrate: 300_000})
			narrow.Event(endpoint.Event{Kind: rtp.EventReport, Loss: 0.05, At: time.Now()})
			time.Sleep(time.Second)
		}
		if !good.GetsPlainAudio() || lossy.GetsPlainAudio() || !narrow.GetsPlainAudio() {
			t.Errorf("plain audio: good path %v, lossy %v, narrow %v; want true, false, true",
				good.GetsPlainAudio(), lossy.GetsPlainAudio(), narrow.GetsPlainAudio())
		}
	})
}
