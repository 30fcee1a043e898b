package transport

import (
	"fmt"
	"net/netip"
	"testing"
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
