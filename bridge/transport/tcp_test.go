package transport

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// Whoever holds connections open in silence loses those; others come in.
func TestSilentStrangersMakeRoom(t *testing.T) {
	var st tcpState
	stranger := func(addr string) *tcpConn {
		return &tcpConn{key: tcpKey{remote: netip.AddrPortFrom(netip.MustParseAddr(addr), 1)}}
	}
	const limit = 20
	quiet := stranger("192.0.2.1") // came first, has but one
	if _, ok := st.addUnidentified(quiet, limit); !ok {
		t.Fatal("refused")
	}
	var crowd []*tcpConn
	for i := range limit - 1 {
		c := stranger(fmt.Sprintf("2001:db8::%x", i+1))
		crowd = append(crowd, c)
		if gone, ok := st.addUnidentified(c, limit); gone != nil || !ok {
			t.Fatalf("%d: %v closed, taken %v", i, gone, ok)
		}
	}
	for i := range 5 {
		gone, ok := st.addUnidentified(stranger(fmt.Sprintf("198.51.100.%d", i)), limit)
		if !ok || gone != crowd[i] {
			t.Errorf("newcomer %d: %v closed, taken %v; want the oldest of the crowd closed", i, gone.key.remote, ok)
		}
	}
	if len(st.unidentified) != limit {
		t.Errorf("%d are held, want %d", len(st.unidentified), limit)
	}
	if _, held := st.unidentified[quiet]; !held {
		t.Error("who has but one lost it")
	}
	st.closed = true
	if _, ok := st.addUnidentified(quiet, limit); ok {
		t.Error("taken in after the end")
	}
}

// What a slow connection takes is of now: media does not wait in it for seconds, and
// nothing else is lost.
func TestSlowConnectionTakesFreshMedia(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reader, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	_ = reader.(*net.TCPConn).SetReadBuffer(16 << 10)
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	tr := &Transport{}
	c := newTCPConn(tr, accepted.(*net.TCPConn))
	written := make(chan struct{})
	go func() { defer close(written); c.write() }()
	defer func() { c.close(); <-written }()

	began := time.Now()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go offer(c, began, stop, stopped)
	defer func() { close(stop); <-stopped }()

	// A quarter of what is offered is read.
	frames := &frameReader{r: bufio.NewReader(reader)}
	var ages []time.Duration
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	notMedia, want := 0, uint32(0)
	for read := 0; time.Since(began) < 5*time.Second; {
		<-tick.C
		// By the clock, not by the ticks: a busy machine leaves some out.
		for due := 3 * int(time.Since(began)/(10*time.Millisecond)); read < due; read++ {
			p, err := frames.next()
			if err != nil {
				t.Fatal(err)
			}
			if p[0] < 4 {
				if seq := binary.BigEndian.Uint32(p[4:]); seq != want {
					t.Fatalf("check %d came, not %d", seq, want)
				}
				notMedia, want = notMedia+1, want+1
				continue
			}
			age := time.Since(began) - time.Duration(binary.BigEndian.Uint64(p[4:]))
			ages = append(ages, age)
		}
	}
	ages = ages[len(ages)/2:]
	slices.Sort(ages)
	median := ages[len(ages)/2]
	t.Logf("media was %v old, %v at the most (wanted: 0.7 s); %d checks came, %d packets were dropped",
		median, ages[len(ages)-1], notMedia, tr.stats.sendDropped.Load())
	if median > 2100*time.Millisecond {
		t.Errorf("media was %v old", median)
	}
	if notMedia == 0 {
		t.Error("no check came through")
	}
}

// offer sends media, about a megabyte a second, and a check now and then.
func offer(c *tcpConn, began time.Time, stop, stopped chan struct{}) {
	defer close(stopped)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	media, check := make([]byte, 1000), make([]byte, 100)
	media[0] = 0x80
	for n := uint32(0); ; {
		for range 10 {
			binary.BigEndian.PutUint64(media[4:], uint64(time.Since(began)))
			c.send(media)
		}
		binary.BigEndian.PutUint32(check[4:], n)
		if c.send(check) {
			n++
		}
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}
