package app

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"parley/jwtauth"
	"parley/xmppd"
)

// admission looks at the tokens of conference requests by HTTP, which go to the focus
// and not through the XMPP server: without it strangers, who cannot log in there, could
// still have meetings opened. nil where the server lets people in without a token, too.
func (c *Config) admission(ctx context.Context) (func(ctx context.Context, client netip.Addr, token, room string) error, error) {
	x := &c.XMPPD
	if c.Focus.HTTPListen == "" || x.Authentication != xmppd.ByToken || x.Token.AllowEmpty || x.GuestDomain != "" {
		return nil, nil
	}
	v, err := jwtauth.NewVerifier(x.Token)
	if err != nil {
		return nil, inPart("xmppd.token", err)
	}
	v.Prepare(time.Now())
	context.AfterFunc(ctx, v.Close)
	return func(ctx context.Context, client netip.Addr, token, room string) error {
		claims, err := v.Verify(jwtauth.AskedFrom(ctx, client), token, time.Now())
		if err != nil {
			return err
		}
		node, host, _ := strings.Cut(room, "@")
		if host != x.ConferenceDomain {
			return nil // a breakout room; only people of its meeting get in
		}
		return v.AllowRoom(claims, jwtauth.Room{Node: node, Host: host, Domain: x.Domain})
	}, nil
}
