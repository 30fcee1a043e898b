package main

import (
	"context"
	"os"

	"parley/internal/app"
	"parley/internal/ctl"
)

var ctlCommand = command{
	name:  "ctl",
	usage: "COMMAND [WORDS]",
	help:  "give a running parley a command, or change accounts and make links while nothing runs",
	long: `Give a running parley a command; "parley ctl help" lists them. It is found by
its data directory, so say the same --data (and --config) as at its start,
before the command.

Exit codes: 0 done; 1 refused, or wrong words; 2 nothing is running, or a check
found problems.`,
	words: true,
	run: func(ctx context.Context, s settings, args []string) error {
		tool, err := app.NewTool(app.Options{ConfigFile: s.config, Data: s.data, Environ: os.Environ(), Stderr: os.Stderr})
		if err != nil {
			return err
		}
		code := ctl.Run(ctx, args, ctl.Options{Sockets: tool.Sockets, Data: tool.Data, Offline: tool.Offline, Local: tool.Local, Each: tool.Each,
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
		if code != ctl.ExitDone {
			return exitCode(code)
		}
		return nil
	},
}
