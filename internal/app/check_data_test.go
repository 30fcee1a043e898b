package app

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"parley/internal/admin"
)

// TestCheckData: what would end a start, `check` finds without one, and changes nothing.
func TestCheckData(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, d data) data
		want string // "" means that all is well
	}{
		{"fresh", func(t *testing.T, d data) data { return d }, ""},
		{"used", func(t *testing.T, d data) data {
			_, err := d.loadSecrets()
			require.NoError(t, err)
			return d
		}, ""},
		{"none yet", func(t *testing.T, d data) data { return data(d.path("not/yet")) }, ""},
		{"in a file", func(t *testing.T, d data) data {
			require.NoError(t, os.WriteFile(d.path("file"), nil, 0o600))
			return data(d.path("file"))
		}, "not a directory; name a directory with --data"},
		{"open to others", func(t *testing.T, d data) data {
			require.NoError(t, os.Chmod(string(d), 0o755))
			return d
		}, "chmod 700"},
		{"secrets that cannot be read", func(t *testing.T, d data) data {
			require.NoError(t, os.WriteFile(d.secrets(), []byte("token_secret: short"), 0o600))
			return d
		}, "bad   secrets      " + "%s: token_secret: must have at least 32 bytes"},
		{"secrets open to others", func(t *testing.T, d data) data {
			require.NoError(t, os.WriteFile(d.secrets(), nil, 0o600))
			require.NoError(t, os.Chmod(d.secrets(), 0o644))
			return d
		}, "chmod 600"},
		{"no database", func(t *testing.T, d data) data {
			require.NoError(t, os.WriteFile(d.database(), []byte("junk"), 0o600))
			return d
		}, "bad   database     %s is no database; bring back a copy"},
		{"of somebody else", func(t *testing.T, d data) data {
			require.NoError(t, os.WriteFile(d.database(), nil, 0o600))
			if err := os.Chown(d.database(), 12345, -1); err != nil {
				t.Skip("only root can give files away")
			}
			return d
		}, "belongs to user 12345"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := tt.do(t, testData(t))
			var out bytes.Buffer
			c := &checker{out: &out, names: book{}, now: time.Now()}
			err := c.run(t.Context(), Options{Data: string(d)}, []string{checkConfig})
			if tt.want == "" {
				require.NoError(t, err, out.String())
				return
			}
			require.ErrorIs(t, err, admin.ErrProblems)
			for _, file := range []string{d.secrets(), d.database()} {
				if want := bytes.ReplaceAll([]byte(tt.want), []byte("%s"), []byte(file)); bytes.Contains(out.Bytes(), want) {
					return
				}
			}
			require.Contains(t, out.String(), tt.want)
		})
	}
}

func TestCheckSaysWhichPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	err = tryBind("web.https_listen", "tcp", taken.Addr().String())
	require.EqualError(t, err, "web.https_listen: cannot listen on "+taken.Addr().String()+
		": bind: address already in use; stop what listens there (ss -lntup shows it), or set another address in the settings")
}

// TestSettingsThatCannotBeRead: the sentence says what to do next.
func TestSettingsThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	for file, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "no such file or directory; correct the path, or leave it out",
		dir:                             "is a directory; name a file",
	} {
		_, err := Load(file, nil, nil)
		require.ErrorContains(t, err, want)
	}
}
