package router

import "net/netip"

// Network is what belongs to one person at least, an IPv4 address or a /64 of IPv6:
// whoever counts by address counts by it.
func Network(client netip.Addr) netip.Prefix {
	client = client.Unmap().WithZone("")
	bits := client.BitLen()
	if client.Is6() {
		bits = 64
	}
	p, _ := client.Prefix(bits)
	return p
}
