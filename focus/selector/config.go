package selector

import (
	"errors"
	"fmt"
	"time"
)

// Config is what an operator can say about the choice of bridges.
type Config struct {
	// Strategy is single (a conference stays on one bridge), region (participants are
	// served in their region, and a bridge that is full is left), intra-region (all in the
	// region of the first bridge; one that is full is left) or split (everybody on another
	// bridge, for tests). All but single need bridges with a relay_id.
	Strategy Strategy `yaml:"strategy"`
	// RegionGroups lists regions that are as good as each other.
	RegionGroups [][]string `yaml:"region_groups"`
	// MaxBridgeParticipants is how many participants of one conference a bridge gets before
	// another one is used; -1 is no limit. Strategies region and intra-region only.
	MaxBridgeParticipants int `yaml:"max_bridge_participants"`
	// AllowMixedVersions lets bridges of different versions serve one conference.
	AllowMixedVersions bool `yaml:"allow_mixed_versions"`
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
		Strategy:              Single,
		MaxBridgeParticipants: 80,
		StressThreshold:       0.8,
		ParticipantRampUp:     20 * time.Second,
		FailureReset:          time.Minute,
	}
}

// Validate names the first setting that cannot work.
func (c Config) Validate() error {
	switch {
	case strategies[c.Strategy] == nil:
		return fmt.Errorf("strategy: %q is none of single, region, intra-region, split", c.Strategy)
	case c.MaxBridgeParticipants == 0 || c.MaxBridgeParticipants < -1:
		return errors.New("max_bridge_participants: must be above 0, or -1")
	case c.StressThreshold <= 0:
		return errors.New("stress_threshold: must be above 0")
	case c.ParticipantRampUp < 0:
		return fmt.Errorf("participant_rampup: %v is negative", c.ParticipantRampUp)
	case c.FailureReset < 0:
		return fmt.Errorf("failure_reset: %v is negative", c.FailureReset)
	}
	return nil
}
