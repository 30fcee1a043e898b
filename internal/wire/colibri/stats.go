package colibri

import (
	"encoding/xml"
	"strconv"
)

// Stats is the presence element by which a bridge (also a Jigasi) tells how it is.
type Stats struct {
	XMLName xml.Name `xml:"http://jitsi.org/protocol/colibri stats"`
	Stats   []Stat   `xml:"stat"`
}

// Stat is one named value, as text.
type Stat struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

// Names of the statistics that decide which bridge is chosen.
const (
	StatStress       = "stress_level"
	StatMeanStress   = "average_participant_stress"
	StatGraceful     = "graceful_shutdown"
	StatShuttingDown = "shutting_down"
	StatDrain        = "drain"
	StatVersion      = "version"
	StatRelease      = "release"
	StatRegion       = "region"
	StatRelayID      = "relay_id"
	StatHealthy      = "healthy"
	StatTimestamp    = "current_timestamp"
	StatColibri2     = "colibri2"
)

// Get is the value of the named statistic.
func (s *Stats) Get(name string) (string, bool) {
	for _, st := range s.Stats {
		if st.Name == name {
			return st.Value, true
		}
	}
	return "", false
}

// Add appends a statistic.
func (s *Stats) Add(name, value string) { s.Stats = append(s.Stats, Stat{Name: name, Value: value}) }

// AddBool appends a statistic that is true or false.
func (s *Stats) AddBool(name string, v bool) { s.Add(name, strconv.FormatBool(v)) }

// AddInt appends a whole number.
func (s *Stats) AddInt(name string, v int64) { s.Add(name, strconv.FormatInt(v, 10)) }

// AddFloat appends a decimal number.
func (s *Stats) AddFloat(name string, v float64) {
	s.Add(name, strconv.FormatFloat(v, 'f', -1, 64))
}

// Status is what the focus knows of a bridge: the newest value of each statistic it
// reads. Start with NewStatus and apply every presence.
type Status struct {
	Stress     float64 // 1 is full
	MeanStress float64 // expected stress per participant
	// Graceful and ShuttingDown stay true once they were true.
	Graceful     bool
	ShuttingDown bool
	// Drain keeps new conferences away. True until the bridge has said otherwise.
	Drain   bool
	Healthy bool
	Version string
	Release string
	Region  string
	RelayID string
}

// NewStatus is the status of a bridge that has said nothing yet.
func NewStatus() Status { return Status{MeanStress: 0.01, Drain: true, Healthy: true} }

// FullVersion is version and release together; bridges of one conference must agree in it.
func (s *Status) FullVersion() string {
	if s.Release == "" {
		return s.Version
	}
	return s.Version + "-" + s.Release
}

// Apply takes over what the presence says; a statistic that is missing or unreadable
// keeps its last value.
func (s *Status) Apply(stats *Stats) {
	for _, st := range stats.Stats {
		if set, ok := statusFields[st.Name]; ok {
			set(s, st.Value)
		}
	}
}

var statusFields = map[string]func(*Status, string){
	StatStress:       func(s *Status, v string) { setNumber(&s.Stress, v) },
	StatMeanStress:   func(s *Status, v string) { setNumber(&s.MeanStress, v) },
	StatGraceful:     func(s *Status, v string) { s.Graceful = s.Graceful || v == "true" },
	StatShuttingDown: func(s *Status, v string) { s.ShuttingDown = s.ShuttingDown || v == "true" },
	StatDrain:        func(s *Status, v string) { setBool(&s.Drain, v) },
	StatHealthy:      func(s *Status, v string) { setBool(&s.Healthy, v) },
	StatVersion:      func(s *Status, v string) { s.Version = v },
	StatRelease:      func(s *Status, v string) { s.Release = v },
	StatRegion:       func(s *Status, v string) { s.Region = v },
	StatRelayID:      func(s *Status, v string) { s.RelayID = v },
}

func setNumber(to *float64, v string) {
	if f, err := strconv.ParseFloat(v, 64); err == nil && f >= 0 && f <= 1e6 {
		*to = f
	}
}

func setBool(to *bool, v string) {
	if b, err := strconv.ParseBool(v); err == nil {
		*to = b
	}
}

// HealthCheck is the IQ payload by which the focus asks a bridge how it is.
type HealthCheck struct {
	XMLName xml.Name `xml:"http://jitsi.org/protocol/healthcheck healthcheck"`
}
