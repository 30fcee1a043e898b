package xmppd

import (
	"context"
	"fmt"
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
type verifierFunc func(ctx context.Context, token string, now time.Time) (*jwtauth.Claims, error)

// Verify calls f.
func (f verifierFunc) Verify(ctx context.Context, token string, now time.Time) (*jwtauth.Claims, error) {
	return f(ctx, token, now)
}

// guardFocus has conference requests ask the rules of meetings first.
func (s *Server) guardFocus() error {
	domain := s.rules.FocusDomain()
	focus := s.router.Host(domain)
	if focus == nil {
		if s.cfg.Meeting.Reservations.URL != "" {
			return fmt.Errorf("meeting.reservations: the focus %s is neither among components nor client_proxies", domain)
		}
		return nil
	}
	s.router.Remove(domain, focus)
	return s.router.Add(domain, s.rules.FocusGate(focus))
}

// newVerifier makes the one that checks tokens, with keys that may have to be fetched.
func (s *Server) newVerifier() (*jwtauth.Verifier, error) {
	v, err := jwtauth.NewVerifier(s.cfg.Token, jwtauth.ReportFetches(s.keysFetched))
	if err != nil {
		return nil, fmt.Errorf("token.%w", err)
	}
	v.Prepare(time.Now())
	context.AfterFunc(s.base, v.Close)
	return v, nil
}

// keysFetched tells those who run the server how it went with the keys of tokens. That
// there is no such key is news for who made the token, and told to him.
func (s *Server) keysFetched(f jwtauth.Fetch) {
	log := s.log.WithField("url", f.URL)
	switch {
	case f.Err == nil:
		log.WithField("keys", f.Keys).Info("keys of tokens fetched")
	case jwtauth.IsUnknown(f.Err):
		log.WithError(f.Err).Info("key of a token is not there")
	default:
		log.WithError(f.Err).Warn("keys of tokens cannot be fetched")
	}
}

// loginVerifier also asks the rules of meetings whether who shows a token may come yet.
func (s *Server) loginVerifier(v *jwtauth.Verifier) sasl.TokenVerifier {
	return verifierFunc(func(ctx context.Context, token string, now time.Time) (*jwtauth.Claims, error) {
		c, err := v.Verify(ctx, token, now)
		if err != nil {
			return nil, err
		}
		return c, s.rules.MayLogIn(ctx, token, c)
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
