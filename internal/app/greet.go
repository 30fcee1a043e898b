package app

import (
	"fmt"
	"net"
	"strings"
	"time"

	"parley/internal/logx"
)

// greet tells the person at the terminal how to get in. Links hold tokens, so
// they go to standard output and never to the log.
func (in *instance) greet() {
	in.log.WithField(logx.Version, Version).WithField(logx.Duration, time.Since(in.started).Round(time.Millisecond).String()).Info("started")
	if in.opts.Stdout == nil {
		return
	}
	if len(in.opts.Parts) == 1 {
		fmt.Fprintf(in.opts.Stdout, "parley %s runs with its data in %s. Ctrl-C stops it.\n", in.opts.Parts[0], in.data)
		return
	}
	fmt.Fprint(in.opts.Stdout, in.startText())
}

// startText is what `parley serve` prints.
func (in *instance) startText() string {
	var b strings.Builder
	plain, public := in.webListeners()
	room, web := randomRoom(), basesOf(plain, public)
	now := time.Now()
	moderator, errModerator := in.cfg.token(grant{room: room, moderator: true, life: linkLife}, now)
	guest, errGuest := in.cfg.token(grant{room: room, life: linkLife}, now)
	fmt.Fprintf(&b, "\nParley %s is running. Ctrl-C ends calls politely and stops; a second one stops at once.\n\n", Version)
	if errModerator == nil && errGuest == nil {
		links := func(base string) {
			fmt.Fprintf(&b, "  moderator  %s\n  guest      %s\n", roomLink(base, room, moderator), roomLink(base, room, guest))
		}
		fmt.Fprint(&b, "A room for you, open for 24 hours:\n\n")
		if web.local != "" {
			links(web.local)
		}
		if len(web.others) > 0 {
			fmt.Fprint(&b, "\nThe same from other devices:\n\n")
			links(web.others[0])
			if len(web.others) > 1 {
				fmt.Fprintf(&b, "  or, instead of %s: %s\n", web.others[0], joinWords(web.others[1:]))
			}
			if in.cfg.TLS.CertFile == "" {
				fmt.Fprint(&b, "\n  Browsers warn there at the first visit, because this server signed its certificate itself;\n  a certificate of your own goes into tls.cert_file and tls.key_file.\n")
			}
		}
		fmt.Fprintf(&b, "\nFurther links: %s link --room NAME [--moderator]\n", in.ctl())
	} else {
		fmt.Fprint(&b, "Room links are made by whoever holds the token key; this server only checks them.\n")
	}
	in.listening(&b, plain, public)
	return b.String()
}

// listening says what can be reached where.
func (in *instance) listening(b *strings.Builder, plain, public string) {
	c := &in.cfg
	fmt.Fprint(b, "\nListening:\n\n")
	for _, l := range []struct{ what, addr string }{
		{"page, HTTPS", public}, {"page, HTTP", plain},
		{"media, UDP", fmt.Sprintf(":%d", c.Bridge.Media.Port)}, {"media, TCP", mediaTCP(c)},
		{"XMPP clients", c.XMPPD.C2SListen}, {"XMPP over HTTP", c.XMPPD.HTTPListen}, {"XMPP components", c.XMPPD.ComponentListen},
		{"bridge channel", c.Bridge.WebSocket.Listen}, {"metrics, health", c.Metrics.Serve},
	} {
		if l.addr != "" {
			fmt.Fprintf(b, "  %-16s %s\n", l.what, everywhere(l.addr))
		}
	}
	if host, port, err := net.SplitHostPort(dialable(c.XMPPD.C2SListen, "5222")); err == nil && c.XMPPD.C2SListen != "" {
		fmt.Fprintf(b, `
With an XMPP client: make an account with

  %s register alice %s

then log in as alice@%s, server %s, port %s, and join ROOM@conference.%s.
`, in.ctl(), c.Domain, c.Domain, host, port, c.Domain)
	}
	fmt.Fprintln(b)
}

// ctl is how this very process is given commands.
func (in *instance) ctl() string {
	words := in.opts.Program + " ctl --data " + string(in.data)
	if in.opts.ConfigFile != "" {
		words += " --config " + in.opts.ConfigFile
	}
	return words
}

func mediaTCP(c *Config) string {
	if !c.Bridge.Media.TCP.Enabled {
		return ""
	}
	return fmt.Sprintf(":%d", c.Bridge.Media.TCP.Port)
}

func everywhere(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return "port " + port + ", all addresses"
	}
	return addr
}
