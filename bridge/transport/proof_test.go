package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"
)

const testPassword = "a password of 22 chars"

// signed is a message of some kind with any attributes and the proof of a password.
func signed(kind stun.MessageType, attributes []byte, password string) []byte {
	m := &stun.Message{Type: kind, TransactionID: [12]byte{1, 2, 3}}
	m.WriteHeader()
	m.Raw = append(m.Raw[:stunHeaderSize:stunHeaderSize], attributes...)
	m.Length = uint32(len(attributes))
	m.WriteLength()
	if stun.NewShortTermIntegrity(password).AddTo(m) != nil {
		return nil
	}
	_ = stun.Fingerprint.AddTo(m)
	return m.Raw
}

// FuzzProof lets peers who know the password, and others who do not, send messages with any
// attributes: what we believe and hand to the library, it reads and believes, too.
func FuzzProof(f *testing.F) {
	name := []byte{0, 6, 0, 3, 'a', ':', 'b', 0}
	f.Add(name, true)
	f.Add(name, false)
	f.Add(append(bytes.Clone(name), 0, 0x24, 0, 4, 0x6e, 0, 1, 0xff, 0x80, 0x29, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0x25, 0, 0), true)
	f.Add(append(bytes.Clone(name), 0xC0, 1, 0, 4, 0, 0, 0, 1), true)
	f.Add(append(bytes.Clone(name), 0, 8, 0, 20), true)
	f.Add([]byte{0, 8, 0, 1, 0, 0, 0, 0}, true)
	f.Add([]byte{0, 0x20, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0}, true)
	f.Fuzz(func(t *testing.T, attributes []byte, knows bool) {
		if len(attributes) > slotSize-100 {
			return
		}
		attributes = attributes[:len(attributes)&^3]
		password := "another password"
		if knows {
			password = testPassword
		}
		for _, kind := range []stun.MessageType{stun.BindingRequest, stun.BindingSuccess} {
			raw := signed(kind, attributes, password)
			if raw == nil {
				return
			}
			m, ok := parseSTUN(raw)
			if !ok {
				continue
			}
			holds := newProof(testPassword).holds(raw, m.integrity)
			if holds && !knows {
				t.Fatal("a stranger is believed")
			}
			if !holds {
				continue
			}
			full := &stun.Message{Raw: proven(raw, m.integrity)}
			if err := full.Decode(); err != nil {
				t.Fatalf("the library does not read it: %v", err)
			}
			// It stops at a proof by SHA-256, which nobody in ICE sends.
			if err := stun.MessageIntegrity(testPassword).Check(full); err != nil && !errors.Is(err, stun.ErrAttributeNotFound) {
				t.Fatalf("the library does not believe it: %v", err)
			}
			readAsAgent(full)
		}
	})
}

// readAsAgent reads what the agent reads of a message.
func readAsAgent(m *stun.Message) {
	var (
		name       stun.Username
		priority   ice.PriorityAttr
		control    ice.AttrControl
		nomination ice.NominationAttribute
		mapped     stun.XORMappedAddress
	)
	_ = name.GetFrom(m)
	_ = priority.GetFrom(m)
	_ = control.GetFrom(m)
	_ = nomination.GetFrom(m)
	_ = mapped.GetFrom(m)
	_ = m.Contains(stun.AttrUseCandidate)
	_ = m.String()
}

// TestOnlyProvenMessagesReachTheAgent, and of those nothing but what is proved.
func TestOnlyProvenMessagesReachTheAgent(t *testing.T) {
	r := (&Session{t: &Transport{mux: newMux()}}).newRound(0, "ours")
	c := newStunConn(r, nil, false, nil)
	from := netip.MustParseAddrPort("192.0.2.1:1000")
	name := stun.NewUsername("ours:theirs")
	build := func(kind stun.MessageType, more ...stun.Setter) []byte {
		return stun.MustBuild(append([]stun.Setter{stun.TransactionID, kind, name}, more...)...).Raw
	}
	ours, theirs := stun.NewShortTermIntegrity(r.pwd), stun.NewShortTermIntegrity(testPassword)
	behind := stun.RawAttribute{Type: stun.AttrUseCandidate}
	push := func(what string, b []byte, want int) {
		t.Helper()
		m, ok := parseSTUN(b)
		if !ok {
			t.Fatalf("%s: not read", what)
		}
		c.push(b, m, from)
		if len(c.queue) != want {
			t.Fatalf("%s: %d messages wait, want %d", what, len(c.queue), want)
		}
		for len(c.queue) > 0 {
			got := &stun.Message{Raw: (<-c.queue).data}
			if err := got.Decode(); err != nil || got.Contains(stun.AttrUseCandidate) || int(binary.BigEndian.Uint16(got.Raw[2:])) != len(got.Raw)-stunHeaderSize {
				t.Errorf("%s: handed over as %v, %v", what, got, err)
			}
		}
	}
	push("an answer before the peer is known", build(stun.BindingSuccess, theirs), 0)
	r.theirs.Store(newProof(testPassword))
	push("a request", build(stun.BindingRequest, ours, stun.Fingerprint), 1)
	push("a request with something behind the proof", build(stun.BindingRequest, ours, behind), 1)
	push("an answer", build(stun.BindingSuccess, theirs), 1)
	push("a request without a proof", build(stun.BindingRequest), 0)
	push("a request of somebody else", build(stun.BindingRequest, theirs), 0)
	push("an answer of somebody else", build(stun.BindingSuccess, ours), 0)
	push("an indication", build(stun.NewType(stun.MethodBinding, stun.ClassIndication), ours), 0)
	push("a request of another kind", build(stun.NewType(stun.MethodAllocate, stun.ClassRequest), ours), 0)
	if n := r.s.t.stats.garbage.Load(); n != 6 {
		t.Errorf("%d were counted", n)
	}
}

// TestStrangersCostNoMemory, even those who know a user name.
func TestStrangersCostNoMemory(t *testing.T) {
	turn := strangers(t)
	if n := testing.AllocsPerRun(1000, turn); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

// strangers returns a function that takes in a check of somebody who knows the user name of
// a session but not its password, each time from another address.
func strangers(t testing.TB) func() {
	r := (&Session{t: &Transport{mux: newMux()}}).newRound(0, "ours")
	r.s.now, r.s.ufrag = r, "ours"
	r.started.Store(true)
	tr := r.s.t
	local := netip.MustParseAddrPort("192.0.2.200:10000")
	sock := &udpSocket{local: local}
	tr.mux.addRound(r)
	tr.mux.addConn(connKey{"ours", local.Addr(), false}, newStunConn(r, nil, false, nil))
	b := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername("ours:theirs"),
		stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{0x6e, 0, 1, 0xff}},
		stun.RawAttribute{Type: stun.AttrICEControlled, Value: make([]byte, 8)},
		stun.NewShortTermIntegrity("wrong"), stun.Fingerprint).Raw
	n := uint32(0)
	t.Cleanup(func() {
		if routes := len(tr.mux.routes); routes != 0 || len(r.heard) != 0 || tr.stats.garbage.Load() != uint64(n) {
			t.Errorf("%d routes and %d addresses are remembered, %d of %d counted", routes, len(r.heard), tr.stats.garbage.Load(), n)
		}
	})
	return func() {
		n++
		tr.handleSTUN(b, sock, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), uint16(n)))
	}
}

func BenchmarkStranger(b *testing.B) {
	turn := strangers(b)
	b.ReportAllocs()
	for b.Loop() {
		turn()
	}
}
