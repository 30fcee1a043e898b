package transport

import (
	"bufio"
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/pion/stun/v4"
)

// FuzzSTUN compares our short look at a message with a full parser.
func FuzzSTUN(f *testing.F) {
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername("abcd:efgh"), stun.NewShortTermIntegrity("pwd"), stun.Fingerprint)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m.Raw)
	f.Add(stun.MustBuild(stun.TransactionID, stun.BindingSuccess).Raw)
	f.Add([]byte{0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 3, 'a', ':', 'b', 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := parseSTUN(data)
		if !ok || got.kind != stunRequest {
			return
		}
		full := &stun.Message{Raw: append([]byte(nil), data...)}
		if full.Decode() != nil {
			return
		}
		var name stun.Username
		if err := name.GetFrom(full); err != nil {
			return
		}
		if !bytes.HasPrefix(name, append(append([]byte(nil), got.ufrag...), ':')) {
			t.Fatalf("ufrag is %q, user name %q", got.ufrag, name)
		}
	})
}

// FuzzFrame reads frames from any stream, whole and byte by byte, with the same result.
func FuzzFrame(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, []byte("one")), []byte("and two")))
	f.Add(append(append([]byte(nil), sslHello...), 0, 1, 9))
	f.Add([]byte{0xFF, 0xFF, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, pieces := readAll(bytes.NewReader(data)), readAll(iotest.OneByteReader(bytes.NewReader(data)))
		if !bytes.Equal(whole, pieces) {
			t.Fatalf("read %x and %x", whole, pieces)
		}
	})
}

func readAll(r io.Reader) (all []byte) {
	buf := bufio.NewReader(r)
	if _, err := takeSSLHello(buf); err != nil {
		return nil
	}
	frames := &frameReader{r: buf}
	for {
		p, err := frames.next()
		if err != nil {
			return all
		}
		all = appendFrame(all, p)
	}
}

func TestConfigMistakes(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"port":         func(c *Config) { c.Port = 70000 },
		"tcp.port":     func(c *Config) { c.TCP.Port = -1 },
		"ip_family":    func(c *Config) { c.IPFamily = "v5" },
		"ufrag_prefix": func(c *Config) { c.UfragPrefix = "a:" },
		"addresses":    func(c *Config) { c.Addresses = []string{"here"} },
		"mappings":     func(c *Config) { c.Mappings = []Mapping{{LocalAddress: "10.0.0.1"}} },
	} {
		c := DefaultConfig()
		change(&c)
		if c.Validate() == nil {
			t.Errorf("%s: the mistake passed", name)
		}
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}
