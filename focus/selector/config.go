package selector

import (
	"errors"
	"fmt"
	"time"
)

// Config is what an operator can say about the choice of bridges.
type Config struct {
	// StressThreshold is the load (1.0 = full) from which a bridge counts as
	// overloaded.
	StressThreshold float64 `yaml:"stress_threshold"`
	// ParticipantRampUp is how long a newly placed participant is added to the
	// load the bridge itself reports.
	ParticipantRampUp time.Duration `yaml:"participant_rampup"`
	// FailureReset is how long a bridge is left alone after a failure, whatever
	// it says about itself.
	FailureReset time.Duration `yaml:"failure_reset"`
	// LocalRegion is used for participants that name no region.
	LocalRegion string `yaml:"local_region"`
}

// DefaultConfig returns the values of a stock installation.
func DefaultConfig() Config {
	return Config{
		StressThreshold:   0.8,
		ParticipantRampUp: 20 * time.Second,
		FailureReset:      time.Minute,
	}
}

// Validate names the first setting that cannot work.
func (c Config) Validate() error {
	switch {
	case c.StressThreshold <= 0:
		return errors.New("stress_threshold: must be above 0")
	case c.ParticipantRampUp < 0:
		return fmt.Errorf("participant_rampup: %v is negative", c.ParticipantRampUp)
	case c.FailureReset < 0:
		return fmt.Errorf("failure_reset: %v is negative", c.FailureReset)
	}
	return nil
}
