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
		{"unknown region", func(p *selector.Pool) { p.Report("a", stats("region", "eu"), start) }, selector.Request{Region: "mars"}, "a"},
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
		{"begun anew after that", func(p *selector.Pool) {
			p.Report("a", stats("graceful_shutdown", "true"), start)
			p.Failed("a", start)
			p.Renew("a")
			p.Renew("unknown")
			p.Report("a", stats(), start)
			p.Report("b", stats("stress_level", "0.9"), start)
		}, selector.Request{}, "a"},
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
		}, selector.Request{InUse: []selector.Use{{Addr: "a"}}}, "a"},
		{"in use but gone", func(p *selector.Pool) {
			p.Report("b", stats(), start)
		}, selector.Request{InUse: []selector.Use{{Addr: "a"}}}, "b"},
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

// rules are the default with another strategy.
func rules(s selector.Strategy, edit ...func(*selector.Config)) selector.Config {
	c := selector.DefaultConfig()
	c.Strategy = s
	for _, e := range edit {
		e(&c)
	}
	return c
}

func TestStrategies(t *testing.T) {
	// Two bridges in eu, one in us, one far away; all can be linked.
	world := map[string][]string{
		"eu1": {"region", "eu", "relay_id", "eu1", "version", "1", "stress_level", "0.3"},
		"eu2": {"region", "eu", "relay_id", "eu2", "version", "1", "stress_level", "0.4"},
		"us1": {"region", "us", "relay_id", "us1", "version", "1", "stress_level", "0.1"},
		"au1": {"region", "au", "relay_id", "au1", "version", "1", "stress_level", "0.2"},
	}
	on := func(list ...selector.Use) []selector.Use { return list }
	few, full := 3, 80
	for _, tc := range []struct {
		name   string
		rules  selector.Config
		change map[string][]string // statistics on top
		req    selector.Request
		want   string
	}{
		{"single stays", rules(selector.Single), nil, selector.Request{Region: "us", InUse: on(selector.Use{Addr: "eu1", Participants: full})}, "eu1"},
		{"split takes another", rules(selector.Split), nil, selector.Request{InUse: on(selector.Use{Addr: "us1", Participants: few})}, "au1"},
		{"split takes the emptiest", rules(selector.Split), nil, selector.Request{InUse: on(selector.Use{Addr: "us1", Participants: 2}, selector.Use{Addr: "au1", Participants: 1}, selector.Use{Addr: "eu1", Participants: 2}, selector.Use{Addr: "eu2", Participants: 2})}, "au1"},
		{"region of the first", rules(selector.Region), nil, selector.Request{Region: "eu"}, "eu1"},
		{"another region joins", rules(selector.Region), nil, selector.Request{Region: "us", InUse: on(selector.Use{Addr: "eu1", Participants: few})}, "us1"},
		{"the same region stays, though another bridge has less to do", rules(selector.Region), map[string][]string{"eu2": {"stress_level", "0.0"}}, selector.Request{Region: "eu", InUse: on(selector.Use{Addr: "eu1", Participants: few})}, "eu1"},
		{"a full bridge is left", rules(selector.Region), nil, selector.Request{Region: "eu", InUse: on(selector.Use{Addr: "eu1", Participants: full})}, "eu2"},
		{"without bound it is not", rules(selector.Region, func(c *selector.Config) { c.MaxBridgeParticipants = -1 }), nil, selector.Request{Region: "eu", InUse: on(selector.Use{Addr: "eu1", Participants: full})}, "eu1"},
		{"a bridge with too much to do is left", rules(selector.Region), map[string][]string{"eu1": {"stress_level", "0.9"}}, selector.Request{Region: "eu", InUse: on(selector.Use{Addr: "eu1", Participants: few})}, "eu2"},
		{"a region as good as the wanted one", rules(selector.Region, func(c *selector.Config) { c.RegionGroups = [][]string{{"nz", "au"}} }), nil, selector.Request{Region: "nz", InUse: on(selector.Use{Addr: "eu1", Participants: few})}, "au1"},
		{"an unknown region stays", rules(selector.Region), nil, selector.Request{Region: "mars", InUse: on(selector.Use{Addr: "eu2", Participants: few})}, "eu2"},
		{"no region, local one", rules(selector.Region, func(c *selector.Config) { c.LocalRegion = "au" }), nil, selector.Request{}, "au1"},
		{"everything is full", rules(selector.Region), map[string][]string{"eu1": {"stress_level", "1"}, "eu2": {"stress_level", "1"}, "us1": {"stress_level", "0.9"}, "au1": {"stress_level", "1"}}, selector.Request{Region: "eu", InUse: on(selector.Use{Addr: "eu1", Participants: few})}, "eu1"},
		{"one region only", rules(selector.IntraRegion), nil, selector.Request{Region: "us", InUse: on(selector.Use{Addr: "eu1", Participants: few})}, "eu1"},
		{"one region, full", rules(selector.IntraRegion), nil, selector.Request{Region: "us", InUse: on(selector.Use{Addr: "eu1", Participants: full})}, "eu2"},
		{"other versions do not join", rules(selector.Split), map[string][]string{"au1": {"version", "2"}, "eu1": {"version", "2"}, "eu2": {"version", "2"}}, selector.Request{InUse: on(selector.Use{Addr: "us1", Participants: few})}, "us1"},
		{"unless they may", rules(selector.Split, func(c *selector.Config) { c.AllowMixedVersions = true }), map[string][]string{"au1": {"version", "2"}}, selector.Request{InUse: on(selector.Use{Addr: "us1", Participants: few})}, "au1"},
		{"two bridges of one name do not join", rules(selector.Split), map[string][]string{"au1": {"relay_id", "us1"}}, selector.Request{InUse: on(selector.Use{Addr: "us1", Participants: few})}, "eu1"},
		{"a bridge that drains gets nobody new", rules(selector.Region), map[string][]string{"eu1": {"drain", "true"}}, selector.Request{Region: "eu", InUse: on(selector.Use{Addr: "eu1", Participants: few})}, "eu2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := selector.NewPool(tc.rules)
			for addr, kv := range world {
				p.Report(addr, stats(kv...), start)
				if extra := tc.change[addr]; extra != nil {
					p.Report(addr, stats(extra...), start)
				}
			}
			if got := pick(t, p, tc.req, start); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestBridgeWithoutLinksStaysAlone(t *testing.T) {
	for name, refuse := range map[string]bool{"no relay id": false, "refused": true} {
		p := selector.NewPool(rules(selector.Split))
		p.Report("b", stats("relay_id", "b", "version", "1"), start)
		if refuse {
			p.Report("a", stats("relay_id", "a", "version", "1"), start)
			p.RefusedRelays("a")
		} else {
			p.Report("a", stats("version", "1"), start)
		}
		if got := pick(t, p, selector.Request{InUse: []selector.Use{{Addr: "a"}}}, start); got != "a" {
			t.Errorf("%s: a conference on a goes on to %q", name, got)
		}
		if got := pick(t, p, selector.Request{InUse: []selector.Use{{Addr: "b"}}}, start); got != "b" {
			t.Errorf("%s: a conference on b goes on to %q", name, got)
		}
	}
}

func TestStrategyIsChecked(t *testing.T) {
	for _, bad := range []selector.Config{rules("best"), rules(selector.Region, func(c *selector.Config) { c.MaxBridgeParticipants = 0 })} {
		if bad.Validate() == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}
