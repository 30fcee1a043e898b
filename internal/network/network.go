// Package network tells people on the internet apart by their addresses: whoever counts or
// limits by address does it by the network that Of names.
package network

import "net/netip"

// prefix6 is how many bits of an IPv6 address say whose it is. Anybody has a /64 at least
// (RFC 6177), with as many addresses as he likes.
const prefix6 = 64

// Of is what belongs to one person at least: an IPv4 address, a /64 of IPv6. Addresses of
// IPv4 in the clothes of IPv6 are IPv4, and zones do not count. Of no address it is the
// zero Prefix.
func Of(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = prefix6
	}
	p, _ := a.Prefix(bits)
	return p
}
