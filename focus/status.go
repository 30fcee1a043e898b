package focus

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"parley/focus/conference"
	"parley/internal/admin"
	"parley/internal/metrics"
)

// statusTimeout is how long a conference may take to show itself.
const statusTimeout = time.Second

// ConferenceStatus is one conference as shown to the operator.
type ConferenceStatus = conference.Status

// ParticipantStatus is one member of a conference's room.
type ParticipantStatus = conference.Participant

// BridgeStatus is one bridge as shown to the operator.
type BridgeStatus struct {
	Address     string  `json:"address"`
	Version     string  `json:"version"`
	Region      string  `json:"region,omitempty"`
	RelayID     string  `json:"relay_id,omitempty"`
	Stress      float64 `json:"stress"`
	Operational bool    `json:"operational"`
	Draining    bool    `json:"draining"`
}

// Conferences lists the running conferences, by room.
func (s *Service) Conferences() []ConferenceStatus {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	out := []ConferenceStatus{}
	for _, c := range s.all() {
		if st, ok := c.Status(ctx); ok {
			out = append(out, st)
		}
	}
	return out
}

// Bridges lists the known bridges, best first.
func (s *Service) Bridges() []BridgeStatus {
	out := []BridgeStatus{}
	for _, b := range s.bridges.List(time.Now()) {
		out = append(out, BridgeStatus{
			Address: b.Addr, Version: b.FullVersion(), Region: b.Region, RelayID: b.RelayID, Stress: b.Corrected,
			Operational: b.Operational, Draining: b.Drain || b.Graceful || b.ShuttingDown,
		})
	}
	return out
}

// Commands are the operator's verbs this service understands.
func (s *Service) Commands() []admin.Command {
	return []admin.Command{
		{Name: "focus conferences", Help: "Show the conferences of the focus, as JSON.", Run: show(func() any { return s.Conferences() })},
		{Name: "focus bridges", Help: "Show the bridges the focus knows, as JSON.", Run: show(func() any { return s.Bridges() })},
	}
}

func show(what func() any) func(context.Context, []string, io.Reader, io.Writer) error {
	return func(_ context.Context, args []string, _ io.Reader, out io.Writer) error {
		if len(args) > 0 {
			return admin.Usagef("%q: nothing is expected here", args[0])
		}
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(what())
	}
}

// register shows our numbers in set, which may be nil.
func (s *Service) register(set *metrics.Set) {
	if set == nil {
		return
	}
	s.counters.Register(set)
	set.GaugeFunc(func() float64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return float64(len(s.conferences))
	}, "parley_focus_conferences", "Conferences running.")
	set.GaugeFunc(func() float64 { return float64(len(s.bridges.List(time.Now()))) }, "parley_focus_bridges", "Bridges known.")
	set.CounterFunc(func() float64 { return float64(s.bridges.Lost()) }, "parley_focus_bridges_lost_total", "Bridges that vanished.")
}
