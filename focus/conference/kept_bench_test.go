package conference

import (
	"fmt"
	"testing"

	"mellium.im/xmpp/jid"

	"parley/focus/chatroom"
	"parley/focus/colibrisession"
	"parley/focus/jinglesession"
	"parley/focus/selector"
	"parley/internal/logx"
	"parley/internal/source"
)

// BenchmarkKeep is what writing down a conference costs.
func BenchmarkKeep(b *testing.B) {
	for _, people := range []int{3, 50, 500} {
		b.Run(fmt.Sprint(people), func(b *testing.B) {
			cfg := DefaultConfig()
			size := 0
			c := New("demo@conference.example", &cfg, Request{}, Deps{
				Bridges: selector.NewPool(selector.DefaultConfig()), Counters: &Counters{}, Keep: func(text []byte) { size = len(text) },
			}, logx.Discard())
			defer c.box.Stop()
			s := colibrisession.New(colibrisession.Params{ID: newUUID(), Bridge: "brewery@internal.example/jvb1"})
			c.bridges[s.Bridge()] = s
			for i := range people {
				nick := fmt.Sprintf("%08x", i)
				p := c.newParticipant(&chatroom.Member{Nick: nick, Addr: c.addr + "/" + nick, Real: jid.MustParse(newUUID() + "@example/res"), StatsID: "Kim-abc"})
				s.Allocate(colibrisession.Endpoint{ID: nick, StatsID: "Kim-abc"})
				p.bridge = s
				p.session = jinglesession.New(jinglesession.Params{SID: jinglesession.NewSID(), BridgeSession: s.ID()})
				c.parts[nick] = p
				n := uint32(i)*10 + 1
				set := source.Set{Sources: []source.Source{{Media: "audio", SSRC: n, Name: nick + "-a0", MSID: nick + "-audio-0 a"}}}
				for k := range uint32(6) {
					set.Sources = append(set.Sources, source.Source{Media: "video", SSRC: n + 1 + k, Name: nick + "-v0", MSID: nick + "-video-0 v"})
				}
				for k := range uint32(3) {
					set.Groups = append(set.Groups, source.Group{Media: "video", Semantics: "FID", SSRCs: []uint32{n + 1 + k, n + 4 + k}})
				}
				set.Groups = append(set.Groups, source.Group{Media: "video", Semantics: "SIM", SSRCs: []uint32{n + 1, n + 2, n + 3}})
				if _, err := c.sources.Add(nick, set); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				c.keep()
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}
