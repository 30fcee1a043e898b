package logx_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/logx"
)

const token = "eyJhbGciOiJIUzI1NiJ9.eyJyb29tIjoiKiJ9.c2lnbmF0dXJl"

func TestRedaction(t *testing.T) {
	var out bytes.Buffer
	log, err := logx.New(logx.Config{Level: "debug", Format: logx.JSON}, &out)
	require.NoError(t, err)
	log.WithError(errors.New("bad token " + token)).WithFields(map[string]any{
		"password": "hunter2", "url": "/x?token=abc&room=r&pwd=def", "stanza": "<auth mechanism='PLAIN'>AGZvbwBiYXI=</auth>",
		logx.Address: logx.JID("ann@example.org/1"), logx.Count: 3,
	}).Info("tried " + token)
	line := out.String()
	for _, secret := range []string{token, "hunter2", "abc", "def", "AGZvbwBiYXI="} {
		assert.NotContains(t, line, secret)
	}
	var v map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &v))
	assert.Equal(t, "ann@example.org/1", v[logx.Address])
	assert.Contains(t, v["url"], "room=r")
	assert.EqualValues(t, 3, v[logx.Count])
}

func TestHiddenAddresses(t *testing.T) {
	var out bytes.Buffer
	log, err := logx.New(logx.Config{Level: "info", Format: logx.Text, HideAddresses: true}, &out)
	require.NoError(t, err)
	for range 2 {
		log.WithField("ip", logx.IP("192.0.2.7")).WithField(logx.Occupant, "room@c/ann").Info("hello")
	}
	assert.NotContains(t, out.String(), "192.0.2.7")
	assert.NotContains(t, out.String(), "ann")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	_, a, _ := strings.Cut(lines[0], "ip=")
	_, b, _ := strings.Cut(lines[1], "ip=")
	assert.Equal(t, a, b, "the same person has the same number")
}

func TestConfig(t *testing.T) {
	require.NoError(t, logx.DefaultConfig().Validate())
	assert.ErrorContains(t, logx.Config{Level: "loud", Format: logx.Text}.Validate(), "level:")
	assert.ErrorContains(t, logx.Config{Level: "info", Format: "xml"}.Validate(), "format:")
	_, err := logx.New(logx.Config{}, &bytes.Buffer{})
	require.Error(t, err)
	logx.Discard().Error("nobody hears")
}

func TestShorten(t *testing.T) {
	assert.Equal(t, "abc", logx.Shorten("abc", 3))
	assert.Equal(t, "ab…", logx.Shorten("abc", 2))
	assert.Equal(t, "ä…", logx.Shorten("äöü", 3))
	assert.Equal(t, "?", logx.Shorten("\xff", 3))
}

func FuzzRedact(f *testing.F) {
	f.Add("token=" + token)
	f.Fuzz(func(t *testing.T, s string) {
		_ = logx.Shorten(logx.Redact(s), 20)
		if strings.Contains(logx.Redact(s+" "+token), token) {
			t.Fatal(s)
		}
	})
}
