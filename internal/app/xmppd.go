package app

import (
	"context"
	"maps"
	"net"
	"slices"

	"parley/internal/logx"
	"parley/internal/metrics"
	"parley/jwtauth"
	"parley/xmppd"
	"parley/xmppd/account"
)

// clearXMPPD empties what follows from other keys.
func clearXMPPD(c *xmppd.Config) { c.Domain, c.Database = "", "" }

// deriveXMPPD fills in the names that follow from the domain.
func (c *Config) deriveXMPPD(d data) {
	x := &c.XMPPD
	fill(&x.Domain, c.Domain)
	fill(&x.Database, d.database())
	fill(&x.Services.Upload.Directory, d.uploads())
	fill(&x.Services.Upload.URL, uploadURL(x.Domain, c.Web.HTTPSListen))
	fill(&x.AuthDomain, "auth."+x.Domain)
	fill(&x.ConferenceDomain, "conference."+x.Domain)
	fill(&c.Focus.Client.Domain, x.AuthDomain)
	fill(&c.Focus.Component.Name, "focus."+x.Domain)
	fill(&c.Web.MUCDomain, x.ConferenceDomain)
	fill(&c.Web.AnonymousDomain, x.GuestDomain)
	fill(&c.Web.HiddenDomain, x.RecorderDomain)
	if c.Focus.ClientProxy != "" { // requests come to the user then
		fill(&c.Web.FocusDomain, c.Focus.ClientProxy)
	} else {
		fill(&c.Web.FocusDomain, c.Focus.Component.Name)
	}
	fill(&c.Web.FocusUser, c.Focus.Client.Username+"@"+c.Focus.Client.Domain)
}

// uploadURL is where the web front takes files. With a front that leaves HTTPS to a
// proxy, that one is reached at the usual port.
func uploadURL(domain, httpsListen string) string {
	if _, port, err := net.SplitHostPort(httpsListen); err == nil && port != "443" && port != "https" {
		domain = net.JoinHostPort(domain, port)
	}
	return "https://" + domain + "/upload/"
}

func (c *Config) tokens() *jwtauth.Config { return &c.XMPPD.Token }

// componentSecret prefers the server's own word for a component over a
// generated secret.
func (c *Config) componentSecret(name, generated string) string {
	if s := c.XMPPD.Components[name]; s != "" {
		return s
	}
	return generated
}

// shareSecrets tells the server what focus and bridge will show it. What it was
// told expressly stays.
func (c *Config) shareSecrets() {
	x := &c.XMPPD
	components := map[string]string{}
	add := func(name, secret string) {
		if name != "" && secret != "" {
			components[name] = secret
		}
	}
	if c.Focus.Component.Enabled {
		add(c.Focus.Component.Name, c.Focus.Component.Secret)
	}
	if c.Focus.ClientProxy != "" {
		proxies := map[string]string{c.Focus.ClientProxy: c.Focus.Client.Username + "@" + c.Focus.Client.Domain}
		maps.Copy(proxies, x.ClientProxies)
		x.ClientProxies = proxies
	}
	c.account(xmppd.ServiceAccount{Name: c.Focus.Client.Username, Domain: c.Focus.Client.Domain,
		Password: c.Focus.Client.Password, Setting: "focus.client.password"})
	for _, b := range c.Bridge.XMPP {
		if b.Component {
			add(b.Domain, b.Password)
			continue
		}
		c.account(xmppd.ServiceAccount{Name: b.Username, Domain: b.Domain, Password: b.Password, Setting: "bridge.xmpp.password"})
	}
	maps.Copy(components, x.Components)
	x.Components = components
}

// account makes a a service account, or at least an administrator when the
// operator looks after accounts.
func (c *Config) account(a xmppd.ServiceAccount) {
	x := &c.XMPPD
	if !c.ManagedAccounts {
		if addr := a.Name + "@" + a.Domain; !slices.Contains(x.Admins, addr) {
			x.Admins = append(slices.Clone(x.Admins), addr)
		}
		return
	}
	same := func(b xmppd.ServiceAccount) bool {
		return b.Name == a.Name && (b.Domain == a.Domain || b.Domain == "" && a.Domain == x.AuthDomain)
	}
	if !slices.ContainsFunc(x.ServiceAccounts, same) {
		x.ServiceAccounts = append(slices.Clone(x.ServiceAccounts), a)
	}
}

func (in *instance) buildXMPPD() (*service, error) {
	srv, err := xmppd.New(in.cfg.XMPPD, in.log.WithField(logx.Part, XMPPD), xmppd.Options{
		GetCertificate: in.certs.get, Version: Version,
	})
	if err != nil {
		return nil, err
	}
	xmppdMetrics(in.metrics, srv)
	run := srv.Run
	if len(in.links) > 0 {
		c2s, components, web := in.links[nearC2S], in.links[nearComponents], in.links[nearHTTP]
		run = beside(run, func(context.Context) error { return srv.ServeC2S(c2s) }, c2s.Close)
		run = beside(run, func(context.Context) error { return srv.ServeComponents(components) }, components.Close)
		run = beside(run, func(ctx context.Context) error { return serveHTTP(ctx, web, srv.HTTPHandler()) }, web.Close)
	}
	commands := append(srv.Commands(), tokenCommands(&in.cfg)...)
	commands = append(commands, accountCommands(func(context.Context) (*account.Accounts, func(), error) {
		return srv.Accounts(), func() {}, nil
	})...)
	return &service{run: run, ready: srv.Ready(), commands: commands, status: srv.Status, discard: srv.Close}, nil
}

// xmppdMetrics shows the server's own numbers.
func xmppdMetrics(set *metrics.Set, srv *xmppd.Server) {
	gauge := func(name, help string, value func(xmppd.Stats) int) {
		set.GaugeFunc(func() float64 { return float64(value(srv.Stats())) }, name, help)
	}
	gauge("parley_xmppd_sessions", "client sessions, hibernating ones included", func(s xmppd.Stats) int { return s.Sessions.Sessions })
	gauge("parley_xmppd_sessions_hibernating", "sessions without a connection that may be resumed", func(s xmppd.Stats) int { return s.Sessions.Hibernating })
	gauge("parley_xmppd_rooms", "rooms of all hosts", func(s xmppd.Stats) int {
		n := 0
		for _, h := range s.Rooms {
			n += int(h.Rooms)
		}
		return n
	})
	gauge("parley_xmppd_occupants", "occupants of all rooms", func(s xmppd.Stats) int {
		n := 0
		for _, h := range s.Rooms {
			n += int(h.Occupants)
		}
		return n
	})
	gauge("parley_xmppd_components_connected", "components that are connected", func(s xmppd.Stats) int {
		n := 0
		for _, up := range s.Components {
			if up {
				n++
			}
		}
		return n
	})
}
