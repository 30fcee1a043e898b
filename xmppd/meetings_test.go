package xmppd

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What follows for meetings from the rest of the configuration.
func TestMeetingConfig(t *testing.T) {
	s := &Server{cfg: DefaultConfig()}
	assert.Nil(t, s.meetingConfig().ExternalServices)
	assert.Empty(t, s.meetingConfig().Whitelist)
	s.cfg.RecorderDomain = "recorder.meet.example.com"
	s.cfg.Services.External = []ExternalService{
		{Type: "stun", Host: "stun.example.com", Port: 3478},
		{Type: "turns", Host: "turn.example.com", Transport: "tcp", Secret: "s"},
	}
	c := s.meetingConfig()
	assert.Equal(t, []string{"recorder.meet.example.com"}, c.Whitelist)
	list := c.ExternalServices()
	require.Len(t, list, 2)
	assert.Equal(t, "3478", list[0].Port)
	assert.Empty(t, list[0].Restricted)
	assert.Equal(t, "1", list[1].Restricted)
	assert.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`, list[1].Expires)
}
