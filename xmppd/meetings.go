package xmppd

import (
	"slices"
	"time"

	"parley/xmppd/meeting"
)

// meetingConfig is the configuration of meetings with what follows from the rest:
// recorders need no leave to enter, and the STUN and TURN servers are told to who
// enters.
func (s *Server) meetingConfig() meeting.Config {
	c := s.cfg.Meeting
	if s.cfg.RecorderDomain != "" {
		c.Whitelist = append(slices.Clone(c.Whitelist), s.cfg.RecorderDomain)
	}
	if len(s.cfg.Services.External) > 0 {
		c.ExternalServices = s.meetingServers
	}
	return c
}

// meetingServers are the STUN and TURN servers as the metadata of a room tell them.
func (s *Server) meetingServers() []meeting.ExternalService {
	var out []meeting.ExternalService
	for _, x := range s.external(nil, "") {
		e := meeting.ExternalService{Type: x.Type, Transport: x.Transport, Host: x.Host, Port: x.Port, Username: x.Username, Password: x.Password}
		if !x.Expires.IsZero() {
			e.Expires = x.Expires.UTC().Format(time.RFC3339)
		}
		if x.Restricted {
			e.Restricted = "1"
		}
		out = append(out, e)
	}
	return out
}
