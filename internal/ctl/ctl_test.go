package ctl_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"parley/internal/admin"
	"parley/internal/ctl"
	"parley/internal/logx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// says is a command that tells where it ran and what it got.
func says(where, name string) admin.Command {
	return admin.Command{Name: name, Usage: "USER HOST [SECRET]", Help: "test", Run: func(_ context.Context, args []string, in io.Reader, out io.Writer) error {
		text, err := io.ReadAll(in)
		if len(args) == 0 && name == "register" {
			return admin.Usagef("who?")
		}
		fmt.Fprintf(out, "%s %s %v %q", where, name, args, text)
		return err
	}}
}

func table(t *testing.T, commands ...admin.Command) *admin.Table {
	t.Helper()
	tab, err := admin.NewTable(commands...)
	require.NoError(t, err)
	return tab
}

func serve(t *testing.T, path string, tab *admin.Table) {
	t.Helper()
	srv, err := admin.Listen(path, tab, logx.Discard())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
}

// piped is standard input that holds text.
func piped(t *testing.T, text string) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stdin")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	offline := table(t, says("here", "register"), says("here", "check"), says("here", "token new"))
	run := func(stdin string, args ...string) (code int, out, errs string) {
		var stdout, stderr bytes.Buffer
		code = ctl.Run(t.Context(), args, ctl.Options{Sockets: []string{first, second}, Data: "/data", Offline: offline,
			Local: []string{"check"}, Each: []string{"about"}, Stdin: piped(t, stdin), Stdout: &stdout, Stderr: &stderr})
		return code, stdout.String(), stderr.String()
	}

	code, out, _ := run("pw\npw\n", "register", "a", "b")
	require.Equal(t, []any{0, `here register [a b] "pw"`}, []any{code, out})
	code, out, _ = run("ignored", "register", "a", "b", "c")
	require.Equal(t, []any{0, `here register [a b c] ""`}, []any{code, out})
	code, _, errs := run("pw\nother\n", "register", "a@b")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "differ")
	code, _, errs = run("", "register", "a", "b")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "no secret was given")
	code, _, errs = run("", "register")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "usage: parley ctl register USER HOST [SECRET]")
	code, _, errs = run("", "rooms")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "/data")
	require.Contains(t, errs, `"rooms" needs a running parley`)
	code, out, _ = run("pw", "register", "a") // no secret is asked for while nobody knows whose
	require.Equal(t, []any{0, `here register [a] ""`}, []any{code, out})
	code, out, _ = run("", "register", "--help")
	require.Equal(t, 0, code)
	require.Contains(t, out, "register USER HOST [SECRET]")
	code, out, _ = run("")
	require.Equal(t, 0, code)
	require.Contains(t, out, "token new")

	serve(t, first, table(t, says("first", "status"), says("first", "about")))
	serve(t, second, table(t, says("second", "rooms"), says("second", "about"), says("second", "register"), says("second", "check")))
	_, out, _ = run("", "rooms")
	require.Equal(t, `second rooms [] ""`, out)
	_, out, _ = run("pw", "register", "a@b")
	require.Equal(t, `second register [a@b] "pw"`, out)
	_, out, _ = run("", "about")
	require.Equal(t, `first about [] ""second about [] ""`, out)
	_, out, _ = run("", "check")
	require.True(t, strings.HasPrefix(out, "here check"), out)
	_, out, _ = run("", "token", "new", "--room", "x")
	require.Equal(t, `here token new [--room x] ""`, out)
	code, _, errs = run("", "nonsense")
	require.Equal(t, 1, code)
	require.Contains(t, errs, `no part that runs now knows "nonsense"`) // another part might
}
