package transport

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/pion/transport/v4/stdnet"
	"github.com/sirupsen/logrus"

	"parley/internal/logx"
)

const (
	// addressPause is the time between two looks at the machine's addresses.
	addressPause = 5 * time.Second
	// maxAddresses bounds the addresses that are bound in the life of a bridge; later ones are
	// left out, with a word in the log. Sockets are never closed before the bridge is: an
	// address that is gone may come back, and sessions may still send from it.
	maxAddresses = 64
)

// presence is which of the machine's addresses are there. It belongs to the goroutine of
// watchAddresses; what others may see of it is Lane.offered.
type presence struct {
	// list lists the addresses to use; fallback says that it is only loopback.
	list func() (addrs []netip.Addr, fallback bool, err error)
	// addrs are those of the last look, fallback says that they were; bound holds the sockets of
	// every address there ever was, one of each lane.
	addrs    []netip.Addr
	fallback bool
	bound    map[netip.Addr][]*udpSocket
	full     bool
	pause    time.Duration // between two looks
	short    logx.Seldom
}

// present notes what Listen has bound.
func (t *Transport) present(addrs []netip.Addr, fallback bool) {
	p := &t.presence
	p.addrs, p.fallback, p.bound = addrs, fallback, make(map[netip.Addr][]*udpSocket, len(addrs))
	for j, a := range addrs {
		for _, l := range t.lanes {
			p.bound[a] = append(p.bound[a], l.sockets[j])
		}
	}
	t.offer()
}

// offer publishes the sockets of the addresses there are.
func (t *Transport) offer() {
	for i, l := range t.lanes {
		var list []*udpSocket
		for _, a := range t.presence.addrs {
			if s := t.presence.bound[a]; s != nil {
				list = append(list, s[i])
			}
		}
		l.offered.Store(&list)
	}
}

// current are the lane's sockets on the addresses there are now.
func (l *Lane) current() []*udpSocket {
	if list := l.offered.Load(); list != nil {
		return *list
	}
	return nil
}

// current are the addresses there are now, as sockets of the first lane.
func (t *Transport) current() []*udpSocket { return t.lanes[0].current() }

// watchAddresses binds addresses that come up (DHCP, a VPN, a server that moves) and offers
// no more those that are gone, until ctx is done. Sessions hear of new ones with their next
// ICE restart.
func (t *Transport) watchAddresses(ctx context.Context) {
	ticker := time.NewTicker(t.presence.pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			t.lookAround()
		}
	}
}

// lookAround takes in what has changed since the last look.
func (t *Transport) lookAround() {
	p := &t.presence
	addrs, fallback, err := p.list()
	if err != nil || fallback && !p.fallback {
		// A machine without any address is about to get another one. Until then the old ones are
		// as good as none.
		return
	}
	unbound := func(a netip.Addr) bool { return p.bound[a] == nil }
	if slices.Equal(addrs, p.addrs) && !slices.ContainsFunc(addrs, unbound) {
		return
	}
	changed := false
	for _, a := range addrs {
		if !unbound(a) || !t.bind(a) {
			continue
		}
		changed = true
	}
	for _, a := range addrs {
		if !unbound(a) && !slices.Contains(p.addrs, a) {
			changed = true
			t.log.WithField(logx.Listen, a.String()).Info("address came up")
		}
	}
	for _, a := range p.addrs {
		if !unbound(a) && !slices.Contains(addrs, a) {
			changed = true
			t.log.WithField(logx.Listen, a.String()).Info("address is gone")
		}
	}
	p.addrs, p.fallback = addrs, fallback
	if !changed {
		return
	}
	t.offer()
	if n, err := stdnet.NewNet(); err == nil {
		t.net.Store(n)
	}
}

// closePresence closes what came up after Listen.
func (t *Transport) closePresence() {
	for _, sockets := range t.presence.bound {
		for i, s := range sockets {
			if !slices.Contains(t.lanes[i].sockets, s) {
				_ = s.close()
			}
		}
	}
}

// bind opens an address in every lane. One that is not ready (IPv6 asks first whether
// somebody else has it) is tried again at the next look.
func (t *Transport) bind(a netip.Addr) bool {
	p := &t.presence
	if len(p.bound) >= maxAddresses {
		if !p.full {
			p.full = true
			t.log.WithFields(logrus.Fields{logx.Listen: a.String(), "limit": maxAddresses}).
				Warn("too many addresses came up: this one and later ones are not used before a restart")
		}
		return false
	}
	at := netip.AddrPortFrom(a, t.sockets[0].local.Port())
	var opened []*udpSocket
	for i, l := range t.lanes {
		s, err := t.openShared(at, len(t.lanes), i)
		if err == nil {
			s.joinRuns()
			if err = l.watch(s); err != nil {
				_ = s.close()
			}
		}
		if err != nil {
			for j, s := range opened {
				t.lanes[j].unwatch(s)
			}
			if p.short.Due() {
				t.log.WithField(logx.Listen, at.String()+"/udp").WithError(err).Warn("address that came up cannot be bound, trying again")
			}
			return false
		}
		opened = append(opened, s)
	}
	p.bound[a] = opened
	t.logSocket(opened[0])
	return true
}
