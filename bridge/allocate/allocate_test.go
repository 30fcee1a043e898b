package allocate_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"parley/bridge/allocate"
)

const kbps = 1000

// layers builds full-rate layers from height, kbps pairs.
func layers(pairs ...int) []allocate.Layer {
	var out []allocate.Layer
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, allocate.Layer{Index: (i/2)<<6 | 2, Height: pairs[i], FPS: 30, Bitrate: int64(pairs[i+1]) * kbps})
	}
	return out
}

func camera(name string, ls []allocate.Layer) allocate.Source {
	return allocate.Source{Name: name, Owner: name[:2], Type: allocate.Camera, Layers: ls}
}

func desktop(name string, ls []allocate.Layer) allocate.Source {
	return allocate.Source{Name: name, Owner: name[:2], Type: allocate.Desktop, Layers: ls}
}

func settings() allocate.Settings {
	s := allocate.Initial()
	s.Default.MaxHeight = 180
	return s
}

// target maps source to the height it gets, 0 for none.
func heights(r allocate.Result) map[string]int {
	m := make(map[string]int)
	for _, a := range r.Allocations {
		m[a.Source] = a.Height
	}
	return m
}

func worked(bandwidth int64) allocate.Result {
	s := settings()
	s.OnStage = []string{"s1-v0"}
	s.Constraints = map[string]allocate.Constraint{"s1-v0": {MaxHeight: 1080}}
	sources := []allocate.Source{
		camera("s1-v0", layers(180, 150, 360, 500, 720, 1400)),
		camera("s2-v0", layers(180, 150)),
		camera("s3-v0", layers(180, 150)),
	}
	return allocate.Allocate(sources, s, bandwidth, allocate.DefaultConfig())
}

func TestWorkedExampleEnough(t *testing.T) {
	r := worked(1000 * kbps)
	if h := heights(r); h["s1-v0"] != 360 || h["s2-v0"] != 180 || h["s3-v0"] != 180 {
		t.Fatalf("heights %v", h)
	}
	if r.Target != 800*kbps || r.Ideal != 1700*kbps {
		t.Fatalf("target %d ideal %d", r.Target, r.Ideal)
	}
	if len(r.Suspended) != 0 || r.Oversending {
		t.Fatalf("suspended %v oversending %v", r.Suspended, r.Oversending)
	}
}

func TestWorkedExampleStarvation(t *testing.T) {
	r := worked(400 * kbps)
	if h := heights(r); h["s1-v0"] != 180 || h["s2-v0"] != 0 || h["s3-v0"] != 0 {
		t.Fatalf("heights %v", h)
	}
	if r.Target != 150*kbps {
		t.Fatalf("target %d", r.Target)
	}
	if !slices.Equal(r.Suspended, []string{"s2-v0", "s3-v0"}) {
		t.Fatalf("suspended %v", r.Suspended)
	}
}

func TestUnlimitedBandwidthGivesTheIdeal(t *testing.T) {
	r := worked(allocate.Unlimited)
	if h := heights(r); h["s1-v0"] != 720 {
		t.Fatalf("heights %v", h)
	}
	if r.Target != r.Ideal {
		t.Fatalf("target %d ideal %d", r.Target, r.Ideal)
	}
}

func TestNothingBeforeTheFirstConstraints(t *testing.T) {
	r := allocate.Allocate([]allocate.Source{camera("s1-v0", layers(180, 150))}, allocate.Initial(), 5000*kbps, allocate.DefaultConfig())
	if len(r.Forwarded()) != 0 {
		t.Fatalf("forwarded %v", r.Forwarded())
	}
}

func TestLastN(t *testing.T) {
	sources := []allocate.Source{
		camera("s1-v0", layers(180, 100)),
		{Name: "s2-v0", Type: allocate.Disabled, Layers: layers(180, 100)},
		camera("s3-v0", layers(180, 100)),
		camera("s4-v0", layers(180, 100)),
		camera("s5-v0", layers(180, 100)),
	}
	cases := []struct {
		name   string
		edit   func(*allocate.Settings, *allocate.Config)
		expect []string
	}{
		{"unlimited", func(*allocate.Settings, *allocate.Config) {}, []string{"s1-v0", "s3-v0", "s4-v0", "s5-v0"}},
		{"zero is audio only", func(s *allocate.Settings, _ *allocate.Config) { s.LastN = 0 }, []string{}},
		{"two by speech order", func(s *allocate.Settings, _ *allocate.Config) { s.LastN = 2 }, []string{"s1-v0", "s3-v0"}},
		{"selected come first", func(s *allocate.Settings, _ *allocate.Config) {
			s.LastN = 2
			s.Selected = []string{"s5-v0", "s4-v0", "s5-v0"}
		}, []string{"s5-v0", "s4-v0"}},
		{"on stage before selected", func(s *allocate.Settings, _ *allocate.Config) {
			s.LastN = 2
			s.OnStage, s.Selected = []string{"s3-v0"}, []string{"s5-v0"}
		}, []string{"s3-v0", "s5-v0"}},
		{"unwanted does not count", func(s *allocate.Settings, _ *allocate.Config) {
			s.LastN = 2
			s.Constraints = map[string]allocate.Constraint{"s1-v0": {MaxHeight: 0}}
		}, []string{"s3-v0", "s4-v0"}},
		{"bridge limit", func(_ *allocate.Settings, c *allocate.Config) { c.MaxVideo = 1 }, []string{"s1-v0"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, cfg := settings(), allocate.DefaultConfig()
			c.edit(&s, &cfg)
			r := allocate.Allocate(sources, s, allocate.Unlimited, cfg)
			if got := r.Forwarded(); !slices.Equal(got, c.expect) {
				t.Fatalf("forwarded %v, want %v", got, c.expect)
			}
		})
	}
}

func TestInactiveLayersAreForwardedAtTheTop(t *testing.T) {
	// Nothing measured yet: the wanted layers count as free.
	s := settings()
	r := allocate.Allocate([]allocate.Source{camera("s1-v0", layers(180, 0, 360, 0, 720, 0))}, s, 1000*kbps, allocate.DefaultConfig())
	if h := heights(r); h["s1-v0"] != 180 {
		t.Fatalf("heights %v", h)
	}
	s.Default.MaxHeight = 720
	r = allocate.Allocate([]allocate.Source{camera("s1-v0", layers(180, 0, 360, 0, 720, 0))}, s, 1000*kbps, allocate.DefaultConfig())
	if h := heights(r); h["s1-v0"] != 720 {
		t.Fatalf("heights %v", h)
	}
}

func TestTemporalLayersOnlyBelowPreferredHeight(t *testing.T) {
	var ls []allocate.Layer
	for eid, h := range []int{180, 360, 720} {
		for tid, fps := range []float64{7.5, 15, 30} {
			ls = append(ls, allocate.Layer{Index: eid<<6 | tid, Height: h, FPS: fps, Bitrate: int64((eid+1)*(tid+1)) * 100 * kbps})
		}
	}
	s := settings()
	s.Default.MaxHeight = 720
	for bw, want := range map[int64]int{
		150 * kbps: 0, // 180p at 7.5 fps
		250 * kbps: 0<<6 | 1,
		350 * kbps: 0<<6 | 2,
		// 360p below full rate costs more than 180p at full rate and is
		// not considered; 360p at 30 costs 600.
		550 * kbps: 0<<6 | 2,
		700 * kbps: 1<<6 | 2,
		950 * kbps: 2<<6 | 2,
	} {
		r := allocate.Allocate([]allocate.Source{camera("s1-v0", ls)}, s, bw, allocate.DefaultConfig())
		if got := r.Allocations[0].Target; got != want {
			t.Errorf("at %d kbps: layer %#x, want %#x", bw/kbps, got, want)
		}
	}
}

func TestMeasuredFrameRatesAreNotExact(t *testing.T) {
	s := settings()
	s.Default.MaxHeight = 720
	ls := []allocate.Layer{
		{Index: 0, Height: 180, FPS: 30.2, Bitrate: 150 * kbps},
		{Index: 1 << 6, Height: 360, FPS: 29.9, Bitrate: 500 * kbps},
		{Index: 2<<6 | 1, Height: 720, FPS: 7.4, Bitrate: 700 * kbps},
		{Index: 2<<6 | 2, Height: 720, FPS: 14.8, Bitrate: 1400 * kbps}, // a busy sender
	}
	r := allocate.Allocate([]allocate.Source{camera("s1-v0", ls)}, s, allocate.Unlimited, allocate.DefaultConfig())
	if got := r.Allocations[0].Target; got != 2<<6|2 {
		t.Fatalf("layer %#x", got)
	}
	r = allocate.Allocate([]allocate.Source{camera("s1-v0", ls)}, s, 900*kbps, allocate.DefaultConfig())
	if got := r.Allocations[0].Target; got != 1<<6 {
		t.Fatalf("layer %#x, want the fluent one of 360 lines", got)
	}
}

func TestWhatIsSentIsNotGivenUpLightly(t *testing.T) {
	s := settings()
	s.Default.MaxHeight = 720
	src := camera("s1-v0", layers(180, 150, 360, 500, 720, 1400))
	for bw, want := range map[int64]int{1300 * kbps: 720, 1200 * kbps: 360} {
		src.Sent, src.Sticky = 2<<6|2, true
		r := allocate.Allocate([]allocate.Source{src}, s, bw, allocate.DefaultConfig())
		if got := heights(r)["s1-v0"]; got != want {
			t.Errorf("at %d: %d lines while 720 are sent, want %d", bw, got, want)
		}
		src.Sent = 1<<6 | 2
		r = allocate.Allocate([]allocate.Source{src}, s, bw, allocate.DefaultConfig())
		if got := heights(r)["s1-v0"]; got != 360 {
			t.Errorf("at %d: %d lines while 360 are sent", bw, got)
		}
	}
}

func TestDesktopOversendsOnStage(t *testing.T) {
	s := settings()
	s.OnStage = []string{"s1-v1"}
	s.Constraints = map[string]allocate.Constraint{"s1-v1": {MaxHeight: allocate.Unlimited}}
	src := []allocate.Source{desktop("s1-v1", layers(1080, 900))}
	r := allocate.Allocate(src, s, 500*kbps, allocate.DefaultConfig())
	if h := heights(r); h["s1-v1"] != 1080 || !r.Oversending {
		t.Fatalf("heights %v oversending %v", h, r.Oversending)
	}
	r = allocate.Allocate(src, s, 300*kbps, allocate.DefaultConfig())
	if h := heights(r); h["s1-v1"] != 0 {
		t.Fatalf("heights %v: more than the allowed oversending", h)
	}
}

func TestDesktopTallerThanAskedIsStillShown(t *testing.T) {
	s := settings()
	r := allocate.Allocate([]allocate.Source{desktop("s1-v1", layers(1080, 900))}, s, 2000*kbps, allocate.DefaultConfig())
	if h := heights(r); h["s1-v1"] != 1080 {
		t.Fatalf("heights %v", h)
	}
}

func TestAssumedBandwidthNeedsPermission(t *testing.T) {
	s, cfg := settings(), allocate.DefaultConfig()
	s.AssumedBandwidth = 1000 * kbps
	src := []allocate.Source{camera("s1-v0", layers(180, 150))}
	if r := allocate.Allocate(src, s, 100*kbps, cfg); len(r.Forwarded()) != 0 {
		t.Fatal("assumed bandwidth was believed without permission")
	}
	cfg.AssumedBandwidth = 500 * kbps
	if r := allocate.Allocate(src, s, 100*kbps, cfg); len(r.Forwarded()) != 1 {
		t.Fatal("assumed bandwidth was not used")
	}
}

func TestEffectiveLastN(t *testing.T) {
	if n := allocate.EffectiveLastN(-1, 5, -1, 3); n != 3 {
		t.Fatalf("got %d", n)
	}
	if n := allocate.EffectiveLastN(-1, -1); n != allocate.Unlimited {
		t.Fatalf("got %d", n)
	}
}

// TestProperties: whatever comes in, the decision stays within the budget (but
// for a shared screen on stage), serves nobody beyond last-N, and terminates.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "sources")
		var sources []allocate.Source
		s := settings()
		s.Default.MaxHeight = rapid.SampledFrom([]int{-1, 0, 180, 360, 2160}).Draw(t, "default")
		s.LastN = rapid.IntRange(-1, 5).Draw(t, "lastN")
		for i := range n {
			name := string(rune('a'+i)) + "x-v0"
			var ls []allocate.Layer
			rate := int64(0)
			for j := range rapid.IntRange(0, 9).Draw(t, "layers") {
				rate += int64(rapid.IntRange(0, 500).Draw(t, "rate")) * kbps
				ls = append(ls, allocate.Layer{Index: j, Height: 180 << (j / 3), FPS: []float64{7.5, 15, 30}[j%3], Bitrate: rate})
			}
			sources = append(sources, allocate.Source{Name: name, Type: allocate.Camera, Layers: ls})
			if rapid.Bool().Draw(t, "stage") {
				s.OnStage = append(s.OnStage, name)
			}
		}
		bw := int64(rapid.IntRange(0, 5000).Draw(t, "bw")) * kbps
		r := allocate.Allocate(sources, s, bw, allocate.DefaultConfig())
		if r.Target > bw {
			t.Fatalf("target %d exceeds %d", r.Target, bw)
		}
		if f := r.Forwarded(); s.LastN >= 0 && len(f) > s.LastN {
			t.Fatalf("%d sources forwarded, last-N %d", len(f), s.LastN)
		}
		if len(r.Allocations) != n {
			t.Fatalf("%d decisions for %d sources", len(r.Allocations), n)
		}
	})
}
