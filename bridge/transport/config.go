package transport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
)

// Mapping says that a local address is reachable under a public one (static NAT).
type Mapping struct {
	// LocalAddress is an address of this machine.
	LocalAddress string `yaml:"local_address"`
	// PublicAddress is what others see instead.
	PublicAddress string `yaml:"public_address"`
	// LocalPort restricts the mapping to one port; 0 means all.
	LocalPort int `yaml:"local_port"`
	// PublicPort is the port others see; 0 means the same port.
	PublicPort int `yaml:"public_port"`
}

// TCPConfig holds the settings of ICE over TCP.
type TCPConfig struct {
	// Enabled offers TCP candidates, for clients whose network blocks UDP.
	Enabled bool `yaml:"enabled"`
	// Port is the TCP port to listen on.
	Port int `yaml:"port"`
	// MappedPort is the port announced to clients when a firewall forwards another one to
	// us; 0 means the same port.
	MappedPort int `yaml:"mapped_port"`
	// SSLTCP announces candidates with the pseudo-TLS greeting (ssltcp) that only some old
	// clients speak. Connections with it are understood either way.
	SSLTCP bool `yaml:"ssltcp"`
	// MaxUnidentified bounds the connections that have not yet told which session they
	// belong to. For a newcomer too many, the oldest is closed of the address that has
	// most of them.
	MaxUnidentified int `yaml:"max_unidentified"`
}

// Config holds the settings of the bridge's sockets.
type Config struct {
	// Port is the UDP port for all media.
	Port int `yaml:"port"`
	// Addresses to bind; empty means every address that is neither loopback nor link-local,
	// or loopback when there is none.
	Addresses []string `yaml:"addresses"`
	// AllowedAddresses are the only ones to bind of those found, if any are named; prefixes
	// like 192.0.2.0/24 are allowed.
	AllowedAddresses []string `yaml:"allowed_addresses"`
	// BlockedAddresses are left out; prefixes like 172.17.0.0/16 are allowed.
	BlockedAddresses []string `yaml:"blocked_addresses"`
	// Interfaces to use by name; empty means all that are up.
	Interfaces []string `yaml:"interfaces"`
	// BlockedInterfaces are left out.
	BlockedInterfaces []string `yaml:"blocked_interfaces"`
	// IPFamily is "v4", "v6" or "both".
	IPFamily string `yaml:"ip_family"`
	// UfragPrefix begins every ICE user name, for load balancers that route by it. Only
	// letters, digits, + and /.
	UfragPrefix string `yaml:"ufrag_prefix"`
	// Mappings of local to public addresses (NAT).
	Mappings []Mapping `yaml:"mappings"`
	// STUNServers are asked under which addresses this machine is seen from outside, each as
	// host:port, in turn until one answers. The port must be forwarded as it is.
	STUNServers []string `yaml:"stun_servers"`
	// AWS asks the metadata of a machine at Amazon for its public address.
	AWS bool `yaml:"aws"`
	// AdvertisePrivateCandidates offers private addresses to every client, not only to
	// those that ask for them.
	AdvertisePrivateCandidates bool `yaml:"advertise_private_candidates"`
	// SocketBuffer is the size in bytes asked for the sockets' buffers; the system may give
	// less, which is logged.
	SocketBuffer int `yaml:"socket_buffer"`
	// Lanes is how many shards share the sockets; the packet path says it.
	Lanes int `yaml:"-"`
	// TCP is the way for networks without UDP.
	TCP TCPConfig `yaml:"tcp"`
}

// DefaultConfig returns the settings of a bridge on one machine.
func DefaultConfig() Config {
	return Config{
		Port:                       10000,
		IPFamily:                   "both",
		AdvertisePrivateCandidates: true,
		SocketBuffer:               10 << 20,
		TCP:                        TCPConfig{Enabled: true, Port: 4443, MaxUnidentified: 256},
	}
}

var icePrefix = regexp.MustCompile(`^[A-Za-z0-9+/]{0,64}$`)

// Validate reports the first setting that makes no sense.
func (c Config) Validate() error {
	switch {
	case c.Port < 0 || c.Port > 65535:
		return fmt.Errorf("port: %d is not a port", c.Port)
	case c.TCP.Port < 0 || c.TCP.Port > 65535:
		return fmt.Errorf("tcp.port: %d is not a port", c.TCP.Port)
	case c.TCP.MappedPort < 0 || c.TCP.MappedPort > 65535:
		return fmt.Errorf("tcp.mapped_port: %d is not a port", c.TCP.MappedPort)
	case c.TCP.Enabled && c.TCP.MaxUnidentified < 1:
		return errors.New("tcp.max_unidentified: must be at least 1")
	case c.IPFamily != "" && c.IPFamily != "v4" && c.IPFamily != "v6" && c.IPFamily != "both":
		return fmt.Errorf("ip_family: %q is none of v4, v6, both", c.IPFamily)
	case !icePrefix.MatchString(c.UfragPrefix):
		return errors.New("ufrag_prefix: only letters, digits, + and / are allowed, at most 64")
	case c.SocketBuffer < 0:
		return errors.New("socket_buffer: must not be negative")
	}
	for _, a := range c.Addresses {
		if _, err := netip.ParseAddr(a); err != nil {
			return fmt.Errorf("addresses: %w", err)
		}
	}
	for _, a := range c.AllowedAddresses {
		if _, err := parsePrefix(a); err != nil {
			return fmt.Errorf("allowed_addresses: %w", err)
		}
	}
	for _, s := range c.STUNServers {
		if host, _, err := net.SplitHostPort(s); err != nil || host == "" {
			return fmt.Errorf("stun_servers: %q is not host:port", s)
		}
	}
	for _, a := range c.BlockedAddresses {
		if _, err := parsePrefix(a); err != nil {
			return fmt.Errorf("blocked_addresses: %w", err)
		}
	}
	for i, m := range c.Mappings {
		if err := m.validate(); err != nil {
			return fmt.Errorf("mappings[%d]: %w", i, err)
		}
	}
	return nil
}

func (m Mapping) validate() error {
	if _, err := netip.ParseAddr(m.LocalAddress); err != nil {
		return fmt.Errorf("local_address: %w", err)
	}
	if _, err := netip.ParseAddr(m.PublicAddress); err != nil {
		return fmt.Errorf("public_address: %w", err)
	}
	if m.LocalPort < 0 || m.LocalPort > 65535 || m.PublicPort < 0 || m.PublicPort > 65535 {
		return errors.New("local_port, public_port: not a port")
	}
	return nil
}

// parsePrefix reads an address or a prefix.
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}
