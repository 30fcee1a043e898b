package main

import (
	"context"

	"parley/internal/app"
)

var webCommand = command{
	name: "web",
	help: "run only the web front: the page, HTTPS, proxies",
	run:  func(ctx context.Context, s settings, _ []string) error { return run(ctx, s, app.Web) },
}
