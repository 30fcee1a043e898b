package transport

import (
	"encoding/binary"
	"hash/crc32"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pion/datachannel"
	"github.com/pion/sctp"

	"parley/internal/logx"
)

// wire is one end of a packet connection in memory.
type wire struct {
	in, out chan []byte
	done    chan struct{}
	once    sync.Once

	mu   sync.Mutex
	last []byte // the last packet written
}

func newWires() (a, b *wire) {
	ab, ba := make(chan []byte, 64), make(chan []byte, 64)
	return &wire{in: ba, out: ab, done: make(chan struct{})}, &wire{in: ab, out: ba, done: make(chan struct{})}
}

func (w *wire) Read(b []byte) (int, error) {
	select {
	case p := <-w.in:
		return copy(b, p), nil
	case <-w.done:
		return 0, net.ErrClosed
	}
}

func (w *wire) Write(b []byte) (int, error) {
	p := append([]byte(nil), b...)
	w.mu.Lock()
	w.last = p
	w.mu.Unlock()
	select {
	case w.out <- p:
	default: // lost, like on any network
	}
	return len(b), nil
}

func (w *wire) Close() error                     { w.once.Do(func() { close(w.done) }); return nil }
func (w *wire) LocalAddr() net.Addr              { return peerAddr{} }
func (w *wire) RemoteAddr() net.Addr             { return peerAddr{} }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// sctpPacket wraps chunks in the header of a packet the peer sent before.
func sctpPacket(before, chunks []byte) []byte {
	p := append(append([]byte(nil), before[:12]...), chunks...)
	clear(p[8:12])
	binary.LittleEndian.PutUint32(p[8:], crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)))
	return p
}

// FuzzSCTP lets a peer that has opened its data channel send any chunks: the association may
// end, but the bridge goes on.
func FuzzSCTP(f *testing.F) {
	data := []byte{0, 3, 0, 20, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 51, 'h', 'e', 'y', 0}
	f.Add(data)
	f.Add([]byte{3, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0})                       // SACK with a gap that is not there
	f.Add([]byte{4, 0, 0, 8, 0, 1, 0, 4})                                                // heartbeat
	f.Add([]byte{130, 0, 0, 20, 0, 13, 0, 16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0}) // stream reset
	f.Add([]byte{192, 0, 0, 12, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0})                     // forward TSN
	f.Add([]byte{7, 0, 0, 8, 0, 0, 0, 0, 6, 0, 0, 4})                                    // shutdown, abort
	f.Add([]byte{0, 3, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, chunks []byte) {
		if len(chunks) > 1400 {
			return
		}
		ours, theirs := newWires()
		options := func(w *wire) (c []sctp.ClientOption, s []sctp.ServerOption) {
			for _, o := range []sctp.AssociationOption{
				sctp.WithNetConn(w), sctp.WithName("test"), sctp.WithMaxReceiveBufferSize(sctpBuffer),
				sctp.WithMaxMessageSize(maxMessage), sctp.WithRTOMax(sctpRTOMax),
			} {
				c, s = append(c, o), append(s, o)
			}
			return c, s
		}
		var peer *sctp.Association
		var work sync.WaitGroup
		work.Go(func() {
			c, _ := options(theirs)
			var err error
			if peer, err = sctp.ClientWithOptions(c...); err != nil {
				return
			}
			_, _ = datachannel.Dial(peer, 0, &datachannel.Config{Label: "x", LoggerFactory: pionLogs{logx.Discard()}})
		})
		_, s := options(ours)
		assoc, err := sctp.ServerWithOptions(s...)
		if err != nil {
			t.Fatal(err)
		}
		work.Wait()
		theirs.mu.Lock()
		before := theirs.last
		theirs.mu.Unlock()
		for range 3 {
			select {
			case ours.in <- sctpPacket(before, chunks):
			default:
			}
		}
		for range 100_000 { // the association may have ended before it read all
			if len(ours.in) == 0 {
				break
			}
			runtime.Gosched()
		}
		_ = ours.Close()
		_ = theirs.Close()
		_ = assoc.Close()
		if peer != nil {
			_ = peer.Close()
		}
	})
}
