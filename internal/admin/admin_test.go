package admin_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"parley/internal/admin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *logrus.Entry {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return logrus.NewEntry(l)
}

// start serves commands at a fresh socket and returns its path.
func start(t *testing.T, commands ...admin.Command) string {
	t.Helper()
	table, err := admin.NewTable(commands...)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "s")
	srv, err := admin.Listen(path, table, quiet())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return path
}

func echo(name string) admin.Command {
	return admin.Command{Name: name, Usage: "WORDS", Help: "say it again", Run: func(_ context.Context, args []string, in io.Reader, out io.Writer) error {
		text, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s:%s:%s", name, strings.Join(args, ","), text)
		return nil
	}}
}

func TestCall(t *testing.T) {
	path := start(t, echo("token"), echo("token new"),
		admin.Command{Name: "fail", Run: func(context.Context, []string, io.Reader, io.Writer) error {
			return admin.Usagef("fail wants %s", "nothing")
		}},
		admin.Command{Name: "break", Run: func(context.Context, []string, io.Reader, io.Writer) error { panic("x") }})
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	call := func(input string, words ...string) (string, error) {
		var out bytes.Buffer
		err := admin.Call(t.Context(), path, words, input, &out)
		return out.String(), err
	}
	out, err := call("secret", "token", "new", "a", "b")
	require.NoError(t, err)
	require.Equal(t, "token new:a,b:secret", out)
	out, err = call("", "token", "old")
	require.NoError(t, err)
	require.Equal(t, "token:old:", out)

	_, err = call("", "fail")
	require.ErrorIs(t, err, admin.ErrUsage)
	require.EqualError(t, err, "fail wants nothing")
	_, err = call("", "nothing")
	require.ErrorIs(t, err, admin.ErrUnknown)
	_, err = call("", "break")
	require.EqualError(t, err, "internal error; the log has more")
	out, err = call("", "help")
	require.NoError(t, err)
	require.Contains(t, out, "token new WORDS")
	out, err = call("", "help", "token", "new")
	require.NoError(t, err)
	require.Equal(t, "token new WORDS\nsay it again\n", out)
}

func TestLargeOutputArrivesWhole(t *testing.T) {
	text := strings.Repeat("größe ", 40_000)
	path := start(t, admin.Command{Name: "much", Run: func(_ context.Context, _ []string, _ io.Reader, out io.Writer) error {
		_, err := io.WriteString(out, text)
		return err
	}})
	var out bytes.Buffer
	require.NoError(t, admin.Call(t.Context(), path, []string{"much"}, "", &out))
	require.Equal(t, text, out.String())
}

func TestGivingUpEndsTheCommand(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	path := start(t, admin.Command{Name: "wait", Run: func(ctx context.Context, _ []string, _ io.Reader, _ io.Writer) error {
		close(begun)
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	require.ErrorIs(t, admin.Call(ctx, path, []string{"wait"}, "", io.Discard), context.Canceled)
	<-ended
}

func TestNotRunning(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	require.ErrorIs(t, admin.Call(t.Context(), path, []string{"x"}, "", io.Discard), admin.ErrNotRunning)

	// A socket left by a process that died is replaced; a file is not.
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	require.ErrorIs(t, admin.Call(t.Context(), path, []string{"x"}, "", io.Discard), admin.ErrNotRunning)
	table, err := admin.NewTable()
	require.NoError(t, err)
	srv, err := admin.Listen(path, table, quiet())
	require.NoError(t, err)
	_, err = admin.Listen(path, table, quiet())
	require.ErrorContains(t, err, "another process already answers")
	require.NoError(t, srv.Close())

	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = admin.Listen(path, table, quiet())
	require.ErrorContains(t, err, "not a socket")
}

func TestGarbageIsAnswered(t *testing.T) {
	path := start(t, echo("e"))
	for _, in := range []string{"hello\n", "{\"words\":[" + strings.Repeat(`"a",`, 100) + `"a"]}` + "\n", strings.Repeat("x", 300<<10)} {
		conn, err := net.Dial("unix", path)
		require.NoError(t, err)
		conn.SetDeadline(time.Now().Add(time.Minute))
		// The far side may close before it has taken everything.
		if _, err := io.WriteString(conn, in); err != nil && len(in) < 1000 {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err == nil {
			require.Contains(t, string(answer), `"error"`)
		}
		conn.Close()
	}
}

func TestTableRefusesDoubles(t *testing.T) {
	_, err := admin.NewTable(echo("a  b"), echo("a b"))
	require.Error(t, err)
	_, err = admin.NewTable(admin.Command{Name: "x"})
	require.Error(t, err)
	require.True(t, errors.Is(admin.Usagef("x"), admin.ErrUsage))
}
