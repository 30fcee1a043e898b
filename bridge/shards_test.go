package bridge

import (
	"testing"

	"parley/bridge/conference"
	"parley/bridge/rtp"
	"parley/bridge/transport"
	"parley/internal/logx"
)

// TestCallOverThreeShards: of a call's media two thirds arrive at a shard that the
// conference is not at home on, and all of it reaches everybody.
func TestCallOverThreeShards(t *testing.T) {
	h := newHall(t, func(c *Config) { c.PacketPath.Shards = 3 })
	a, b, c := h.enter("aa", ""), h.enter("bb", ""), h.enter("cc", "")
	guests := []*guest{a, b, c}
	a.connect(b, c)
	b.connect(a, c)
	c.connect(a, b)
	for _, g := range guests {
		g.openSocket()
		g.say(wantAll)
	}
	for _, g := range guests {
		for _, o := range guests {
			if g != o {
				g.hears(o.id+"'s audio", o.Own.Audio, 20)
				g.hears(o.id+"'s video", o.Own.Video, 20)
			}
		}
	}
	for i, load := range h.service.network.load {
		if load != 0 && load != 3 {
			t.Errorf("%d endpoints of the conference are on shard %d", load, i)
		}
	}
	eventually(t, "the counters to show it", func() bool {
		s := h.service.network.Stats()
		return s.Endpoints == 3 && s.PacketsReceived > 100
	})
}

// TestConferencesAreSpread over the shards, and leave nothing behind.
func TestConferencesAreSpread(t *testing.T) {
	cfg := transport.DefaultConfig()
	cfg.Lanes = 3
	tr, err := transport.New(cfg, logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	n := newNetwork(tr, rtp.Config{ArenaSlots: 256}, logx.Discard())
	where := map[int]int{}
	for c := range uint32(6) {
		fb := conference.Feedback{Audio: c, Video: c}
		home := n.enter(fb)
		where[home]++
		for range 4 {
			if again := n.enter(fb); again != home {
				t.Fatalf("conference %d is on shards %d and %d", c, home, again)
			}
		}
	}
	for shard := range 3 {
		if where[shard] != 2 {
			t.Errorf("%d conferences are on shard %d", where[shard], shard)
		}
	}
	for c := range uint32(6) {
		for range 5 {
			n.leaveLocked(conference.Feedback{Audio: c, Video: c})
		}
	}
	if len(n.homes) != 0 || n.load[0]+n.load[1]+n.load[2] != 0 {
		t.Errorf("%d homes and %v endpoints are left", len(n.homes), n.load)
	}
}
