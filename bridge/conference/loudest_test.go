package conference_test

import (
	"testing"
	"testing/synctest"
	"time"

	"parley/bridge/conference"
	"parley/bridge/endpoint"
	"parley/bridge/media"
)

// TestLoudestOnly: everybody competes to be heard, but for the dominant speaker and those
// somebody asked for by name.
func TestLoudestOnly(t *testing.T) {
	loudest := func(c *conference.Config) {
		c.Audio = conference.AudioConfig{Loudest: 3, AlwaysDominant: true, EnergyExpire: 150 * time.Millisecond, EnergyAlpha: 50}
	}
	meet(t, func(m *meeting) {
		a, b, c := m.join("a"), m.join("b"), m.join("c")
		for _, l := range []interface{ Ranked() bool }{a, b, c} {
			if !l.Ranked() {
				t.Error("somebody does not compete")
			}
		}
		for range 20 {
			b.Hear(90, 95, 90, 95, 92, 90, 95, 90, 95, 92, 90, 95, 90, 95, 92)
			time.Sleep(300 * time.Millisecond)
			synctest.Wait()
		}
		if !b.Track(0).Exempt() || a.Track(0).Exempt() || c.Track(0).Exempt() {
			t.Error("the dominant speaker, and nobody else, must be forwarded always")
		}
		a.Say(`{"colibriClass":"ReceiverAudioSubscription","mode":"Include","list":["c-a0"]}`)
		synctest.Wait()
		if !c.Track(0).Exempt() {
			t.Error("who was asked for by name still competes")
		}
		a.Say(`{"colibriClass":"ReceiverAudioSubscription","all":true,"include":[],"exclude":[]}`)
		synctest.Wait()
		if c.Track(0).Exempt() {
			t.Error("nobody asks for c any more")
		}
	}, loudest)
}

func TestEverybodyIsForwardedByDefault(t *testing.T) {
	meet(t, func(m *meeting) {
		if m.join("a").Ranked() {
			t.Error("audio competes although that is off")
		}
	})
}

// TestSyntheticAudioIsAskedFor: a translation goes only to those who name it.
func TestSyntheticAudioIsAskedFor(t *testing.T) {
	meet(t, func(m *meeting) {
		a, b := m.join("a"), m.join("b")
		specs := append((*sources("a"))[:2:2], endpoint.SourceSpec{
			Name: "a-fr-a0", Kind: media.Audio, Encodings: []media.Encoding{{SSRC: 77}}, Synthetic: true,
		})
		m.must(conference.Request{Endpoints: []conference.EndpointRequest{{ID: "a", Sources: &specs}}})
		french := a.Track(2)
		if b.Gets(french).Target != media.LayerNone || b.Gets(a.Track(0)).Target != media.LayerAll {
			t.Error("everybody gets a translation nobody asked for, or not what was said")
		}
		b.Say(`{"colibriClass":"ReceiverAudioSubscription","all":true,"include":["a-fr-a0"],"exclude":["a-a0"]}`)
		synctest.Wait()
		if b.Gets(french).Target != media.LayerAll || b.Gets(a.Track(0)).Target != media.LayerNone {
			t.Error("who asks for the translation instead of what was said does not get it")
		}
	})
}
