package network

import (
	"net/netip"
	"testing"
)

func TestOf(t *testing.T) {
	for a, want := range map[string]string{
		"192.0.2.7":                     "192.0.2.7/32",
		"::ffff:192.0.2.7":              "192.0.2.7/32",
		"127.0.0.1":                     "127.0.0.1/32",
		"2001:db8:1:2:3:4:5:6":          "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff:ffff:ffff:1": "2001:db8:1:2::/64",
		"2001:db8:1:3::1":               "2001:db8:1:3::/64",
		"fe80::1%eth0":                  "fe80::/64",
		"::1":                           "::/64",
	} {
		if got := Of(netip.MustParseAddr(a)); got.String() != want {
			t.Errorf("network of %s is %v, want %s", a, got, want)
		}
	}
	if got := Of(netip.Addr{}); got.IsValid() {
		t.Errorf("network of no address is %v", got)
	}
}
