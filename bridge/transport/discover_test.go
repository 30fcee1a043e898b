package transport

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"

	"parley/internal/logx"
)

// stunServer answers every second request, the first with somebody else's transaction.
func stunServer(t *testing.T, says net.IP) string {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for n := 0; ; n++ {
			size, from, err := c.ReadFromUDP(b)
			if err != nil {
				return
			}
			m := &stun.Message{Raw: append([]byte(nil), b[:size]...)}
			if m.Decode() != nil {
				continue
			}
			var id stun.Setter = m
			if n%2 == 0 {
				id = stun.TransactionID
			}
			if a, err := stun.Build(id, stun.BindingSuccess, &stun.XORMappedAddress{IP: says, Port: 1}, stun.Fingerprint); err == nil {
				_, _ = c.WriteToUDP(a.Raw, from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
	return c.LocalAddr().String()
}

// TestDiscoveredAddressIsOffered: what the STUN server sees becomes a candidate, beside
// those of the settings and once only.
func TestDiscoveredAddressIsOffered(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Port, cfg.Addresses, cfg.TCP.Enabled = 0, []string{"127.0.0.1"}, false
	cfg.STUNServers = []string{"127.0.0.1:1", stunServer(t, net.IPv4(203, 0, 113, 9))}
	cfg.Mappings = []Mapping{{LocalAddress: "127.0.0.1", PublicAddress: "203.0.113.8"}}
	tr, err := New(cfg, logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	if tr.Discovered() {
		t.Error("known before anybody was asked")
	}
	if err := tr.Listen(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tr.Close() }()
	require.Eventually(t, tr.Discovered, 30*time.Second, 5*time.Millisecond, "no address was found")
	s := &Session{t: tr, lane: tr.lanes[0], opts: SessionOptions{PrivateCandidates: true}}
	s.refresh()
	var offered []string
	for _, c := range tr.candidates(s) {
		offered = append(offered, c.Type+" "+c.Addr.Addr().String())
		if c.Addr.Port() != tr.Addresses()[0].Port() {
			t.Errorf("%v has another port", c.Addr)
		}
	}
	if got := strings.Join(offered, ", "); got != "host 127.0.0.1, srflx 203.0.113.8, srflx 203.0.113.9" {
		t.Errorf("offered %s", got)
	}
	same := []Mapping{{LocalAddress: "127.0.0.1", PublicAddress: "203.0.113.8"}}
	tr.discovered.Store(&same)
	if got := tr.PublicAddresses(); len(got) != 1 {
		t.Errorf("what the settings say is told twice: %v", got)
	}
}

func TestMappedAddressIsStrict(t *testing.T) {
	id := stun.NewTransactionID()
	answer := func(s ...stun.Setter) []byte { return stun.MustBuild(s...).Raw }
	x := &stun.XORMappedAddress{IP: net.IPv4(203, 0, 113, 9), Port: 1}
	if a, ok := mappedAddress(answer(stun.NewTransactionIDSetter(id), stun.BindingSuccess, x), id); !ok || a != netip.MustParseAddr("203.0.113.9") {
		t.Errorf("read %v %v", a, ok)
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "noise": []byte("hello"), "another's": answer(stun.TransactionID, stun.BindingSuccess, x),
		"an error":     answer(stun.NewTransactionIDSetter(id), stun.BindingError, x),
		"no address":   answer(stun.NewTransactionIDSetter(id), stun.BindingSuccess),
		"no address 2": answer(stun.NewTransactionIDSetter(id), stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IPv4zero, Port: 1}),
	} {
		if a, ok := mappedAddress(b, id); ok {
			t.Errorf("%s: read %v", name, a)
		}
	}
}

func FuzzMappedAddress(f *testing.F) {
	id := [stun.TransactionIDSize]byte{1, 2, 3}
	f.Add(stun.MustBuild(stun.NewTransactionIDSetter(id), stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IPv4(203, 0, 113, 9), Port: 1}).Raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, ok := mappedAddress(b, id); ok && (!a.IsValid() || a.IsUnspecified()) {
			t.Errorf("read %v", a)
		}
	})
}

func TestAskAWS(t *testing.T) {
	answers := map[string]string{"/api/token": "secret", "/meta-data/local-ipv4": "10.0.0.5", "/meta-data/public-ipv4": "203.0.113.7"}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		put := r.URL.Path == "/api/token"
		if put != (r.Method == "PUT") || !put && r.Header.Get("X-Aws-Ec2-Metadata-Token") != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		text, known := answers[r.URL.Path]
		if !known {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
	defer web.Close()
	local, public, err := askAWS(t.Context(), web.URL+"/")
	if err != nil || local.String() != "10.0.0.5" || public.String() != "203.0.113.7" {
		t.Errorf("told %v %v %v", local, public, err)
	}
	for name, bad := range map[string]string{"no address": "<html>", "endless": strings.Repeat("1", 1<<20)} {
		answers["/meta-data/public-ipv4"] = bad
		if _, _, err := askAWS(t.Context(), web.URL+"/"); err == nil || !strings.HasPrefix(err.Error(), "aws: public-ipv4: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	delete(answers, "/meta-data/public-ipv4")
	if _, _, err := askAWS(t.Context(), web.URL+"/"); err == nil {
		t.Error("a machine without a public address has one")
	}
}

// TestFilters: which addresses are used, and which are left out.
func TestFilters(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"all":     {func(*Config) {}, []string{"10.0.0.5", "192.0.2.7", "2001:db8::7"}},
		"IPv4":    {func(c *Config) { c.IPFamily = "v4" }, []string{"10.0.0.5", "192.0.2.7"}},
		"IPv6":    {func(c *Config) { c.IPFamily = "v6" }, []string{"2001:db8::7"}},
		"allowed": {func(c *Config) { c.AllowedAddresses = []string{"192.0.2.0/24", "10.0.0.6"} }, []string{"192.0.2.7"}},
		"blocked": {func(c *Config) { c.BlockedAddresses = []string{"10.0.0.0/8", "2001:db8::7"} }, []string{"192.0.2.7"}},
		"both": {func(c *Config) {
			c.AllowedAddresses, c.BlockedAddresses = []string{"0.0.0.0/0"}, []string{"10.0.0.5"}
		}, []string{"192.0.2.7"}},
	} {
		cfg := DefaultConfig()
		c.change(&cfg)
		if err := cfg.Validate(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, a := range []string{"10.0.0.5/8", "192.0.2.7/24", "2001:db8::7/64", "fe80::1/64", "169.254.1.1/16"} {
			ip, ipNet, err := net.ParseCIDR(a)
			if err != nil {
				t.Fatal(err)
			}
			ipNet.IP = ip
			if use, ok := usableAddress(cfg, ipNet, prefixes(cfg.AllowedAddresses), prefixes(cfg.BlockedAddresses)); ok {
				got = append(got, use.String())
			}
		}
		if strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s: uses %v, want %v", name, got, c.want)
		}
	}
	up := net.Interface{Name: "eth0", Flags: net.FlagUp}
	for name, c := range map[string]struct {
		cfg  Config
		dev  net.Interface
		want bool
	}{
		"any":         {Config{}, up, true},
		"down":        {Config{}, net.Interface{Name: "eth0"}, false},
		"named":       {Config{Interfaces: []string{"eth0"}}, up, true},
		"not named":   {Config{Interfaces: []string{"eth1"}}, up, false},
		"blocked":     {Config{BlockedInterfaces: []string{"eth0"}}, up, false},
		"not blocked": {Config{BlockedInterfaces: []string{"docker0"}}, up, true},
	} {
		if got := usableInterface(c.cfg, c.dev); got != c.want {
			t.Errorf("interface %s: %v", name, got)
		}
	}
}

// TestCertificateRotates: new sessions get a new certificate every day; old ones keep theirs.
func TestCertificateRotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c certificates
		first, err := c.current()
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(certificateAge - time.Minute)
		if again, _ := c.current(); again != first {
			t.Error("changed within a day")
		}
		time.Sleep(2 * time.Minute)
		second, err := c.current()
		if err != nil || second.fingerprint == first.fingerprint || second.fingerprint.Hash != "sha-256" {
			t.Errorf("after a day the certificate is %+v, %v", second.fingerprint, err)
		}
	})
}
