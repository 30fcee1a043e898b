package app

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/admin"
	"parley/jwtauth"
)

func TestRandomRooms(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		room := randomRoom()
		require.Regexp(t, `^[a-z]{6}-[a-z]{6}-[a-z]{4}$`, room)
		require.False(t, seen[room])
		seen[room] = true
	}
}

func TestBases(t *testing.T) {
	b := basesOf("127.0.0.1:8000", "meet.example.com:443")
	require.Equal(t, []string{"http://localhost:8000", "https://meet.example.com:443"}, b.all())
	require.Equal(t, []string{"https://192.0.2.1:8443"}, basesOf("", "192.0.2.1:8443").all())
	require.NotEmpty(t, basesOf("", ":8443").all())
	require.Empty(t, basesOf("", "").all())
}

func TestParseGrant(t *testing.T) {
	g, err := parseGrant("link", strings.Fields("--room Daily --moderator --name Ann --ttl 2h"))
	require.NoError(t, err)
	require.Equal(t, grant{"daily", "Ann", true, 2 * time.Hour}, g)
	g, err = parseGrant("link", []string{"daily"})
	require.NoError(t, err)
	require.Equal(t, grant{"daily", "", false, linkLife}, g)
	for _, words := range []string{"", "--room a/b", "--room a --ttl -1h", "--rom a", "--room a b",
		"--room config.js", "--room " + strings.Repeat("a", 1100)} {
		_, err := parseGrant("link", strings.Fields(words))
		require.ErrorIs(t, err, admin.ErrUsage, words)
	}
}

// tool runs offline commands on a data directory.
func tool(t *testing.T, d data) func(input string, words ...string) (string, error) {
	t.Helper()
	tl, err := NewTool(Options{Data: string(d)})
	require.NoError(t, err)
	return func(input string, words ...string) (string, error) {
		var out bytes.Buffer
		err := tl.Offline.Run(context.Background(), words, strings.NewReader(input), &out)
		return out.String(), err
	}
}

func TestAccountsWhileNothingRuns(t *testing.T) {
	d := testData(t)
	run := tool(t, d)
	out, err := run("wonderland\n", "register", "alice", "meet.localhost")
	require.NoError(t, err)
	require.Equal(t, "alice@meet.localhost: registered\n", out)
	for _, empty := range []string{"", "\n"} {
		_, err = run(empty, "register", "bob", "meet.localhost")
		require.Error(t, err)
		require.NotContains(t, err.Error(), "soon guessed")
	}
	out, err = run("kurz", "register", "alice", "meet.localhost")
	require.NoError(t, err)
	require.Contains(t, out, "fewer than 8 characters")
	_, err = run("", "register", "alice", "meet.localhost", "looking-glass") // replaces, as prosodyctl does
	require.NoError(t, err)
	_, err = run("x", "adduser", "alice@meet.localhost")
	require.ErrorContains(t, err, "exists")
	_, err = run("x", "passwd", "bob@meet.localhost")
	require.ErrorContains(t, err, "does not exist")
	_, err = run("x", "register", "alice", "example.com")
	require.ErrorContains(t, err, "hostname")
	_, err = run("x", "register", "alice")
	require.ErrorIs(t, err, admin.ErrUsage)
	_, err = run("", "register", "alice@meet.localhost", "horse", "battery")
	require.ErrorIs(t, err, admin.ErrUsage)
	require.NotContains(t, err.Error(), "battery")
	_, err = run("", "register", "alice", "meet.localhost")
	require.ErrorContains(t, err, "no secret")
	out, err = run("", "users")
	require.NoError(t, err)
	require.Contains(t, out, "alice@meet.localhost\n")
	_, err = run("", "deluser", "alice@meet.localhost")
	require.NoError(t, err)
	_, err = run("", "unregister", "alice", "meet.localhost")
	require.ErrorContains(t, err, "does not exist")

	// Accounts the services use would break them.
	for setting, words := range map[string][]string{
		"focus.client.password": {"register", "focus", "auth.meet.localhost", "stolen"},
		"bridge.xmpp.password":  {"passwd", "jvb@auth.meet.localhost", "stolen"},
	} {
		_, err = run("", words...)
		require.ErrorContains(t, err, setting)
	}
}

func TestTokensWhileNothingRuns(t *testing.T) {
	d := testData(t)
	run := tool(t, d)
	out, err := run("", "token", "new", "--room", "daily", "--name", "Ann", "--moderator")
	require.NoError(t, err)
	secrets, err := d.loadSecrets()
	require.NoError(t, err)
	cfg := jwtauth.DefaultConfig()
	cfg.Secret = secrets.TokenSecret
	v, err := jwtauth.NewVerifier(cfg)
	require.NoError(t, err)
	claims, err := v.Verify(context.Background(), strings.TrimSpace(out), time.Now())
	require.NoError(t, err)
	require.True(t, claims.IsModerator())

	out, err = run("", "link", "daily")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(out, "http://localhost:8000/daily?jwt="), out)
}

func TestCheck(t *testing.T) {
	d := testData(t)
	run := tool(t, d)
	out, _ := run("", "check") // ports of this machine may be taken, the rest must be good
	require.Contains(t, out, "good  settings     none, all defaults")
	require.Contains(t, out, "none yet; the first start makes one")
	require.NoFileExists(t, d.secrets(), "a check changes nothing")

	_, err := d.loadSecrets()
	require.NoError(t, err)
	require.NoError(t, os.Chmod(d.secrets(), 0o644))
	out, err = run("", "check")
	require.ErrorIs(t, err, admin.ErrProblems)
	require.Contains(t, out, "can be read by others (mode 0644)")

	tl, err := NewTool(Options{Data: string(d), Environ: []string{"PARLEY_WEB_HTTP_LISTEN=x", "PARLEY_NONSENSE=1"}})
	require.NoError(t, err)
	var b bytes.Buffer
	require.ErrorIs(t, tl.Offline.Run(t.Context(), []string{"check"}, strings.NewReader(""), &b), admin.ErrProblems)
	require.Contains(t, b.String(), "web.http_listen")
	require.Contains(t, b.String(), "PARLEY_NONSENSE looks like a setting")
}

// A data directory that was mistyped is not made.
func TestMistypedData(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dtaa")
	run := tool(t, data(dir))
	for _, words := range []string{"register alice meet.localhost looking-glass", "users", "token new --room a", "link --room a"} {
		_, err := run("", strings.Fields(words)...)
		require.ErrorContains(t, err, "there is no data directory "+dir, words)
	}
	require.NoDirExists(t, dir)
}

// What people and scripts know from prosodyctl is answered, or said to be something else.
func TestWordsOfProsodyctl(t *testing.T) {
	run := tool(t, testData(t))
	for _, words := range []string{"cert generate meet.localhost", "version"} {
		out, err := run("", strings.Fields(words)...)
		require.NoError(t, err, words)
		require.NotEmpty(t, out, words)
	}
	for words, want := range map[string]string{"start": "parley serve", "restart": "init system", "install mod_x": "built in"} {
		_, err := run("", strings.Fields(words)...)
		require.ErrorContains(t, err, want, words)
	}
}
