package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"parley/internal/admin"
)

// Commands are the operator's verbs.
func (s *Service) Commands() []admin.Command {
	return []admin.Command{
		{Name: "bridge status", Help: "what the bridge carries now", Run: s.runStatus},
		{Name: "bridge show", Usage: "[CONFERENCE]", Help: "conferences of the bridge, or the whole state of one, as JSON", Run: s.runShow},
		{Name: "bridge shutdown", Usage: "graceful|now", Help: "end the bridge when its conferences are over, or move them and end it", Run: s.runShutdown},
		{Name: "bridge drain", Usage: "on|off", Help: "ask the focus to choose other bridges, or to choose this one again", Run: s.runDrain},
	}
}

func (s *Service) runStatus(_ context.Context, args []string, _ io.Reader, out io.Writer) error {
	if len(args) > 0 {
		return admin.Usagef("bridge status takes no words")
	}
	for _, st := range s.stats.all() {
		if _, err := fmt.Fprintf(out, "%s %v\n", st.name, st.value); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) runShow(_ context.Context, args []string, _ io.Reader, out io.Writer) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	switch len(args) {
	case 0:
		for _, c := range s.conferences.List() {
			if _, err := fmt.Fprintf(out, "%s %s %d endpoints\n", c.ID(), c.Name(), c.Summary().Endpoints); err != nil {
				return err
			}
		}
		return nil
	case 1:
		if c := s.conferences.Get(args[0]); c != nil {
			if v, ok := c.View(); ok {
				return enc.Encode(v)
			}
		}
		return fmt.Errorf("there is no conference %s", args[0])
	}
	return admin.Usagef("bridge show takes at most one conference")
}

func (s *Service) runShutdown(_ context.Context, args []string, _ io.Reader, out io.Writer) error {
	if len(args) != 1 || (args[0] != "graceful" && args[0] != "now") {
		return admin.Usagef("bridge shutdown graceful|now")
	}
	s.Shutdown(args[0] == "graceful")
	_, err := fmt.Fprintf(out, "%d participants are still here\n", s.endpointCount())
	return err
}

func (s *Service) runDrain(_ context.Context, args []string, _ io.Reader, out io.Writer) error {
	if len(args) != 1 || (args[0] != "on" && args[0] != "off") {
		return admin.Usagef("bridge drain on|off")
	}
	s.Drain(args[0] == "on")
	_, err := fmt.Fprintf(out, "drain is %s\n", args[0])
	return err
}
