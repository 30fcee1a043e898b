package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"time"

	"parley/internal/admin"
)

// check looks at everything a start needs, without starting.
func check(_ context.Context, o Options, out io.Writer) error {
	problems := 0
	say := func(what, text string, err error) {
		if err != nil {
			problems++
			fmt.Fprintf(out, "bad   %-12s %v\n", what, err)
			return
		}
		fmt.Fprintf(out, "good  %-12s %s\n", what, text)
	}
	var strangers []string
	cfg, err := Load(o.ConfigFile, o.Environ, func(v string) { strangers = append(strangers, v) })
	d := data(o.Data)
	if err == nil {
		// Only secrets that exist are looked at: a check changes nothing.
		if err = cfg.derive(All, d, func() (Secrets, error) { var s Secrets; s.fill(); return s, nil }); err == nil {
			err = cfg.validate(All)
		}
	}
	say("settings", orNone(o.ConfigFile), err)
	for _, v := range strangers {
		fmt.Fprintf(out, "note  %-12s %s looks like a setting but is none\n", "environment", v)
	}
	if err != nil {
		return admin.ErrProblems
	}
	text, err := checkData(d)
	say("data", text, err)
	certFile := cfg.TLS.CertFile
	if certFile == "" {
		certFile = d.certificate()
	}
	if text, err = describeCertificate(certFile, time.Now()); errors.Is(err, fs.ErrNotExist) && cfg.TLS.CertFile == "" {
		text, err = "none yet; the first start makes one", nil
	}
	say("certificate", text, err)
	checkPorts(&cfg, d, say)
	if problems > 0 {
		return admin.ErrProblems
	}
	fmt.Fprintln(out, "All checks passed.")
	return nil
}

// checkData looks at modes: what others can read is no secret.
func checkData(d data) (string, error) {
	info, err := os.Stat(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return string(d) + " does not exist yet; the first start makes it", nil
	}
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s is open to others (mode %#o); chmod 700 closes it", d, info.Mode().Perm())
	}
	for _, file := range []string{d.secrets(), d.key(), d.database()} {
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o077 != 0 {
			return "", fmt.Errorf("%s can be read by others (mode %#o); chmod 600 closes it", file, info.Mode().Perm())
		}
	}
	return string(d), nil
}

// checkPorts tries to bind what a start would, unless parley itself runs there.
func checkPorts(cfg *Config, d data, say func(string, string, error)) {
	for _, part := range append([]Part{""}, All...) {
		if conn, err := net.Dial("unix", d.socket(part)); err == nil {
			conn.Close()
			say("ports", "parley runs here, so they are its own", nil)
			return
		}
	}
	for _, l := range []struct{ key, network, addr string }{
		{"web.https_listen", "tcp", cfg.Web.HTTPSListen}, {"web.http_listen", "tcp", cfg.Web.HTTPListen},
		{"xmppd.c2s_listen", "tcp", cfg.XMPPD.C2SListen}, {"xmppd.http_listen", "tcp", cfg.XMPPD.HTTPListen},
		{"xmppd.component_listen", "tcp", cfg.XMPPD.ComponentListen}, {"bridge.websocket.listen", "tcp", cfg.Bridge.WebSocket.Listen},
		{"bridge.media.port", "udp", ":" + strconv.Itoa(cfg.Bridge.Media.Port)}, {"bridge.media.tcp.port", "tcp", mediaTCP(cfg)},
		{"metrics.serve", "tcp", cfg.Metrics.Serve},
	} {
		if l.addr != "" {
			say("port", l.key+" "+l.addr, tryBind(l.key, l.network, l.addr))
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
		return fmt.Errorf("%s: %w", key, explainPort(err))
	}
	return c.Close()
}
