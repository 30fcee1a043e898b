package app

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
)

// TestReload: what can change while all runs changes, and what cannot is named.
func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "parley.yaml")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write("log: {level: warn}\n")
	in := &instance{opts: Options{Parts: All, ConfigFile: file, Data: string(testData(t)), Stderr: new(bytes.Buffer)}}
	require.NoError(t, in.settle())
	require.NoError(t, in.openCertificate())
	reload := func() (string, error) {
		var out bytes.Buffer
		err := in.reload(t.Context(), nil, nil, &out)
		return out.String(), err
	}
	out, err := reload()
	require.NoError(t, err)
	require.Contains(t, out, "certificate: valid until")
	require.Contains(t, out, "settings: unchanged")

	const secret = "a secret that is in nobody's output"
	write("log: {level: debug}\nxmppd: {c2s_listen: ':6222', token: {secret: " + secret + "}, sessions: {login_time: 7s}}\n")
	out, err = reload()
	require.NoError(t, err)
	require.Equal(t, logrus.DebugLevel, in.log.Logger.GetLevel())
	require.Contains(t, out, "settings: log.level is now debug")
	for _, key := range []string{"xmppd.c2s_listen", "xmppd.token.secret", "xmppd.sessions.login_time"} {
		require.Contains(t, out, key)
	}
	require.NotContains(t, out, secret)
	require.NotContains(t, out, "unchanged")
	require.NotContains(t, out, "log.level,")

	write("log: {level: info}\nxmppd: {c2s_lisen: x}\n")
	_, err = reload()
	require.ErrorContains(t, err, "c2s_lisen")
	require.ErrorContains(t, err, "nothing of them was taken up")
	require.Equal(t, logrus.DebugLevel, in.log.Logger.GetLevel())
}
