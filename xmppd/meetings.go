package xmppd

import (
	"slices"
	"time"

	"parley/jwtauth"
	"parley/xmppd/meeting"
	"parley/xmppd/sasl"
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

// verifierFunc is a sasl.TokenVerifier.
type verifierFunc func(token string, now time.Time) (*jwtauth.Claims, error)

// Verify calls f.
func (f verifierFunc) Verify(token string, now time.Time) (*jwtauth.Claims, error) {
	return f(token, now)
}

// loginVerifier also asks the rules of meetings whether who shows a token may come yet.
func (s *Server) loginVerifier(v *jwtauth.Verifier) sasl.TokenVerifier {
	return verifierFunc(func(token string, now time.Time) (*jwtauth.Claims, error) {
		c, err := v.Verify(token, now)
		if err == nil && !s.rules.MayLogIn(c) {
			return nil, meeting.ErrMayNotCreate
		}
		return c, err
	})
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
