package transport

import (
	"net"
	"net/netip"
	"testing"

	"parley/internal/logx"
)

// BenchmarkSend is the kernel's part of a forwarded packet: ten receivers, 1,130 bytes,
// to a port where nobody reads. With "runs" six packets to one receiver stand together
// and make one message, with "batch" they do not, and "single" is one system call per
// packet.
func BenchmarkSend(b *testing.B) {
	cfg := DefaultConfig()
	cfg.Port, cfg.Addresses, cfg.TCP.Enabled = 0, []string{"127.0.0.1"}, false
	t, err := New(cfg, logx.Discard())
	if err != nil {
		b.Fatal(err)
	}
	if err := t.Listen(); err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	_ = sink.SetReadBuffer(4096)
	const receivers = 10
	to := sink.LocalAddr().(*net.UDPAddr).AddrPort()
	address := netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	packet := make([]byte, 1130)
	var spread, grouped []uint32
	var packets [][]byte
	for i := range receivers {
		slot := &peerSlot{peer: 1<<peerIndexBits | uint32(i)}
		slot.dest.Store(newDestination(t.sockets[0], address))
		t.peers[i].Store(slot)
	}
	for i := range 6 * receivers {
		spread = append(spread, 1<<peerIndexBits|uint32(i%receivers))
		grouped = append(grouped, 1<<peerIndexBits|uint32(i/6))
		packets = append(packets, packet)
	}
	send := func(peers []uint32) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; n < b.N; n += len(packets) {
				t.lanes[0].Send(peers, packets)
			}
		}
	}
	b.Run("runs", send(grouped))
	b.Run("batch", send(spread))
	d := newDestination(t.sockets[0], address)
	b.Run("single", func(b *testing.B) {
		for range b.N {
			t.sockets[0].sendOne(packet, d)
		}
	})
}
