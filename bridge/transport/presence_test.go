package transport_test

import (
	"net/netip"
	"slices"
	"sync"
	"testing"

	"parley/bridge/transport"
	"parley/internal/logx"
)

// changing is a machine whose addresses change.
type changing struct {
	mu       sync.Mutex
	addrs    []netip.Addr
	fallback bool
}

func (c *changing) set(fallback bool, addrs ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addrs, c.fallback = nil, fallback
	for _, a := range addrs {
		c.addrs = append(c.addrs, netip.MustParseAddr(a))
	}
}

func (c *changing) list() ([]netip.Addr, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.addrs, c.fallback, nil
}

// TestAddressesComeAndGo: what comes up is bound and offered, and carries a call; what is
// gone is no longer offered to newcomers, and calls over it go on.
func TestAddressesComeAndGo(t *testing.T) {
	machine := &changing{}
	machine.set(true, "127.0.0.1")
	var tr *transport.Transport
	b := newBenchWith(t, func(cfg *transport.Config) { cfg.Addresses = nil }, func(made *transport.Transport) {
		tr = made
		transport.SetAddresses(tr, machine.list)
	})
	offered := func() (hosts []string) {
		s, err := tr.NewSession(transport.SessionOptions{Controlling: true, Handler: &client{}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, c := range s.Local().Candidates {
			if c.Protocol == transport.UDP {
				hosts = append(hosts, c.Addr.Addr().String())
			}
		}
		return hosts
	}
	expect := func(when string, want ...string) {
		t.Helper()
		if got := offered(); !slices.Equal(got, want) {
			t.Fatalf("%s %v are offered, want %v", when, got, want)
		}
	}
	expect("at first", "127.0.0.1")
	before := newClient(b, nil)

	machine.set(false, "127.0.0.2", "127.0.0.3")
	transport.LookAround(tr)
	expect("when others came up", "127.0.0.2", "127.0.0.3")
	if got := before.session.Local().Candidates; len(got) != 0 {
		t.Errorf("who was there before is offered %v", got)
	}
	after := newClient(b, nil)
	after.join(after)
	await(t, "a way by an address that came up", after.connected)
	await(t, "keys", after.ready)

	machine.set(true, "127.0.0.1") // none but loopback: the cable is out
	transport.LookAround(tr)
	expect("without any", "127.0.0.2", "127.0.0.3")
	machine.set(false, "127.0.0.1", "127.0.0.3")
	transport.LookAround(tr)
	expect("when one came back", "127.0.0.1", "127.0.0.3")
	if n := len(tr.Addresses()); n != 2 {
		t.Errorf("%d addresses are there", n)
	}
}

// TestAddressesAreBounded: a machine that never stops changing its address does not open
// sockets without end.
func TestAddressesAreBounded(t *testing.T) {
	machine := &changing{}
	machine.set(false, "127.0.0.1")
	cfg := transport.DefaultConfig()
	cfg.Port, cfg.TCP.Enabled, cfg.Lanes = 0, false, 2
	tr, err := transport.New(cfg, logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	transport.SetAddresses(tr, machine.list)
	if err := tr.Listen(); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		machine.set(false, netip.AddrFrom4([4]byte{127, 0, 1, byte(i + 1)}).String())
		transport.LookAround(tr)
	}
	if n := transport.Bound(tr); n != transport.MaxAddresses {
		t.Errorf("%d addresses are bound", n)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
}
