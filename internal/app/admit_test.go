package app

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestAdmission: by HTTP nobody opens a meeting whom the XMPP server would not let in.
func TestAdmission(t *testing.T) {
	settled := func(text string) *Config {
		cfg, err := Load(settingsFile(t, text), nil, func(string) {})
		require.NoError(t, err)
		d := testData(t)
		require.NoError(t, cfg.derive([]Part{Focus}, d, d.loadSecrets))
		return &cfg
	}
	for _, open := range []string{"", "{focus: {http_listen: '127.0.0.1:0'}, xmppd: {authentication: anonymous}}",
		"{focus: {http_listen: '127.0.0.1:0'}, xmppd: {guest_domain: guest.meet.localhost}}"} {
		admit, err := settled(open).admission(t.Context())
		require.NoError(t, err)
		require.Nil(t, admit, "%s: people without a token may come", open)
	}
	cfg := settled("focus: {http_listen: '127.0.0.1:0'}")
	admit, err := cfg.admission(t.Context())
	require.NoError(t, err)
	token, err := cfg.token(grant{room: "tea", life: time.Hour}, time.Now())
	require.NoError(t, err)
	for _, tt := range []struct{ token, room, want string }{
		{"", "tea@conference.meet.localhost", "token required"},
		{"a.b.c", "tea@conference.meet.localhost", "Invalid"},
		{token, "coffee@conference.meet.localhost", "Room does not match"},
		{token, "[acme]tea@conference.meet.localhost", "match"},
		{token, "tea@conference.meet.localhost", ""},
		{token, "a-uuid@breakout.meet.localhost", ""},
		{"", "a-uuid@breakout.meet.localhost", "token required"},
	} {
		err := admit(t.Context(), netip.Addr{}, tt.token, tt.room)
		if tt.want == "" {
			require.NoError(t, err, tt.room)
		} else {
			require.ErrorContains(t, err, tt.want, tt.room)
		}
	}
}
