package app

import (
	"context"
	"errors"
	"fmt"
	"io"

	"parley/internal/admin"
)

// foreign are verbs of prosodyctl that mean nothing here, or something else: scripts and
// people who type them from habit hear what to do instead. They need nothing that runs.
func foreign() []admin.Command {
	refuse := func(name, instead string) admin.Command {
		return admin.Command{Name: name, Help: "prosodyctl's word; here " + instead, Hidden: true,
			Run: func(context.Context, []string, io.Reader, io.Writer) error { return errors.New(name + ": " + instead) }}
	}
	const start = "`parley serve` starts everything, as does the init system that runs it"
	const stop = "whatever started parley stops it: the init system, Ctrl-C, or a SIGTERM"
	const plugins = "all services are built in; the settings turn them on and off"
	return []admin.Command{
		refuse("start", start), refuse("stop", stop), refuse("restart", stop),
		refuse("install", plugins), refuse("remove", plugins), refuse("list", plugins),
		{Name: "version", Help: "say which version this is", Run: func(_ context.Context, _ []string, _ io.Reader, out io.Writer) error {
			_, err := fmt.Fprintln(out, About())
			return err
		}},
		// Installation scripts go on only if this works.
		{Name: "cert", Usage: "WORDS", Hidden: true, Help: "accepted for scripts; the first start makes a certificate, tls.cert_file names another", Run: func(_ context.Context, _ []string, _ io.Reader, out io.Writer) error {
			_, err := fmt.Fprintln(out, "nothing to do: the first start makes a self-signed certificate, and tls.cert_file and tls.key_file name another one")
			return err
		}},
	}
}

// foreignNames are said here in any case, also beside a running parley.
func foreignNames() (names []string) {
	for _, c := range foreign() {
		names = append(names, c.Name)
	}
	return names
}
