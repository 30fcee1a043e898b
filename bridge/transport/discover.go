package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/pion/stun/v4"
	"github.com/sirupsen/logrus"
)

const (
	// discoverAgain is the pause between two looks at the public addresses when they are
	// known, discoverRetry when they are not.
	discoverAgain = 5 * time.Minute
	discoverRetry = 30 * time.Second
	// stunTry is how long an answer of a STUN server may take, of stunTries tries in all.
	stunTry   = 500 * time.Millisecond
	stunTries = 6
	// awsTimeout bounds one question to the machine's metadata, maxMetadata the answer.
	awsTimeout  = 2 * time.Second
	maxMetadata = 256
)

// awsMetadata is where a machine at Amazon learns about itself.
const awsMetadata = "http://169.254.169.254/latest/"

// discover finds out under which addresses this machine is seen from outside, at the start
// and from time to time, until ctx is done. It takes the address only: the port must be
// forwarded as it is.
func (t *Transport) discover(ctx context.Context) {
	for ctx.Err() == nil {
		found, err := t.look(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := discoverAgain
		if err != nil {
			wait = discoverRetry
			t.log.WithError(err).Warn("public address not found, trying again")
		}
		if before := t.discovered.Load(); len(found) > 0 && (before == nil || !slices.Equal(*before, found)) {
			t.discovered.Store(&found)
			for _, m := range found {
				t.log.WithFields(logrus.Fields{"local": m.LocalAddress, "public": m.PublicAddress}).Info("public address found")
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// look asks everybody who could know, for each of our addresses.
func (t *Transport) look(ctx context.Context) (found []Mapping, err error) {
	add := func(local, public netip.Addr) {
		if local != public {
			found = append(found, Mapping{LocalAddress: local.String(), PublicAddress: public.String()})
		}
	}
	if t.cfg.AWS {
		local, public, e := askAWS(ctx, awsMetadata)
		if e == nil {
			add(local, public)
		}
		err = errors.Join(err, e)
	}
	if len(t.cfg.STUNServers) == 0 {
		return found, err
	}
	for _, s := range t.current() {
		local := s.local.Addr()
		if !local.Is4() {
			continue
		}
		public, e := askSTUN(ctx, local, t.cfg.STUNServers)
		if e == nil {
			add(local, public)
		}
		err = errors.Join(err, e)
	}
	return found, err
}

// askSTUN asks the servers in turn, from an own port on a local address, as whom they see
// us (RFC 8489).
func askSTUN(ctx context.Context, local netip.Addr, servers []string) (netip.Addr, error) {
	var last error
	for _, server := range servers {
		a, err := askOne(ctx, local, server)
		if err == nil {
			return a, nil
		}
		last = fmt.Errorf("stun_servers: %s from %s: %w", server, local, err)
	}
	return netip.Addr{}, last
}

func askOne(ctx context.Context, local netip.Addr, server string) (netip.Addr, error) {
	d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)), Timeout: 5 * time.Second}
	conn, err := d.DialContext(ctx, "udp4", server)
	if err != nil {
		return netip.Addr{}, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		return netip.Addr{}, err
	}
	b := make([]byte, 1500)
	for range stunTries {
		if _, err := conn.Write(request.Raw); err != nil {
			return netip.Addr{}, err
		}
		_ = conn.SetReadDeadline(time.Now().Add(stunTry))
		for {
			n, err := conn.Read(b)
			if err != nil {
				break // the next try
			}
			if a, ok := mappedAddress(b[:n], request.TransactionID); ok {
				return a, nil
			}
		}
		if ctx.Err() != nil {
			return netip.Addr{}, ctx.Err()
		}
	}
	return netip.Addr{}, errors.New("no answer")
}

// mappedAddress reads the answer to a request of ours.
func mappedAddress(b []byte, id [stun.TransactionIDSize]byte) (netip.Addr, bool) {
	m := &stun.Message{Raw: append([]byte(nil), b...)}
	if m.Decode() != nil || m.Type != stun.BindingSuccess || m.TransactionID != id {
		return netip.Addr{}, false
	}
	var x stun.XORMappedAddress
	if x.GetFrom(m) != nil {
		return netip.Addr{}, false
	}
	a, ok := netip.AddrFromSlice(x.IP)
	return a.Unmap(), ok && !a.IsUnspecified()
}

// askAWS asks the machine's metadata for its two addresses, with a token as it is demanded
// today (IMDSv2).
func askAWS(ctx context.Context, base string) (local, public netip.Addr, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*awsTimeout)
	defer cancel()
	client := &http.Client{Timeout: awsTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(method, path, header, value string) (string, error) {
		r, err := http.NewRequestWithContext(ctx, method, base+path, nil)
		if err != nil {
			return "", err
		}
		r.Header.Set(header, value)
		resp, err := client.Do(r)
		if err != nil {
			return "", err
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(io.LimitReader(resp.Body, maxMetadata))
		if resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("answered %s", resp.Status)
		}
		return strings.TrimSpace(string(b)), err
	}
	fail := func(what string, err error) (netip.Addr, netip.Addr, error) {
		return netip.Addr{}, netip.Addr{}, fmt.Errorf("aws: %s: %w", what, err)
	}
	token, err := ask(http.MethodPut, "api/token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
	if err != nil {
		return fail("token", err)
	}
	addresses := [2]netip.Addr{}
	for i, what := range []string{"local-ipv4", "public-ipv4"} {
		text, err := ask(http.MethodGet, "meta-data/"+what, "X-Aws-Ec2-Metadata-Token", token)
		if err == nil {
			addresses[i], err = netip.ParseAddr(text)
		}
		if err != nil {
			return fail(what, err)
		}
	}
	return addresses[0], addresses[1], nil
}

// mappings are those of the settings, and those that were discovered and are not among
// them.
func (t *Transport) mappings() []Mapping {
	found := t.discovered.Load()
	if found == nil {
		return t.cfg.Mappings
	}
	list := slices.Clone(t.cfg.Mappings)
	for _, m := range *found {
		if !slices.ContainsFunc(list, func(o Mapping) bool {
			return o.LocalAddress == m.LocalAddress && o.PublicAddress == m.PublicAddress
		}) {
			list = append(list, m)
		}
	}
	return list
}

// PublicAddresses lists the addresses this machine is told to have outside, by the settings
// or by those that were asked.
func (t *Transport) PublicAddresses() []netip.Addr {
	var list []netip.Addr
	for _, m := range t.mappings() {
		if a, err := netip.ParseAddr(m.PublicAddress); err == nil {
			list = append(list, a)
		}
	}
	return list
}

// Discovered tells whether a public address was found by asking; true if nobody is asked.
func (t *Transport) Discovered() bool {
	return len(t.cfg.STUNServers) == 0 && !t.cfg.AWS || t.discovered.Load() != nil
}
