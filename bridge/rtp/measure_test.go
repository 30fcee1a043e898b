package rtp

import (
	"testing"
	"time"

	"parley/bridge/media"
)

// camera is a source of three encodings and what is heard of its layers.
type camera struct {
	b     *testBench
	sim   *simulcaster
	video *Source
}

func newCamera(t *testing.T) *camera {
	b := newBench(t)
	from := b.join()
	video := from.AddSource(SourceConfig{Kind: media.Video, Encodings: []media.Encoding{{SSRC: 1000}, {SSRC: 2000}, {SSRC: 3000}}})
	b.pass(time.Second)
	return &camera{b: b, sim: newSimulcaster(b, from), video: video}
}

// send sends frames of the encodings, 30 a second.
func (c *camera) send(frames int, encodings ...int) {
	for i := range frames {
		for _, e := range encodings {
			c.sim.frame(e, i == 0)
		}
		c.b.pass(33 * time.Millisecond)
	}
}

// heard returns the layers as they were when the last event told of them.
func (c *camera) heard() (active []int, told bool) {
	for {
		select {
		case ev := <-c.b.ev:
			if ev.Kind == EventLayers {
				told = true
			}
		default:
			for _, l := range c.video.Layers() {
				if l.Bitrate > 0 {
					active = append(active, l.Layer.Encoding())
				}
			}
			return active, told
		}
	}
}

// count of the encodings in a list of active layers, which has one per temporal layer.
func count(active []int) (n [3]int) {
	for _, e := range active {
		n[e] = 1
	}
	return n
}

// An encoding that begins is announced with a rate, as soon as that is known: without one
// the allocation takes it for absent, and nothing would tell of the rate later.
func TestEncodingsAreAnnouncedWithTheirRate(t *testing.T) {
	c := newCamera(t)
	c.send(20, 0)
	if active, told := c.heard(); !told || count(active) != [3]int{1, 0, 0} {
		t.Fatalf("active %v, told %v", active, told)
	}
	for i := range 80 {
		c.send(1, 0, 1, 2)
		if active, told := c.heard(); told && count(active) == [3]int{1, 1, 1} {
			if i < 25 {
				t.Errorf("new encodings are used after %d pictures, before it is known what they cost", i)
			}
			return
		}
	}
	t.Fatal("nobody told of new encodings")
}

func TestEncodingThatIsLeftOutEndsSoon(t *testing.T) {
	c := newCamera(t)
	c.send(60, 0, 1, 2)
	c.heard()
	c.send(15, 0, 1)
	if active, _ := c.heard(); count(active) != [3]int{1, 1, 1} {
		t.Fatalf("after half a second without the best encoding active %v", active)
	}
	c.send(25, 0, 1)
	if active, told := c.heard(); !told || count(active) != [3]int{1, 1, 0} {
		t.Fatalf("after 1.3 s without the best encoding active %v, told %v", active, told)
	}
	c.send(15, 0, 1, 2)
	if active, _ := c.heard(); count(active) != [3]int{1, 1, 0} {
		t.Fatalf("as soon as it is back active %v", active)
	}
	c.send(35, 0, 1, 2)
	if active, told := c.heard(); !told || count(active) != [3]int{1, 1, 1} {
		t.Fatalf("when it is back active %v, told %v", active, told)
	}
}

func TestSenderThatStallsLeavesNothingOut(t *testing.T) {
	c := newCamera(t)
	c.send(60, 0, 1, 2)
	for range 5 {
		c.b.pass(2 * time.Second)
		// The lowest encoding comes first.
		c.send(1, 0)
		if active, _ := c.heard(); count(active) != [3]int{1, 1, 1} {
			t.Fatalf("active %v after a stall", active)
		}
		c.send(10, 0, 1, 2)
	}
}
