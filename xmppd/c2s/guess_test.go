package c2s

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

func TestGuesses(t *testing.T) {
	now := time.Now()
	addr := netip.MustParseAddr
	g := &guesses{limit: 3}
	for _, from := range []string{"192.0.2.1", "2001:db8::1", "127.0.0.1", "::ffff:127.0.0.1"} {
		for range 3 {
			if g.tooMany(addr(from), now) {
				t.Errorf("%s is refused too early", from)
			}
			g.failed(addr(from), now)
		}
	}
	for from, want := range map[string]bool{
		"192.0.2.1": true, "::ffff:192.0.2.1": true, "192.0.2.2": false, "127.0.0.1": false,
		"2001:db8::1": true, "2001:db8::2": true, "2001:db8:0:1::1": false, "::1": false,
	} {
		if g.tooMany(addr(from), now) != want {
			t.Errorf("%s is refused: %v", from, !want)
		}
	}
	if g.tooMany(netip.Addr{}, now) {
		t.Error("our own services are refused")
	}
	if g.tooMany(addr("192.0.2.1"), now.Add(guessSpan)) {
		t.Error("a minute later it is refused still")
	}
	none := &guesses{}
	none.failed(addr("192.0.2.1"), now)
	if none.tooMany(addr("192.0.2.1"), now) {
		t.Error("without a limit it is refused")
	}
}

func TestGuessersAreBounded(t *testing.T) {
	now := time.Now()
	g := &guesses{limit: 1}
	for i := range uint32(maxGuessers + 10) {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], 0x0B000000+i)
		g.failed(netip.AddrFrom4(b), now)
	}
	if len(g.wrong) != maxGuessers || g.tooMany(netip.MustParseAddr("192.0.2.1"), now) {
		t.Errorf("%d networks are counted", len(g.wrong))
	}
}
