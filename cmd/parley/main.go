// Command parley is the whole of Parley in one binary: all parts together, one
// part alone, or the operator's tool.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"parley/internal/app"
)

// command is one subcommand.
type command struct {
	name, usage, help, long string
	words                   bool // what follows the flags is passed on as it stands
	run                     func(ctx context.Context, s settings, args []string) error
}

// settings are the flags every subcommand has.
type settings struct {
	config, data string
}

// commands is the table of subcommands.
var commands = []command{serveCommand, xmppdCommand, focusCommand, bridgeCommand, webCommand, ctlCommand, versionCommand}

// exitCode is an error that only says how to exit; its text was shown already.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit %d", int(e)) }

func main() {
	err := root().ExecuteContext(interruptible())
	var code exitCode
	switch {
	case err == nil:
	case errors.As(err, &code):
		os.Exit(int(code))
	default:
		fmt.Fprintln(os.Stderr, "parley:", err)
		os.Exit(1)
	}
}

// wrongWords is an error in how parley was called, and where to read how it is.
func wrongWords(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w; `%s --help` says what can be said", err, cmd.CommandPath())
}

func root() *cobra.Command {
	var s settings
	r := &cobra.Command{
		Use:     "parley",
		Short:   "Video meetings: XMPP server, focus, bridge and web client in one binary",
		Version: app.About(),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return wrongWords(cmd, fmt.Errorf("there is no command %q", args[0]))
			}
			return nil
		},
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	r.SetVersionTemplate("{{.Version}}\n")
	r.SetFlagErrorFunc(wrongWords)
	cobra.EnableCommandSorting = false // the table begins with what most people want
	r.PersistentFlags().StringVar(&s.config, "config", os.Getenv("PARLEY_CONFIG"), "settings `FILE` over the defaults (or PARLEY_CONFIG)")
	r.PersistentFlags().StringVar(&s.data, "data", os.Getenv("PARLEY_DATA"), "`DIR` that holds all state (or PARLEY_DATA; default /var/lib/parley for root, else $XDG_STATE_HOME/parley)")
	for _, c := range commands {
		sub := &cobra.Command{Use: strings.TrimSpace(c.name + " " + c.usage), Short: c.help, Long: c.long, Args: noWords,
			RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), s, args) }}
		if c.words {
			sub.Args = cobra.ArbitraryArgs
			sub.Flags().SetInterspersed(false)
		}
		r.AddCommand(sub)
	}
	return r
}

// noWords is for subcommands that take flags only.
func noWords(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return wrongWords(cmd, fmt.Errorf("%s takes no words, but there is %q", cmd.Name(), args[0]))
	}
	return nil
}

// interruptible is done at the first Ctrl-C or SIGTERM; a second one ends the
// process at once.
func interruptible() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(130)
	}()
	return ctx
}

// run starts parts of Parley and returns when they have stopped.
func run(ctx context.Context, s settings, parts ...app.Part) error {
	return app.Run(ctx, app.Options{Parts: parts, ConfigFile: s.config, Data: s.data, Environ: os.Environ(), Program: os.Args[0],
		Stdout: os.Stdout, Stderr: os.Stderr})
}
