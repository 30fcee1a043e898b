package meeting

import (
	"context"
	"testing"

	"github.com/sirupsen/logrus"
)

// Decode and Encode are what all services read and write JSON with.
func Decode(text string, v any) bool { return decode(text, v) }

// Encode is encode.
func Encode(v any) string { return encode(v) }

// Report reports the end of a room and waits for it.
func Report(t *testing.T, cfg Config, node string, log *logrus.Entry) {
	t.Helper()
	m := &Rules{cfg: cfg, log: log, reports: make(chan struct{}, 1), ctx: context.Background()}
	m.report(node)
	m.background.Wait()
}
