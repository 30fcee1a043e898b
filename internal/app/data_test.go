package app

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The database driver keeps one helper of its own per process.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("database/sql.(*DB).connectionOpener"))
}

func testData(t *testing.T) data {
	t.Helper()
	d, err := openData(filepath.Join(t.TempDir(), "data"))
	require.NoError(t, err)
	return d
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Mode().Perm()
}

func TestDataIsClosedToOthers(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	d, err := openData(dir)
	require.NoError(t, err)
	require.EqualValues(t, 0o700, mode(t, dir))
	_, err = d.loadSecrets()
	require.NoError(t, err)
	require.EqualValues(t, 0o600, mode(t, d.secrets()))
	_, err = d.selfSigned([]string{"localhost"}, time.Now())
	require.NoError(t, err)
	require.EqualValues(t, 0o600, mode(t, d.key()))
	require.EqualValues(t, 0o600, mode(t, d.certificate()))
}

func TestSecretsThatCannotBeUsed(t *testing.T) {
	d := testData(t)
	_, err := d.loadSecrets()
	require.NoError(t, err)
	require.NoError(t, os.Chmod(d.secrets(), 0o644))
	_, err = d.loadSecrets()
	require.NoError(t, err)
	require.EqualValues(t, 0o600, mode(t, d.secrets()))
	for text, want := range map[string]string{
		"garbage":             "move the file away",
		"focus_password: [1":  "move the file away",
		"token_secret: short": "at least 32 bytes",
	} {
		require.NoError(t, os.WriteFile(d.secrets(), []byte(text), 0o600))
		cfg := DefaultConfig()
		err := cfg.derive(All, d, d.loadSecrets)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "\n", "said once") // though every part wants one
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	d := data("/data")
	for cause, want := range map[error]string{
		syscall.ENOSPC: "make room", syscall.EROFS: "mount it for writing", syscall.EACCES: "let it own /data",
		syscall.ENOTDIR: "name a directory",
	} {
		err := d.explain(&fs.PathError{Op: "open", Path: "/data/x", Err: cause})
		require.ErrorContains(t, err, want)
		require.Equal(t, err, explainPort(err), "it is no port's")
	}
}

// Parts that start at the same moment must agree on the secrets.
func TestSecretsAreMadeOnce(t *testing.T) {
	d := testData(t)
	got := make([]Secrets, 8)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			s, err := d.loadSecrets()
			if err == nil {
				got[i] = s
			}
		})
	}
	wg.Wait()
	require.Len(t, slices.Compact(got), 1)
	require.GreaterOrEqual(t, len(got[0].TokenSecret), 43) // 32 bytes

	// A removed line is made anew, the others stay.
	text, err := os.ReadFile(d.secrets())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(d.secrets(), bytes.ReplaceAll(text, []byte("token_secret: "+got[0].TokenSecret+"\n"), nil), 0o600))
	again, err := d.loadSecrets()
	require.NoError(t, err)
	require.NotEqual(t, got[0].TokenSecret, again.TokenSecret)
	require.Equal(t, got[0].FocusPassword, again.FocusPassword)

	require.NoError(t, os.WriteFile(d.secrets(), []byte("tokn: x\n"), 0o600))
	_, err = d.loadSecrets()
	require.ErrorContains(t, err, "secrets.yaml:1: tokn: unknown key")
}

func TestSecondProcessIsRefused(t *testing.T) {
	d := testData(t)
	first := &instance{opts: Options{Parts: All}, data: d}
	held, err := first.lockParts()
	require.NoError(t, err)
	second := &instance{opts: Options{Parts: []Part{Focus}}, data: d}
	_, err = second.lockParts()
	require.ErrorContains(t, err, "parley focus already runs with its data in "+string(d))
	for _, l := range held {
		l.release()
	}
	held, err = second.lockParts()
	require.NoError(t, err)
	held[0].release()
}

func TestCertificateFollowsTheNames(t *testing.T) {
	d := testData(t)
	now := time.Now()
	names := []string{"localhost", "meet.localhost", "127.0.0.1", "::1"}
	made, err := d.selfSigned(names, now)
	require.NoError(t, err)
	require.True(t, made)
	pair, err := tls.LoadX509KeyPair(d.certificate(), d.key())
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(pair.Leaf)
	for _, name := range names {
		_, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots})
		require.NoError(t, err, name)
	}
	for _, c := range []struct {
		names []string
		at    time.Time
		made  bool
	}{
		{names, now, false},
		{names[:2], now, false}, // a name less is no reason to be warned again
		{append(names, "192.0.2.7"), now, true},
		{names, now.Add(certificateLife - renewBefore + time.Hour), true},
	} {
		made, err := d.selfSigned(c.names, c.at)
		require.NoError(t, err)
		require.Equal(t, c.made, made)
	}
	// A half-written pair is made anew.
	require.NoError(t, os.WriteFile(d.key(), []byte("x"), 0o600))
	made, err = d.selfSigned(names, now)
	require.NoError(t, err)
	require.True(t, made)
	text, err := describeCertificate(d.certificate(), now)
	require.NoError(t, err)
	require.Contains(t, text, "meet.localhost, 127.0.0.1")
	_, err = describeCertificate(d.certificate(), now.Add(2*certificateLife))
	require.ErrorContains(t, err, "expired")
}

func TestInProcessLink(t *testing.T) {
	l := newLink("test")
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			accepted <- c
		}
	}()
	near, err := l.dial(t.Context(), "tcp", "anything")
	require.NoError(t, err)
	far := <-accepted
	defer near.Close()
	defer far.Close()
	secure, ok := far.(interface{ Secure() bool })
	require.True(t, ok && secure.Secure())
	require.Equal(t, "127.0.0.1:0", far.RemoteAddr().String())

	// It buffers, so that two sides may write before they read.
	text := strings.Repeat("x", 32<<10)
	for _, c := range []net.Conn{near, far} {
		c.SetDeadline(time.Now().Add(time.Minute))
		_, err := io.WriteString(c, text)
		require.NoError(t, err)
	}
	for _, c := range []net.Conn{near, far} {
		got := make([]byte, len(text))
		_, err = io.ReadFull(c, got)
		require.NoError(t, err)
		require.Equal(t, text, string(got))
	}
	near.Close()
	rest, err := io.ReadAll(far)
	require.NoError(t, err)
	require.Len(t, rest, 0)

	l.Close()
	l.Close()
	_, err = l.dial(t.Context(), "", "")
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestFewFilesAreToldOf(t *testing.T) {
	require.NotZero(t, openFiles())
	for limit, words := range map[uint64]string{0: "", 1024: "LimitNOFILE", fewFiles: ""} {
		log, hook := logtest.NewNullLogger()
		(&instance{log: logrus.NewEntry(log)}).warnOfFewFiles(limit)
		if words == "" {
			require.Empty(t, hook.AllEntries(), limit)
			continue
		}
		require.Contains(t, hook.LastEntry().Message, words)
	}
}
