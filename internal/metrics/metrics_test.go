package metrics

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	s := NewSet()
	c := s.Counter("parley_bridge_packets_total", "packets seen\nby us", "direction", `u"p`)
	s.Counter("parley_bridge_packets_total", "", "direction", "down").Add(3)
	g := s.Gauge("parley_bridge_endpoints", "people inside")
	s.GaugeFunc(func() float64 { return 0.25 }, "parley_bridge_stress_ratio", "load")
	c.Inc()
	g.Inc()
	g.Add(4)
	g.Dec()

	var b strings.Builder
	n, err := s.WriteTo(&b)
	require.NoError(t, err)
	require.EqualValues(t, b.Len(), n)
	require.Equal(t, `# HELP parley_bridge_endpoints people inside
# TYPE parley_bridge_endpoints gauge
parley_bridge_endpoints 4
# HELP parley_bridge_packets_total packets seen\nby us
# TYPE parley_bridge_packets_total counter
parley_bridge_packets_total{direction="u\"p"} 1
parley_bridge_packets_total{direction="down"} 3
# HELP parley_bridge_stress_ratio load
# TYPE parley_bridge_stress_ratio gauge
parley_bridge_stress_ratio 0.25
`, b.String())
}

func TestBadNamesPanic(t *testing.T) {
	for name, f := range map[string]func(*Set){
		"prefix":  func(s *Set) { s.Gauge("bridge_x", "") },
		"counter": func(s *Set) { s.Counter("parley_x", "") },
		"gauge":   func(s *Set) { s.Gauge("parley_x_total", "") },
		"labels":  func(s *Set) { s.Gauge("parley_x", "", "a") },
		"label":   func(s *Set) { s.Gauge("parley_x", "", "A", "b") },
		"twice":   func(s *Set) { s.Gauge("parley_x", ""); s.Gauge("parley_x", "") },
	} {
		require.Panics(t, func() { f(NewSet()) }, name)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	c := NewSet().Counter("parley_x_total", "")
	require.Zero(t, testing.AllocsPerRun(100, func() { c.Inc(); c.Add(2) }))
}
