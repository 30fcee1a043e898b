package transport_test

import (
	"net"
	"strings"
	"testing"

	"parley/bridge/transport"
	"parley/internal/logx"
)

// A port that is taken is one sentence with the key and the address.
func TestTakenPorts(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	for _, c := range []struct {
		udp, tcp int
		want     string
	}{
		{udp: udp.LocalAddr().(*net.UDPAddr).Port, want: "port: cannot listen on " + udp.LocalAddr().String() + "/udp: "},
		{tcp: tcp.Addr().(*net.TCPAddr).Port, want: "tcp.port: cannot listen on " + tcp.Addr().String() + "/tcp: "},
	} {
		cfg := transport.DefaultConfig()
		cfg.Port, cfg.TCP.Port, cfg.Addresses = c.udp, c.tcp, []string{"127.0.0.1"}
		tr, err := transport.New(cfg, logx.Discard())
		if err != nil {
			t.Fatal(err)
		}
		err = tr.Listen()
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Count(err.Error(), "127.0.0.1") != 1 {
			t.Errorf("%v does not begin with %q", err, c.want)
		}
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	}
}
