package main

import (
	"context"

	"parley/internal/app"
)

var focusCommand = command{
	name: "focus",
	help: "run only the focus: invites people to conferences and picks bridges",
	run:  func(ctx context.Context, s settings, _ []string) error { return run(ctx, s, app.Focus) },
}
