package metrics

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
)

// Set is the numbers one process shows. It may be used by several goroutines.
type Set struct {
	mu       sync.Mutex // guards families; a family's series only grow
	families map[string]*family
}

type family struct {
	name, help, kind string
	series           []series
}

type series struct {
	labels string // as written between the braces, sorted by nobody: the order given
	value  func() float64
}

// NewSet returns an empty set.
func NewSet() *Set { return &Set{families: make(map[string]*family)} }

// Counter makes and registers a counter. Labels are name, value, name, value, ….
func (s *Set) Counter(name, help string, labels ...string) *Counter {
	c := new(Counter)
	s.AttachCounter(c, name, help, labels...)
	return c
}

// Gauge makes and registers a gauge.
func (s *Set) Gauge(name, help string, labels ...string) *Gauge {
	g := new(Gauge)
	s.AttachGauge(g, name, help, labels...)
	return g
}

// AttachCounter registers a counter that lives elsewhere.
func (s *Set) AttachCounter(c *Counter, name, help string, labels ...string) {
	s.CounterFunc(func() float64 { return float64(c.Value()) }, name, help, labels...)
}

// AttachGauge registers a gauge that lives elsewhere.
func (s *Set) AttachGauge(g *Gauge, name, help string, labels ...string) {
	s.GaugeFunc(func() float64 { return float64(g.Value()) }, name, help, labels...)
}

// CounterFunc registers a counter whose value is asked for at each scrape.
func (s *Set) CounterFunc(value func() float64, name, help string, labels ...string) {
	s.register("counter", value, name, help, labels)
}

// GaugeFunc registers a gauge whose value is asked for at each scrape.
func (s *Set) GaugeFunc(value func() float64, name, help string, labels ...string) {
	s.register("gauge", value, name, help, labels)
}

var (
	nameRule  = regexp.MustCompile(`^parley_[a-z0-9]+(_[a-z0-9]+)*$`)
	labelRule = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// register panics on a name that breaks the rules: such a name is our own
// mistake and shows at the first start.
func (s *Set) register(kind string, value func() float64, name, help string, labels []string) {
	if !nameRule.MatchString(name) || (kind == "counter") != strings.HasSuffix(name, "_total") {
		panic(fmt.Sprintf("metrics: %s %q: names are parley_<part>_<noun>_<unit>, counters end in _total", kind, name))
	}
	text := labelText(name, labels)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.families[name]
	if f == nil {
		f = &family{name: name, help: help, kind: kind}
		s.families[name] = f
	}
	if f.kind != kind {
		panic(fmt.Sprintf("metrics: %q is both a %s and a %s", name, f.kind, kind))
	}
	for _, have := range f.series {
		if have.labels == text {
			panic(fmt.Sprintf("metrics: %s{%s} is registered twice", name, text))
		}
	}
	f.series = append(f.series, series{text, value})
}

func labelText(name string, labels []string) string {
	if len(labels)%2 != 0 {
		panic(fmt.Sprintf("metrics: %q: labels come in pairs", name))
	}
	var b strings.Builder
	for i := 0; i < len(labels); i += 2 {
		if !labelRule.MatchString(labels[i]) {
			panic(fmt.Sprintf("metrics: %q: label %q", name, labels[i]))
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(labels[i] + `="` + labelEscape.Replace(labels[i+1]) + `"`)
	}
	return b.String()
}

var (
	labelEscape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	helpEscape  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

// WriteTo writes every number in the Prometheus text format, by name.
func (s *Set) WriteTo(w io.Writer) (int64, error) {
	s.mu.Lock()
	families := make([]family, 0, len(s.families))
	for _, f := range s.families {
		families = append(families, *f) // the slice header too: later series are not ours
	}
	s.mu.Unlock()
	sort.Slice(families, func(i, j int) bool { return families[i].name < families[j].name })

	cw := &countWriter{w: w}
	b := bufio.NewWriter(cw)
	for _, f := range families {
		fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", f.name, helpEscape.Replace(f.help), f.name, f.kind)
		for _, one := range f.series {
			b.WriteString(f.name)
			if one.labels != "" {
				b.WriteString("{" + one.labels + "}")
			}
			b.WriteString(" " + strconv.FormatFloat(one.value(), 'g', -1, 64) + "\n")
		}
	}
	err := b.Flush()
	return cw.n, err
}

type countWriter struct {
	w io.Writer
	n int64
}

func (c *countWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
