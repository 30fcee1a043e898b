package transport

import (
	"net"
	"net/netip"
	"testing"

	"parley/internal/logx"
)

// BenchmarkSend is the kernel's part of a forwarded packet: ten receivers, 1,130 bytes,
// to a port where nobody reads. "single" is one system call per packet.
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
	d := newDestination(t.sockets[0], netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
	packet := make([]byte, 1130)
	var peers []uint32
	var packets [][]byte
	for i := range 6 * receivers {
		peer := uint32(1)<<peerIndexBits | uint32(i%receivers)
		slot := &peerSlot{peer: peer}
		slot.dest.Store(d)
		t.peers[i%receivers].Store(slot)
		peers, packets = append(peers, peer), append(packets, packet)
	}
	b.Run("batch", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; n < b.N; n += len(packets) {
			t.Send(peers, packets)
		}
	})
	b.Run("single", func(b *testing.B) {
		for range b.N {
			d.sock.sendOne(packet, d)
		}
	})
}
