package selector_test

import (
	"errors"
	"testing"
	"time"

	"parley/focus/selector"
	"parley/internal/wire/colibri"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// stats are what a bridge publishes; drain=false unless given.
func stats(kv ...string) *colibri.Stats {
	s := new(colibri.Stats)
	s.AddBool(colibri.StatDrain, false)
	for i := 0; i < len(kv); i += 2 {
		s.Add(kv[i], kv[i+1])
	}
	return s
}

func pick(t *testing.T, p *selector.Pool, req selector.Request, now time.Time) string {
	t.Helper()
	b, err := p.Select(req, now)
	if err != nil {
		return err.Error()
	}
	return b.Addr
}

func TestSelect(t *testing.T) {
	none := selector.ErrNoBridge.Error()
	for _, tc := range []struct {
		name  string
		setup func(p *selector.Pool)
		req   selector.Request
		want  string
	}{
		{"empty", func(*selector.Pool) {}, selector.Request{}, none},
		{"least loaded", func(p *selector.Pool) {
			p.Report("a", stats("stress_level", "0.5"), start)
			p.Report("b", stats("stress_level", "0.1"), start)
		}, selector.Request{}, "b"},
		{"region before load", func(p *selector.Pool) {
			p.Report("a", stats("stress_level", "0.5", "region", "eu"), start)
			p.Report("b", stats("stress_level", "0.1", "region", "us"), start)
		}, selector.Request{Region: "eu"}, "a"},
		{"unknown region", func(p *selector.Pool) {
			p.Report("a", stats("region", "eu"), start)
		}, selector.Request{Region: "mars"}, "a"},
		{"draining only if nothing else", func(p *selector.Pool) {
			p.Report("a", stats("drain", "true"), start)
			p.Report("b", stats("stress_level", "0.9"), start)
		}, selector.Request{}, "b"},
		{"all drain", func(p *selector.Pool) {
			p.Report("a", stats("drain", "true"), start)
		}, selector.Request{}, "a"},
		{"drain is assumed until reported", func(p *selector.Pool) {
			p.Report("a", new(colibri.Stats), start)
			p.Report("b", stats("stress_level", "0.9"), start)
		}, selector.Request{}, "b"},
		{"graceful only if nothing else", func(p *selector.Pool) {
			p.Report("a", stats("graceful_shutdown", "true"), start)
			p.Report("a", stats("graceful_shutdown", "false"), start) // stays true
			p.Report("b", stats("stress_level", "0.9"), start)
		}, selector.Request{}, "b"},
		{"shutting down never", func(p *selector.Pool) {
			p.Report("a", stats("shutting_down", "true"), start)
		}, selector.Request{}, none},
		{"unhealthy never", func(p *selector.Pool) {
			p.Report("a", stats("healthy", "false"), start)
		}, selector.Request{}, none},
		{"failed lately", func(p *selector.Pool) {
			p.Report("a", stats(), start)
			p.Failed("a", start.Add(-59*time.Second))
		}, selector.Request{}, none},
		{"failed long ago", func(p *selector.Pool) {
			p.Report("a", stats(), start)
			p.Failed("a", start.Add(-61*time.Second))
		}, selector.Request{}, "a"},
		{"in use wins without checks", func(p *selector.Pool) {
			p.Report("a", stats("stress_level", "2", "drain", "true"), start)
			p.Report("b", stats(), start)
		}, selector.Request{InUse: []string{"a"}}, "a"},
		{"in use but gone", func(p *selector.Pool) {
			p.Report("b", stats(), start)
		}, selector.Request{InUse: []string{"a"}}, "b"},
		{"static", func(p *selector.Pool) { p.AddStatic("jvb.example", "eu") }, selector.Request{}, "jvb.example"},
		{"nonsense is ignored", func(p *selector.Pool) {
			p.Report("a", stats("stress_level", "0.9"), start)
			p.Report("a", stats("stress_level", "-inf", "drain", "maybe"), start)
			p.Report("b", stats("stress_level", "0.8"), start)
		}, selector.Request{}, "b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := selector.NewPool(selector.DefaultConfig())
			tc.setup(p)
			if got := pick(t, p, tc.req, start); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestRecentPlacementsCount(t *testing.T) {
	p := selector.NewPool(selector.DefaultConfig())
	p.Report("a", stats("stress_level", "0.10"), start)
	p.Report("b", stats("stress_level", "0.115"), start)
	got := []string{}
	for range 4 {
		got = append(got, pick(t, p, selector.Request{}, start))
	}
	want := []string{"a", "a", "b", "a"}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("placements %v, want %v", got, want)
		}
	}
	if got := pick(t, p, selector.Request{}, start.Add(21*time.Second)); got != "a" {
		t.Errorf("after the ramp-up time: %s, want a", got)
	}
}

func TestChanges(t *testing.T) {
	p := selector.NewPool(selector.DefaultConfig())
	step := func(what string, got, want selector.Change) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	step("first report", p.Report("a", stats(), start), selector.Added)
	step("second report", p.Report("a", stats(), start), selector.Unchanged)
	p.Failed("a", start)
	step("too early", p.Healthy("a", start.Add(time.Second)), selector.Unchanged)
	step("usable again", p.Healthy("a", start.Add(time.Minute)), selector.Added)
	step("shutting down", p.Report("a", stats("shutting_down", "true"), start), selector.Lost)
	step("still shutting down", p.Report("a", stats("shutting_down", "true"), start), selector.Unchanged)
	if !p.Remove("a") || p.Remove("a") {
		t.Error("remove does not know what it knew")
	}
	step("restarted", p.Report("a", stats(), start), selector.Added)
	if !p.Remove("a") || p.Lost() != 1 {
		t.Errorf("lost = %d, want 1 (the announced one does not count)", p.Lost())
	}
	if _, err := p.Select(selector.Request{}, start); !errors.Is(err, selector.ErrNoBridge) {
		t.Errorf("select on an empty pool: %v", err)
	}
}
