package transport

import (
	"net/netip"
	"slices"
	"strconv"
)

// The priorities of our candidates. TCP ones come after everything over UDP, and later
// addresses after earlier ones.
const (
	priorityHost     = 2130706431
	prioritySrflx    = 1694498815
	priorityTCP      = 1<<24*90 + 1<<8*65535 + 255
	priorityTCPSrflx = 1<<24*80 + 1<<8*65535 + 255
)

// candidates lists what we offer to a session's peer: host candidates of all addresses,
// reflexive ones of all mappings, then the same over TCP.
func (t *Transport) candidates(s *Session) []Candidate {
	private := s.opts.PrivateCandidates || t.cfg.AdvertisePrivateCandidates
	unique := s.opts.UniquePort
	sockets := t.stillThere(s.sockets())
	var list []Candidate
	add := func(base, addr netip.AddrPort, p Protocol, priority uint32) {
		c := Candidate{
			Foundation: strconv.Itoa(len(list) + 1), Component: 1, Protocol: p, Addr: addr,
			Type: TypeHost, Priority: priority - uint32(len(list))<<8,
		}
		if p != UDP {
			c.TCPType = "passive"
		}
		if base != addr {
			c.Type, c.Related = TypeSrflx, base
			if !private && base.Addr().IsPrivate() {
				c.Related = netip.AddrPortFrom(netip.IPv4Unspecified(), 9)
			}
		}
		list = append(list, c)
	}
	mappings := t.mappings()
	each := func(p Protocol, port func(*udpSocket) uint16, host, srflx uint32) {
		for _, s := range sockets {
			base := netip.AddrPortFrom(s.local.Addr(), port(s))
			if private || !base.Addr().IsPrivate() {
				add(base, base, p, host)
			}
		}
		for _, s := range sockets {
			base := netip.AddrPortFrom(s.local.Addr(), port(s))
			for _, m := range mappings {
				if unique && m.PublicPort != 0 {
					continue // that port leads to the shared socket
				}
				if public, ok := m.apply(base); ok && public != base {
					add(base, public, p, srflx)
				}
			}
		}
	}
	each(UDP, func(s *udpSocket) uint16 { return s.local.Port() }, priorityHost, prioritySrflx)
	if len(t.listeners) > 0 && !unique {
		p := TCP
		if t.cfg.TCP.SSLTCP {
			p = SSLTCP
		}
		port := t.tcpPort()
		each(p, func(*udpSocket) uint16 { return port }, priorityTCP, priorityTCPSrflx)
	}
	return list
}

// stillThere leaves out the sockets of addresses that are gone.
func (t *Transport) stillThere(list []*udpSocket) []*udpSocket {
	now := t.current()
	var there []*udpSocket
	for _, s := range list {
		if slices.ContainsFunc(now, func(o *udpSocket) bool { return o.local.Addr() == s.local.Addr() }) {
			there = append(there, s)
		}
	}
	return there
}

// apply maps a local address to its public one, if the mapping is about it.
func (m Mapping) apply(base netip.AddrPort) (netip.AddrPort, bool) {
	local, err := netip.ParseAddr(m.LocalAddress)
	if err != nil || local.Unmap() != base.Addr() || m.LocalPort != 0 && m.LocalPort != int(base.Port()) {
		return base, false
	}
	public, err := netip.ParseAddr(m.PublicAddress)
	if err != nil {
		return base, false
	}
	port := base.Port()
	if m.PublicPort != 0 {
		port = uint16(m.PublicPort)
	}
	return netip.AddrPortFrom(public.Unmap(), port), true
}
