package meeting

import (
	"context"
	"net/http"
	"testing"

	"github.com/sirupsen/logrus"
)

// Decode and Encode are what all services read and write JSON with.
func Decode(text string, v any) bool { return decode(text, v) }

// Encode is encode.
func Encode(v any) string { return encode(v) }

// SetTransport replaces the way to other servers.
func (m *Rules) SetTransport(rt http.RoundTripper) { m.web.Transport = rt }

// ParseBooking is parseBooking.
func ParseBooking(data []byte, node string) error {
	_, err := parseBooking(data, node)
	return err
}

// Report reports the end of a room and waits for it.
func Report(t *testing.T, cfg Config, node string, log *logrus.Entry) {
	t.Helper()
	m := &Rules{cfg: cfg, log: log, reports: make(chan struct{}, 1), ctx: context.Background()}
	m.report(node)
	m.background.Wait()
}
