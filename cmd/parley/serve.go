package main

import (
	"context"

	"parley/internal/app"
)

var serveCommand = command{
	name: "serve",
	help: "run everything in one process",
	long: `Run everything in one process. Without settings this is a working meeting
server on this machine: data directory, secrets and a self-signed certificate
are made at the first start, and two links to a room are printed.

Ctrl-C ends calls politely; a second one ends at once.`,
	run: func(ctx context.Context, s settings, _ []string) error { return run(ctx, s, app.All...) },
}
