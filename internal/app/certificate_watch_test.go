package app

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCertificateIsWatched: our own is made anew before it ends, of another one the
// operator is told, and a new one in its place is taken up; all while parley runs.
func TestCertificateIsWatched(t *testing.T) {
	begin := func(t *testing.T, settings string) (*instance, *buffer) {
		log := new(buffer)
		in := &instance{opts: Options{Parts: All, ConfigFile: settingsFile(t, settings), Data: string(testData(t)), Stderr: log}}
		require.NoError(t, in.settle())
		require.NoError(t, in.openCertificate())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); in.watchCertificate(ctx) }()
		t.Cleanup(func() { cancel(); <-done })
		return in, log
	}
	wait := func(d time.Duration) { time.Sleep(d); synctest.Wait() }

	t.Run("our own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			in, log := begin(t, "")
			first := in.certs.current.Load().Leaf
			wait(certificateLife - renewBefore - 25*time.Hour)
			require.Equal(t, first.SerialNumber, in.certs.current.Load().Leaf.SerialNumber, "not before it is due")
			wait(50 * time.Hour)
			require.True(t, in.certs.current.Load().Leaf.NotAfter.After(first.NotAfter))
			require.NotContains(t, log.String(), "level=error")
		})
	})
	t.Run("another's", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir()
			put := func() {
				cert, key, err := makeCertificate([]string{"meet.localhost"}, time.Now())
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(dir+"/c.pem", cert, 0o600))
				require.NoError(t, os.WriteFile(dir+"/k.pem", key, 0o600))
			}
			put()
			in, log := begin(t, "tls: {cert_file: "+dir+"/c.pem, key_file: "+dir+"/k.pem}")
			wait(certificateLife - 10*24*time.Hour)
			require.Contains(t, log.String(), "the certificate ends in so many days")
			require.NotContains(t, log.String(), "has expired")
			wait(11 * 24 * time.Hour)
			require.Contains(t, log.String(), "the certificate has expired")
			put()
			wait(25 * time.Hour)
			require.True(t, in.certs.current.Load().Leaf.NotAfter.After(time.Now()))
			require.NoError(t, os.Remove(dir+"/k.pem"))
			wait(25 * time.Hour)
			require.Contains(t, log.String(), "the one before goes on")
		})
	})
}
