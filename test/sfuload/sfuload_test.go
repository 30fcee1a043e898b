//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

// TestMain lets the test's program be the floor, as the command's is.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "floor" {
		if err := serveFloor(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestGapsAndDisorderAreNoticed(t *testing.T) {
	var f faults
	s := &stream{}
	for _, seq := range []uint16{65533, 65534, 0, 1} {
		s.note(seq, &f)
	}
	if s.lost() != 1 || f != (faults{}) {
		t.Errorf("%d lost, %+v", s.lost(), f)
	}
	s.begin()
	s.note(2, &f)
	s.note(2, &f)
	if f.disorder != 1 {
		t.Errorf("a packet that came twice: %+v", f)
	}
}

func TestFeedbackSaysWhatArrived(t *testing.T) {
	var f feedback
	f.arrivals = []arrival{{1<<16 - 2, 64_000_000}, {1<<16 - 1, 64_500_000}, {1 << 16, 200_000_000}, {1<<16 + 3, 201_000_000}}
	b, rest := f.twcc(header(nil, 0, 201, 1), f.arrivals)
	packets, err := rtcp.Unmarshal(b)
	if err != nil || len(packets) != 2 || len(rest) != 0 {
		t.Fatalf("%v, %d packets, %d left: %x", err, len(packets), len(rest), b)
	}
	cc := packets[1].(*rtcp.TransportLayerCC)
	if cc.BaseSequenceNumber != 65534 || cc.PacketStatusCount != 6 || len(cc.RecvDeltas) != 4 || cc.RecvDeltas[2].Delta != 135500 {
		t.Errorf("%+v", cc)
	}
	many := make([]arrival, 1000)
	for i := range many {
		many[i] = arrival{int64(1<<16 + i), int64(i) * 1e6}
	}
	for n := 0; len(many) > 0; n++ {
		if b, many = f.twcc(header(nil, 0, 201, 1), many); len(b) > 1200 || n > 10 {
			t.Fatalf("%d bytes, %d left", len(b), len(many))
		}
	}
}

func TestRequestsName(t *testing.T) {
	packets, err := rtcp.Unmarshal(nack(header(nil, 0, 201, 1), 77, []uint16{5, 9}))
	if err != nil || len(packets) != 2 {
		t.Fatal(err, packets)
	}
	n := packets[1].(*rtcp.TransportLayerNack)
	if n.MediaSSRC != 77 || len(n.Nacks) != 2 || n.Nacks[1].PacketID != 9 {
		t.Errorf("%+v", n)
	}
}

// TestFloorsForwardWhatIsDue: the shape's arithmetic and the floor's table agree.
func TestFloorsForwardWhatIsDue(t *testing.T) {
	for _, s := range append([]shape{saturating}, shapes...) {
		var clients []*client
		for i := range s.rooms * s.people {
			c := &client{}
			s.equip(c, i%s.people)
			clients = append(clients, c)
		}
		perSecond := map[uint32]int{}
		for _, c := range clients {
			for _, src := range c.sources {
				perSecond[src.ssrc] = 50
				if src.video {
					perSecond[src.ssrc] = 30 * src.perFrame
				}
			}
		}
		due := 0
		for ssrc, to := range s.fan(clients) {
			due += perSecond[ssrc] * len(to)
		}
		if float64(due) != s.due() {
			t.Errorf("%s: %v are due, %d would be forwarded", s.name, s.due(), due)
		}
	}
}

// TestFloorForwards runs a floor as a process, in both ways of sending.
func TestFloorForwards(t *testing.T) {
	s := shape{rooms: 1, people: 4, senders: 2, packets: []int{5}, audio: true}
	for _, kind := range floorKinds {
		h, err := atFloor(kind, s, -1)
		if err != nil {
			t.Fatal(err)
		}
		start(h.e)
		enough := func() (ok bool) {
			h.e.do(func() {
				ok = true
				for _, c := range h.clients {
					// Sample and counter need some packets of each stream.
					ok = ok && c.got > 4*sampleEvery
				}
			})
			return ok
		}
		for deadline := time.Now().Add(30 * time.Second); !enough(); {
			if time.Now().After(deadline) {
				t.Fatalf("%s: too few packets came", kind.name)
			}
			<-time.After(5 * time.Millisecond)
		}
		h.e.do(func() {
			if h.e.faults != (faults{}) {
				t.Errorf("%s: %+v", kind.name, h.e.faults)
			}
		})
		packets, messages, err := h.counts()
		if err != nil || packets == 0 || messages > packets || !kind.Runs && messages != packets {
			t.Errorf("%s: %d packets in %d messages, %v", kind.name, packets, messages, err)
		}
		h.close()
	}
}

// TestWrongContentIsNoticed: what opens must be what was sent.
func TestWrongContentIsNoticed(t *testing.T) {
	c := &client{e: &engine{opened: make([]byte, fullBytes)}, opener: floorContext()}
	sender := floorContext()
	seal := func(seq uint16, serial uint32) []byte {
		b := make([]byte, 12+100)
		b[0], b[1] = 0x80, audioType
		binary.BigEndian.PutUint16(b[2:], seq)
		binary.BigEndian.PutUint32(b[12+markAt+8:], serial)
		sealed, err := sender.EncryptRTP(nil, b, nil)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	s := &stream{}
	for _, tt := range []struct {
		seq    uint16
		serial uint32
		wrong  int
	}{{10, 100, 0}, {11, 101, 0}, {12, 103, 1}} {
		c.open(s, seal(tt.seq, tt.serial), int64(tt.seq), 0)
		if c.e.faults.wrong != tt.wrong {
			t.Errorf("packet %d: %+v", tt.seq, c.e.faults)
		}
	}
	b := seal(13, 104)
	b[len(b)-1]++
	if c.open(s, b, 13, 0); c.e.faults.forged != 1 {
		t.Errorf("a forged packet: %+v", c.e.faults)
	}
}
