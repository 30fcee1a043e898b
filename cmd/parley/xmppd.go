package main

import (
	"context"

	"parley/internal/app"
)

var xmppdCommand = command{
	name: "xmppd",
	help: "run only the XMPP server: sessions, rooms, accounts",
	run:  func(ctx context.Context, s settings, _ []string) error { return run(ctx, s, app.XMPPD) },
}
