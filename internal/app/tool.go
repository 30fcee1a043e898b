package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"parley/internal/admin"
	"parley/internal/logx"
	"parley/xmppd"
	"parley/xmppd/account"
)

// Tool is what `parley ctl` needs to know.
type Tool struct {
	Data    string       // the data directory
	Sockets []string     // where parts may answer
	Offline *admin.Table // verbs that work on files alone
	Local   []string     // those of them that are run here even beside a running parley
	Each    []string     // verbs that every process of a split parley answers
}

// NewTool finds the data directory by the same rule as a start does. Settings
// are read only when a verb needs them, so that a mistake in them does not keep
// an operator from asking a running parley.
func NewTool(o Options) (*Tool, error) {
	dir, named := o.Data, o.Data != ""
	if !named {
		var err error
		if dir, err = DefaultData(); err != nil {
			return nil, err
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the data directory: %w", err)
	}
	o.Data = dir
	t := &Tool{Data: dir, Local: append(foreignNames(), "check"), Each: []string{"status", "about", "reload"}}
	for _, part := range append([]Part{""}, All...) {
		t.Sockets = append(t.Sockets, data(dir).socket(part))
	}
	t.Offline, err = admin.NewTable(offlineCommands(o, named)...)
	return t, err
}

// offlineCommands work on the data directory and the settings. One that was named has to
// be there: most likely it was mistyped, and accounts in it would be looked for in vain.
func offlineCommands(o Options, named bool) []admin.Command {
	there := func() error {
		if info, err := os.Stat(o.Data); named && (err != nil || !info.IsDir()) {
			return fmt.Errorf("there is no data directory %s; `parley serve --data %s` makes it", o.Data, o.Data)
		}
		return nil
	}
	list := accountCommands(func(ctx context.Context) (*account.Accounts, func(), error) {
		if err := there(); err != nil {
			return nil, nil, err
		}
		return openAccounts(ctx, o)
	})
	// The settings of the token commands are those at the moment of the call.
	for _, c := range tokenCommands(nil) {
		name := c.Name
		c.Run = func(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
			if err := there(); err != nil {
				return err
			}
			cfg, _, err := settled(o)
			if err != nil {
				return err
			}
			for _, now := range tokenCommands(cfg) {
				if now.Name == name {
					return now.Run(ctx, args, in, out)
				}
			}
			return nil
		}
		list = append(list, c)
	}
	return append(append(list, foreign()...), checkCommand(o))
}

func checkCommand(o Options) admin.Command {
	return admin.Command{Name: "check", Usage: "[config|certs|ports|dns]",
		Help: "look at settings, secrets, certificate, ports and names, and say what is wrong",
		Run: func(ctx context.Context, args []string, _ io.Reader, out io.Writer) error {
			return check(ctx, o, args, out)
		}}
}

// settled reads the settings as a start of all parts would.
func settled(o Options) (*Config, data, error) {
	cfg, err := Load(o.ConfigFile, o.Environ, func(string) {})
	if err != nil {
		return nil, "", err
	}
	d, err := openData(o.Data)
	if err != nil {
		return nil, "", err
	}
	if err := cfg.derive(All, d, d.loadSecrets); err != nil {
		return nil, "", err
	}
	return &cfg, d, cfg.validate(All)
}

// openAccounts opens the accounts of a data directory, beside a running server
// or without one: nothing about accounts is kept in memory.
func openAccounts(ctx context.Context, o Options) (*account.Accounts, func(), error) {
	cfg, _, err := settled(o)
	if err != nil {
		return nil, nil, err
	}
	log, err := logx.New(cfg.Log, os.Stderr)
	if err != nil {
		return nil, nil, err
	}
	accounts, db, err := xmppd.OpenAccounts(ctx, cfg.XMPPD, log)
	if err != nil {
		return nil, nil, err
	}
	return accounts, func() { db.Close() }, nil
}
