package rtp

import (
	"slices"
	"testing"
	"time"

	pionrtp "github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"parley/bridge/media"
)

// BenchmarkForward takes packets of 1,100 bytes in and sends each to ten receivers; the
// link throws them away. ns/out is the price of a forwarded packet without the kernel,
// to be compared with BenchmarkSeal, the part of it nobody can avoid. The kernel's part
// is measured by BenchmarkSend in bridge/transport.
func BenchmarkForward(b *testing.B) {
	const receivers = 10
	bench := newBench(b)
	bench.link.keep = false
	from := bench.join()
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	for range receivers {
		bench.join().Forward(Forward{Source: video, Target: media.LayerAll})
	}
	bench.turn()
	bench.feed(from, vp8(2000, 0, 0, 0, 0, 0, true, true, true))
	bench.turn()
	const chunk = 512
	seq := uint16(0)
	in, peers := make([][]byte, chunk), make([]uint32, chunk)
	var elapsed time.Duration
	b.ReportAllocs()
	for done := 0; done < b.N; done += chunk {
		b.StopTimer()
		for i := range chunk {
			seq++
			sealed, err := from.send.EncryptRTP(nil, vp8(2000, seq, uint32(seq)*3000, seq, uint8(seq), 0, false, true, true), nil)
			if err != nil {
				b.Fatal(err)
			}
			in[i], peers[i] = sealed, from.peer
		}
		bench.link.in, bench.link.from = in, peers
		b.StartTimer()
		start := time.Now()
		for len(bench.link.in) > 0 {
			bench.turn()
		}
		elapsed += time.Since(start)
	}
	packets := float64(bench.shard.stats.now.PacketsSent)
	b.ReportMetric(float64(elapsed.Nanoseconds())/packets, "ns/out")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkForwardCold is a picture to forty receivers that comes in bursts of two packets, as
// its sender paces them, on a processor that did something else in between: all memory is cold.
// A meeting that leaves the processor idle costs this much, not what BenchmarkForward says.
func BenchmarkForwardCold(b *testing.B) {
	const receivers, burst = 40, 2
	bench := newBench(b)
	bench.link.keep = false
	from := bench.join()
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 2000, RTX: 2001}}})
	var between [][]byte // what other goroutines of an endpoint allocate meanwhile
	for range receivers {
		bench.join().Forward(Forward{Source: video, Target: media.LayerAll})
		for range 64 {
			between = append(between, make([]byte, 1<<10))
		}
	}
	bench.turn()
	bench.feed(from, vp8(2000, 0, 0, 0, 0, 0, true, true, true))
	bench.turn()
	other := make([]byte, 64<<20)
	seq := uint16(0)
	var turns []time.Duration
	for n := -4; n < b.N; n += burst {
		for range burst {
			seq++
			bench.feed(from, vp8(2000, seq, uint32(seq)*3000, seq, uint8(seq), 0, false, true, true))
		}
		for i := 0; i < len(other); i += 64 {
			other[i]++
		}
		start := time.Now()
		bench.turn()
		if n >= 0 {
			turns = append(turns, time.Since(start))
		}
	}
	reportMedian(b, turns, burst*receivers)
	_ = between
}

// reportMedian tells what a packet cost in the median turn: what else the machine did shall
// not count, which in the mean it does many times over.
func reportMedian(b *testing.B, turns []time.Duration, packets int) {
	slices.Sort(turns)
	b.ReportMetric(float64(turns[len(turns)/2].Nanoseconds())/float64(packets), "ns/out")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkSealCold is the part of BenchmarkForwardCold nobody can avoid: the library's
// encryption alone, on a processor that did something else in between.
func BenchmarkSealCold(b *testing.B) {
	const receivers, burst = 40, 2
	var contexts []*srtp.Context
	for range receivers {
		ctx, err := srtp.CreateContext(testKey, testSalt, srtp.ProtectionProfileAeadAes128Gcm)
		if err != nil {
			b.Fatal(err)
		}
		contexts = append(contexts, ctx)
	}
	plain := vp8(2000, 1, 0, 0, 0, 0, false, true, true)
	store := make([]byte, burst*receivers*slotSize)
	header := pionrtp.Header{}
	other := make([]byte, 64<<20)
	var turns []time.Duration
	for n := 0; n < b.N; n += burst {
		for i := 0; i < len(other); i += 64 {
			other[i]++
		}
		start := time.Now()
		for j := range burst {
			plain[2], plain[3] = byte((n+j)>>8), byte(n+j)
			for i, ctx := range contexts {
				at := (j*receivers + i) * slotSize
				if _, err := ctx.EncryptRTP(store[at:at:at+slotSize], plain, &header); err != nil {
					b.Fatal(err)
				}
			}
		}
		turns = append(turns, time.Since(start))
	}
	reportMedian(b, turns, burst*receivers)
}

// BenchmarkSeal is encryption alone, as the floor under BenchmarkForward.
func BenchmarkSeal(b *testing.B) {
	ctx, err := srtp.CreateContext(testKey, testSalt, srtp.ProtectionProfileAeadAes128Gcm)
	if err != nil {
		b.Fatal(err)
	}
	plain := vp8(2000, 1, 0, 0, 0, 0, false, true, true)
	dst := make([]byte, 0, slotSize)
	header := pionrtp.Header{}
	for i := range b.N {
		plain[2], plain[3] = byte(i>>8), byte(i)
		if _, err := ctx.EncryptRTP(dst, plain, &header); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/out")
	b.ReportMetric(0, "ns/op")
}
