package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// kibibytes is a value that reads its own text.
type kibibytes int64

func (k *kibibytes) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(string(text), "KiB")
	n, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil {
		return fmt.Errorf("%q is not a size such as 64KiB", text)
	}
	*k = kibibytes(n)
	return nil
}

type inner struct {
	Listen  string        `yaml:"listen"`
	Timeout time.Duration `yaml:"timeout"`
	Limit   kibibytes     `yaml:"limit"`
	On      bool          `yaml:"on"`
	N       int           `yaml:"n"`
}

type bridgeEntry struct {
	Address string `yaml:"address"`
}

type sample struct {
	Domain   string                 `yaml:"domain"`
	Web      inner                  `yaml:"web"`
	Hosts    []string               `yaml:"hosts"`
	Password string                 `yaml:"password"`
	Bridges  map[string]bridgeEntry `yaml:"bridges"`
	Ptr      *inner                 `yaml:"ptr"`
	Hidden   int                    `yaml:"-"`
}

func defaults() sample {
	return sample{Domain: "meet.localhost", Web: inner{Listen: ":8443", Timeout: time.Minute, Limit: 64},
		Bridges: map[string]bridgeEntry{"default": {"a"}}}
}

func TestDecode(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pw"), []byte("hunter2\n"), 0o600))
	got := defaults()
	err := Decode(filepath.Join(dir, "parley.yaml"), []byte(`
domain: 5222
web:
  timeout: 90s
  limit: 1024KiB
  on: true
  n: !env COUNT
hosts: [a, b]
password: !file pw
bridges:
  one: {address: "127.0.0.1:9090"}
ptr:
  listen: "[::1]:1"
`), []string{"COUNT=7"}, &got)
	require.NoError(t, err)
	want := sample{Domain: "5222", Web: inner{":8443", 90 * time.Second, 1024, true, 7}, Hosts: []string{"a", "b"},
		Password: "hunter2", Bridges: map[string]bridgeEntry{"one": {"127.0.0.1:9090"}}, Ptr: &inner{Listen: "[::1]:1"}}
	require.Empty(t, cmp.Diff(want, got))
}

// Each mistake has a file; its first line says what the operator must read.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			first, _, _ := strings.Cut(string(data), "\n")
			got := defaults()
			err = Decode(file, data, nil, &got)
			require.Error(t, err)
			require.Equal(t, strings.TrimPrefix(first, "# "), strings.ReplaceAll(err.Error(), file, "FILE"))
		})
	}
}

func TestEmptyFileKeepsDefaults(t *testing.T) {
	for _, text := range []string{"", "# only a comment\n", "---\n", "web:\n"} {
		got := defaults()
		require.NoError(t, Decode("x", []byte(text), nil, &got))
		require.Empty(t, cmp.Diff(defaults(), got))
	}
}

func TestEnvironment(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("s3\r\n"), 0o600))
	got := defaults()
	err := Load(&got, Source{Prefix: "PARLEY_", Ignore: []string{"PARLEY_CONFIG"}, Environ: []string{
		"HOME=/", "PARLEY_CONFIG=x", "PARLEY_WEB_TIMEOUT=5m", "PARLEY_WEB_ON=true", "PARLEY_HOSTS=a, b",
		"PARLEY_PASSWORD_FILE=" + secret, "PARLEY_WEB_LIMIT=2KiB", "PARLEY_WEB_LISTEN=[::1]:5", "PARLEY_WEB_N=3",
		"PARLEY_BRIDGES={b1: {address: x}}",
	}})
	require.NoError(t, err)
	want := sample{Domain: "meet.localhost", Web: inner{"[::1]:5", 5 * time.Minute, 2, true, 3}, Hosts: []string{"a", "b"},
		Password: "s3", Bridges: map[string]bridgeEntry{"b1": {"x"}}}
	require.Empty(t, cmp.Diff(want, got))

	err = Load(&got, Source{Prefix: "PARLEY_", Environ: []string{"PARLEY_WEP_ON=true", "PARLEY_WEB_N=many"}})
	require.EqualError(t, err, `environment: PARLEY_WEB_N: "many" is not a whole number
environment: PARLEY_WEP_ON: no setting belongs to this variable`)
}

func TestFileThenEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "parley.yaml")
	require.NoError(t, os.WriteFile(path, []byte("domain: file\nweb: {n: 1}\n"), 0o600))
	got := defaults()
	require.NoError(t, Load(&got, Source{File: path, Prefix: "P_", Environ: []string{"P_DOMAIN=env"}}))
	require.Equal(t, "env", got.Domain)
	require.Equal(t, 1, got.Web.N)
	require.ErrorContains(t, Load(&got, Source{File: path + ".none"}), "read the settings")
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("domain: x\nweb: {timeout: 3s, limit: 1KiB}\nhosts: [a]\nbridges: {a: {address: b}}\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got := defaults()
		if err := Decode("fuzz", data, nil, &got); err != nil {
			require.NotEmpty(t, err.Error())
		}
	})
}
