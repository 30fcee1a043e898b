//go:build !unix

package bridge

import "time"

// processorTime is not known here: the bridge then publishes no load.
func processorTime() time.Duration { return 0 }
