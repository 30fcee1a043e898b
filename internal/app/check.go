package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/internal/admin"
)

// The things `check` looks at, in prosodyctl's words where it has them.
const (
	checkConfig = "config"
	checkCerts  = "certs"
	checkPort   = "ports"
	checkDNS    = "dns"
)

var checkWords = []string{checkConfig, checkCerts, checkPort, checkDNS}

// checker looks at what a start and its clients need, without starting.
type checker struct {
	out      io.Writer
	problems int
	names    names
	now      time.Time
}

// say writes down one finding: err if there is one, else text.
func (c *checker) say(what, text string, err error) {
	if err != nil {
		c.problems++
		fmt.Fprintf(c.out, "bad   %-12s %v\n", what, err)
		return
	}
	fmt.Fprintf(c.out, "good  %-12s %s\n", what, text)
}

// note writes down what an operator should know, and may want so.
func (c *checker) note(what, format string, args ...any) {
	fmt.Fprintf(c.out, "note  %-12s %s\n", what, fmt.Sprintf(format, args...))
}

// check does what `check [WHAT]` asks for. The settings are always read.
func check(ctx context.Context, o Options, args []string, out io.Writer) error {
	want := checkWords
	switch {
	case len(args) > 1:
		return admin.Usagef("what is %q?", args[1])
	case len(args) == 1 && slices.Contains(checkWords, args[0]):
		want = args
	case len(args) == 1 && args[0] != "all":
		return admin.Usagef("%q cannot be checked; there are %s", args[0], joinWords(checkWords))
	}
	c := &checker{out: out, names: net.DefaultResolver, now: time.Now()}
	return c.run(ctx, o, want)
}

func (c *checker) run(ctx context.Context, o Options, want []string) error {
	var strangers []string
	cfg, err := Load(o.ConfigFile, o.Environ, func(v string) { strangers = append(strangers, v) })
	d := data(o.Data)
	if err == nil {
		// Only secrets that exist are looked at: a check changes nothing.
		if err = cfg.derive(All, d, func() (Secrets, error) { var s Secrets; s.fill(); return s, nil }); err == nil {
			err = cfg.validate(All)
		}
	}
	c.say("settings", orNone(o.ConfigFile), err)
	for _, v := range strangers {
		c.note("environment", "%s looks like a setting but is none", v)
	}
	if err != nil {
		return admin.ErrProblems
	}
	for _, what := range want {
		switch what {
		case checkConfig:
			c.data(d)
		case checkCerts:
			c.certificate(&cfg, d)
		case checkPort:
			c.ports(&cfg, d)
		case checkDNS:
			c.dns(ctx, &cfg)
		}
	}
	if c.problems > 0 {
		return admin.ErrProblems
	}
	fmt.Fprintln(c.out, "All checks passed.")
	return nil
}

// soon is how long before its end a certificate is worth a word.
const soon = 14 * 24 * time.Hour

// certificate looks at the pair of files, their time, and the names clients ask for.
func (c *checker) certificate(cfg *Config, d data) {
	certFile, keyFile, own := cfg.TLS.CertFile, cfg.TLS.KeyFile, cfg.TLS.CertFile == ""
	if own {
		certFile, keyFile = d.certificate(), d.key()
	}
	text, err := describeCertificate(certFile, c.now)
	if errors.Is(err, fs.ErrNotExist) && own {
		c.say("certificate", "none yet; the first start makes one", nil)
		return
	}
	var pair tls.Certificate
	if err == nil {
		if pair, err = tls.LoadX509KeyPair(certFile, keyFile); err != nil {
			err = explainPair(err, certFile, keyFile)
		}
	}
	if err == nil {
		err = pair.Leaf.VerifyHostname(cfg.Domain)
	}
	c.say("certificate", text, err)
	if err != nil {
		return
	}
	if left := pair.Leaf.NotAfter.Sub(c.now); left < soon {
		c.note("certificate", "%s ends in %d days; `parley ctl reload` takes up a new one", certFile, int(left.Hours()/24))
	}
	c.otherNames(cfg, pair.Leaf)
	if own {
		c.note("certificate", "it is self-signed: browsers warn of it, and XMPP clients have to be told to trust it; tls.cert_file names another one")
	}
}

// otherNames says which of the domains people and services log in to are not in the
// certificate. Those of services need not be, where these trust the machine.
func (c *checker) otherNames(cfg *Config, leaf *x509.Certificate) {
	var missing []string
	for _, name := range []string{cfg.XMPPD.AuthDomain, cfg.XMPPD.GuestDomain, cfg.XMPPD.RecorderDomain, cfg.XMPPD.Shared.Domain} {
		if name != "" && leaf.VerifyHostname(name) != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		c.note("certificate", "it does not name %s; only clients that log in there by TCP and check names mind", joinWords(missing))
	}
}

// ports tries to bind what a start would, unless parley itself runs there.
func (c *checker) ports(cfg *Config, d data) {
	for _, part := range append([]Part{""}, All...) {
		if conn, err := net.Dial("unix", d.socket(part)); err == nil {
			conn.Close()
			c.say("ports", "parley runs here, so they are its own", nil)
			return
		}
	}
	for _, l := range []struct{ key, network, addr string }{
		{"web.https_listen", "tcp", cfg.Web.HTTPSListen}, {"web.http_listen", "tcp", cfg.Web.HTTPListen},
		{"xmppd.c2s_listen", "tcp", cfg.XMPPD.C2SListen}, {"xmppd.direct_tls_listen", "tcp", cfg.XMPPD.DirectTLSListen},
		{"xmppd.http_listen", "tcp", cfg.XMPPD.HTTPListen}, {"xmppd.component_listen", "tcp", cfg.XMPPD.ComponentListen},
		{"focus.http_listen", "tcp", cfg.Focus.HTTPListen}, {"bridge.websocket.listen", "tcp", cfg.Bridge.WebSocket.Listen},
		{"bridge.media.port", "udp", ":" + strconv.Itoa(cfg.Bridge.Media.Port)}, {"bridge.media.tcp.port", "tcp", mediaTCP(cfg)},
		{"metrics.serve", "tcp", cfg.Metrics.Serve},
	} {
		if l.addr != "" {
			c.say("port", l.key+" "+l.addr, tryBind(l.key, l.network, l.addr))
		}
	}
}

func tryBind(key, network, addr string) error {
	var c io.Closer
	var err error
	if network == "udp" {
		c, err = net.ListenPacket(network, addr)
	} else {
		c, err = net.Listen(network, addr)
	}
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err // its own words name the address, as the key does
		}
		return fmt.Errorf("%s: cannot listen on %s: %w", key, addr, explainPort(err))
	}
	return c.Close()
}

// names is where addresses are looked up; *net.Resolver is one.
type names interface {
	LookupHost(ctx context.Context, host string) ([]string, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

const dnsTime = 10 * time.Second // for all questions together

// dns looks whether others find the server by its domain. The other domains need no
// records: there are no links to other servers.
func (c *checker) dns(ctx context.Context, cfg *Config) {
	ctx, cancel := context.WithTimeout(ctx, dnsTime)
	defer cancel()
	domain := cfg.Domain
	if net.ParseIP(domain) != nil || domain == "localhost" || strings.HasSuffix(domain, ".localhost") {
		c.say("dns", domain+" needs no records: it means this machine, or a number", nil)
		return
	}
	found, err := c.names.LookupHost(ctx, domain)
	if err != nil {
		err = fmt.Errorf("nobody finds %s: %w", domain, err)
	}
	c.say("dns", domain+" is at "+joinWords(found), err)
	own := machineAddresses()
	if err == nil && !slices.ContainsFunc(own, func(a netip.Addr) bool { return slices.Contains(found, a.String()) }) {
		c.note("dns", "none of these is an address of this machine; that is right behind a router or a proxy, which has to pass the ports on")
	}
	c.srv(ctx, "xmpp-client", domain, cfg.XMPPD.C2SListen, "5222")
	c.srv(ctx, "xmpps-client", domain, cfg.XMPPD.DirectTLSListen, "")
}

// srv compares the record of one service with the port it is really on. usual is the
// port clients try without a record.
func (c *checker) srv(ctx context.Context, service, domain, listen, usual string) {
	_, port, _ := net.SplitHostPort(listen)
	record := "_" + service + "._tcp." + domain
	_, list, err := c.names.LookupSRV(ctx, service, "tcp", domain)
	var missing *net.DNSError
	switch {
	case err != nil && !(errors.As(err, &missing) && missing.IsNotFound):
		c.note("dns", "%s cannot be looked up: %v", record, err)
	case len(list) == 0 && listen != "" && port != usual:
		c.note("dns", "there is no %s, so that XMPP clients do not find port %s by themselves", record, port)
	case len(list) == 0:
	case listen == "":
		c.say("dns", "", fmt.Errorf("%s leads clients to a port nobody listens on here", record))
	case !slices.ContainsFunc(list, func(s *net.SRV) bool { return strconv.Itoa(int(s.Port)) == port }):
		c.note("dns", "%s names port %d, the server listens on %s; that is right only if something in between passes it on", record, list[0].Port, port)
	default:
		c.say("dns", record+" names port "+port, nil)
	}
}
