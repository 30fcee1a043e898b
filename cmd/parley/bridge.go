package main

import (
	"context"

	"parley/internal/app"
)

var bridgeCommand = command{
	name: "bridge",
	help: "run only the bridge: forwards sound and picture",
	run:  func(ctx context.Context, s settings, _ []string) error { return run(ctx, s, app.Bridge) },
}
