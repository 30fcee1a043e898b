package transport

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// localAddresses lists the addresses to bind, in the order of the interfaces. When
// nothing but loopback exists, loopback is returned and fallback is true.
func localAddresses(cfg Config) (addrs []netip.Addr, fallback bool, err error) {
	if len(cfg.Addresses) > 0 {
		for _, s := range cfg.Addresses {
			a, err := netip.ParseAddr(s)
			if err != nil {
				return nil, false, err
			}
			addrs = append(addrs, a.Unmap())
		}
		return addrs, false, nil
	}
	ifaces, err := net.Interfaces()
	if err != nil {
		return nil, false, fmt.Errorf("list interfaces: %w", err)
	}
	allowed, blocked := prefixes(cfg.AllowedAddresses), prefixes(cfg.BlockedAddresses)
	var loopback []netip.Addr
	for _, iface := range ifaces {
		if !usableInterface(cfg, iface) {
			continue
		}
		ifaceAddrs, err := iface.Addrs()
		if err != nil {
			continue
		}
		for _, ia := range ifaceAddrs {
			a, ok := usableAddress(cfg, ia, allowed, blocked)
			switch {
			case !ok || slices.Contains(addrs, a):
			case a.IsLoopback():
				loopback = append(loopback, a)
			default:
				addrs = append(addrs, a)
			}
		}
	}
	if len(addrs) > 0 {
		return addrs, false, nil
	}
	if len(loopback) == 0 {
		return nil, false, fmt.Errorf("addresses: this machine has no address that is allowed")
	}
	return loopback, true, nil
}

func usableInterface(cfg Config, iface net.Interface) bool {
	if iface.Flags&net.FlagUp == 0 || slices.Contains(cfg.BlockedInterfaces, iface.Name) {
		return false
	}
	return len(cfg.Interfaces) == 0 || slices.Contains(cfg.Interfaces, iface.Name)
}

// prefixes reads those of the settings, which were validated.
func prefixes(list []string) []netip.Prefix {
	var read []netip.Prefix
	for _, s := range list {
		if p, err := parsePrefix(s); err == nil {
			read = append(read, p)
		}
	}
	return read
}

func usableAddress(cfg Config, ia net.Addr, allowed, blocked []netip.Prefix) (netip.Addr, bool) {
	ipNet, ok := ia.(*net.IPNet)
	if !ok {
		return netip.Addr{}, false
	}
	a, ok := netip.AddrFromSlice(ipNet.IP)
	if !ok {
		return netip.Addr{}, false
	}
	a = a.Unmap()
	switch {
	case a.IsLinkLocalUnicast(), a.IsMulticast(), a.IsUnspecified():
		return a, false
	case cfg.IPFamily == "v4" && !a.Is4(), cfg.IPFamily == "v6" && a.Is4():
		return a, false
	}
	contains := func(p netip.Prefix) bool { return p.Contains(a) }
	if len(allowed) > 0 && !slices.ContainsFunc(allowed, contains) {
		return a, false
	}
	return a, !slices.ContainsFunc(blocked, contains)
}
