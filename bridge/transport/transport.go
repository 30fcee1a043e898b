package transport

import (
	"time"

	"github.com/sirupsen/logrus"
)

// Transport owns the sockets of the bridge and the sessions on them. It satisfies
// rtp.Link.
type Transport struct {
	cfg Config
	log *logrus.Entry
}

// New checks the settings. It binds nothing.
func New(cfg Config, log *logrus.Entry) (*Transport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Transport{cfg: cfg, log: log}, nil
}

// Listen binds the sockets; the error names the address and the setting.
func (t *Transport) Listen() error { return nil }

// Close closes all sessions and sockets and waits for their goroutines.
func (t *Transport) Close() error { return nil }

// Stats returns a snapshot of the counters.
func (t *Transport) Stats() Stats { return Stats{} }

// Receive waits for media, see rtp.Link. One goroutine only.
func (t *Transport) Receive(buffers [][]byte, sizes []int, peers []uint32, wait time.Duration) int {
	return 0
}

// Send sends media, see rtp.Link. One goroutine only.
func (t *Transport) Send(peers []uint32, datagrams [][]byte) int { return 0 }

// Wake ends a waiting Receive.
func (t *Transport) Wake() {}

// Session is one endpoint's way to the bridge: ICE, DTLS and the data channel.
type Session struct{}

// NewSession allocates credentials and starts to answer checks. It does not wait for
// anything.
func (t *Transport) NewSession(opts SessionOptions) (*Session, error) { return &Session{}, nil }

// Peer is the number of the session in Receive and Send.
func (s *Session) Peer() uint32 { return 0 }

// Local describes our side.
func (s *Session) Local() Description { return Description{} }

// SetRemote takes what is known of the peer's side. It may be called several times:
// credentials and fingerprints are taken from the first call that has them, candidates
// are added. A setup of "active" or "passive" fixes the DTLS role.
func (s *Session) SetRemote(remote Description) error { return nil }

// SendMessage sends a text over the data channel. It never blocks.
func (s *Session) SendMessage(text []byte) error { return ErrNoChannel }

// Close ends the session and waits for its goroutines. The handler hears nothing more.
func (s *Session) Close() {}
