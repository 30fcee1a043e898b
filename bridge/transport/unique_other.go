//go:build !linux

package transport

// ownedSockets needs no state where every socket has a goroutine that reads it.
type ownedSockets struct{}

// watch makes Receive get what arrives at a session's own socket.
func (l *Lane) watch(s *udpSocket) error {
	t := l.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	t.wg.Go(func() { t.readSocket(s) })
	return nil
}

// unwatch ends that.
func (l *Lane) unwatch(s *udpSocket) { _ = s.close() }

func (l *Lane) closeRetired() {}
