package stream

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// The header of the PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt):
// what a TCP proxy says of the client before anything the client sends.

const (
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyShortest  = len("PROXY UNKNOWN\r\n") // of either version; a binary one has a byte more
	proxyLine      = 107                      // the longest line of version 1
	proxyContent   = 4096                     // the most we read of version 2
)

// errNotSaid is a proxy that does not say for whom it speaks. Taken for the client, it
// would lend all its clients its own address, and with it rights of this machine.
var errNotSaid = errors.New("the proxy does not say who its client is")

// readProxied reads a header and nothing behind it. The address is invalid when the
// proxy speaks for itself, as when it looks whether we are well.
func readProxied(r io.Reader) (netip.Addr, error) {
	b := make([]byte, proxyShortest, proxyLine)
	if _, err := io.ReadFull(r, b); err != nil {
		return netip.Addr{}, fmt.Errorf("read PROXY header: %w", err)
	}
	switch {
	case bytes.HasPrefix(b, []byte(proxySignature)):
		return readBinaryHeader(r, b)
	case !bytes.HasPrefix(b, []byte("PROXY ")):
		return netip.Addr{}, errors.New("no PROXY header")
	}
	for !bytes.HasSuffix(b, []byte("\r\n")) {
		if len(b) == proxyLine {
			return netip.Addr{}, errors.New("PROXY line: too long")
		}
		b = b[:len(b)+1]
		if _, err := io.ReadFull(r, b[len(b)-1:]); err != nil {
			return netip.Addr{}, fmt.Errorf("read PROXY line: %w", err)
		}
	}
	return parseProxyLine(string(b[:len(b)-2]))
}

// parseProxyLine takes "PROXY TCP4 192.0.2.1 198.51.100.1 56324 5222" apart.
func parseProxyLine(line string) (netip.Addr, error) {
	f := strings.Split(line, " ")
	if len(f) >= 2 && f[1] == "UNKNOWN" {
		return netip.Addr{}, errNotSaid
	}
	if len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6" {
		return netip.Addr{}, errors.New("PROXY line: must name TCP4 or TCP6, two addresses and two ports")
	}
	var addrs [2]netip.Addr
	for i := range addrs {
		a, err := netip.ParseAddr(f[2+i])
		if err != nil || a.Is4() != (f[1] == "TCP4") || a.Zone() != "" {
			return netip.Addr{}, errors.New("PROXY line: bad address")
		}
		addrs[i] = a
		if n, err := strconv.ParseUint(f[4+i], 10, 16); err != nil || strconv.FormatUint(n, 10) != f[4+i] {
			return netip.Addr{}, errors.New("PROXY line: bad port")
		}
	}
	return clientOf(addrs[0])
}

// readBinaryHeader reads version 2, of which b is the beginning.
func readBinaryHeader(r io.Reader, b []byte) (netip.Addr, error) {
	head := append(b, 0)
	if _, err := io.ReadFull(r, head[len(b):]); err != nil {
		return netip.Addr{}, fmt.Errorf("read PROXY header: %w", err)
	}
	size := int(binary.BigEndian.Uint16(head[14:]))
	if size > proxyContent {
		return netip.Addr{}, errors.New("PROXY header: too long")
	}
	whole := append(head, make([]byte, size)...)
	if _, err := io.ReadFull(r, whole[len(head):]); err != nil {
		return netip.Addr{}, fmt.Errorf("read PROXY header: %w", err)
	}
	return parseBinaryHeader(whole)
}

func parseBinaryHeader(whole []byte) (netip.Addr, error) {
	const local, proxied = 0x20, 0x21 // version 2 and what it is
	const tcp4, tcp6 = 0x11, 0x21     // family and transport
	rest := whole[16:]
	switch whole[12] {
	case local:
		return netip.Addr{}, nil // what follows means nothing
	case proxied:
	default:
		return netip.Addr{}, errors.New("PROXY header: unknown version or command")
	}
	var size int
	switch whole[13] {
	case tcp4:
		size = 4
	case tcp6:
		size = 16
	case 0:
		return netip.Addr{}, errNotSaid
	default:
		return netip.Addr{}, errors.New("PROXY header: only TCP over IPv4 and IPv6 is known")
	}
	if len(rest) < 2*size+4 {
		return netip.Addr{}, errors.New("PROXY header: too short for its addresses")
	}
	if err := checkExtensions(whole, 16+2*size+4); err != nil {
		return netip.Addr{}, err
	}
	a, _ := netip.AddrFromSlice(rest[:size])
	return clientOf(a)
}

// checkExtensions walks over what may follow the addresses. Of it only the checksum of
// the whole has a meaning for us; where it stands it has to be right (§2.2.3 there).
func checkExtensions(whole []byte, at int) error {
	const typeChecksum = 0x03
	for at < len(whole) {
		if len(whole)-at < 3 {
			return errors.New("PROXY header: an extension is cut off")
		}
		from := at + 3
		to := from + int(binary.BigEndian.Uint16(whole[at+1:]))
		if to > len(whole) {
			return errors.New("PROXY header: an extension is cut off")
		}
		if whole[at] == typeChecksum {
			if to-from != 4 {
				return errors.New("PROXY header: bad checksum")
			}
			blank := bytes.Clone(whole)
			clear(blank[from:to])
			if crc32.Checksum(blank, crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(whole[from:]) {
				return errors.New("PROXY header: bad checksum")
			}
		}
		at = to
	}
	return nil
}

func clientOf(a netip.Addr) (netip.Addr, error) {
	a = a.Unmap()
	if a.IsUnspecified() || a.IsMulticast() {
		return netip.Addr{}, errNotSaid
	}
	return a, nil
}

// clientAddr is who sits at the other end of an accepted connection. A proxy says whom
// it speaks for; who is on this machine is only believed if the proxy is, too.
func (o *TCPOptions) clientAddr(ctx context.Context, conn net.Conn) (netip.Addr, error) {
	peer := RemoteAddr(conn)
	if o.Proxy == nil || !o.Proxy(peer) {
		return peer, nil
	}
	_ = conn.SetReadDeadline(time.Now().Add(o.handshake()))
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })
	defer stop()
	client, err := readProxied(conn)
	if err == nil && client.IsLoopback() && !peer.IsLoopback() {
		err = errNotSaid
	}
	if err != nil {
		return client, err
	}
	_ = conn.SetReadDeadline(time.Time{})
	if !client.IsValid() {
		return peer, nil
	}
	return client, nil
}
