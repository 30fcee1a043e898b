package main

import (
	"context"
	"fmt"
	"os"

	"parley/internal/app"
)

var versionCommand = command{
	name: "version",
	help: "say which version this is",
	run: func(context.Context, settings, []string) error {
		_, err := fmt.Fprintln(os.Stdout, app.About())
		return err
	},
}
