package media

import "testing"

func TestNames(t *testing.T) {
	for name, want := range map[string]Codec{"VP8": VP8, "opus": Opus, "OPUS": Opus, "rtx": RTX, "av1": AV1, "unknown": CodecUnknown, "x": CodecUnknown} {
		if got := CodecByName(name); got != want {
			t.Errorf("%s is %v", name, got)
		}
	}
	if k := ExtensionByURI("urn:ietf:params:rtp-hdrext:ssrc-audio-level"); k != ExtAudioLevel {
		t.Errorf("audio level is %v", k)
	}
}

func TestLayer(t *testing.T) {
	for e := range MaxEncodings {
		for s := range 4 {
			for tid := range 4 {
				l := LayerOf(e, s, tid)
				if l.Encoding() != e || l.Spatial() != s || l.Temporal() != tid || l >= LayerAll {
					t.Errorf("%d/%d/%d is %d", e, s, tid, l)
				}
			}
		}
	}
}
