package meeting

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"parley/internal/logx"
	"parley/jwtauth"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// Ways to close a room when its moderator leaves: at once as mod_close_room does in
// github.com/CaritasDeutschland/caritas-onlineBeratung-videoBackend, later as in its
// successor, github.com/Onlineberatung/onlineBeratung-videoBackend.
const (
	CloseAtOnce = "at_once"
	CloseLater  = "later"
)

var errOnlyTokens = stanza.Err(stanza.Modify, stanza.NotAcceptable, "Only a token makes somebody owner of this room")

// installTokenModeration has nothing but the claim moderator of tokens say who
// moderates, at every presence, as counselling services want it. Whoever else holds a
// token is a member.
func (m *Rules) installTokenModeration(h *muc.Hooks) {
	if !m.cfg.TokenModeration {
		return
	}
	h.OnJoin(-3.5, "token moderation", func(j *muc.Join) muc.Outcome {
		// Knockers stay knockers, or the lobby would hold back nobody with a token.
		if c := claims(j.Session); c != nil && !j.Admin && c.Moderator == jwtauth.Yes && j.Room.Affiliation(j.From) != muc.Outcast {
			j.Grant(muc.Owner)
		}
		return muc.Continue
	})
	h.OnJoin(lastRule, "token moderation", func(j *muc.Join) muc.Outcome {
		if c := claims(j.Session); c != nil && !j.Admin && c.Moderator != jwtauth.Yes {
			j.Grant(muc.Member)
		}
		return muc.Continue
	})
	h.OnPresence(func(s *muc.Speaker, st *stanza.Stanza) *stanza.Stanza {
		c := claims(s.Session)
		if s.Joining || c == nil || m.rt.IsAdmin(s.From) {
			return st
		}
		now, due := s.Room.Affiliation(s.From), muc.Member
		if c.Moderator == jwtauth.Yes {
			due = muc.Owner
		}
		if now != due && now != muc.Outcast {
			s.Room.SetAffiliation(s.From, due, nil, "")
		}
		return st
	})
	h.OnAdmin(func(_ *muc.Room, it *muc.AdminItem) *stanza.Error {
		if it.SetsAffiliation && it.Affiliation == muc.Owner {
			return errOnlyTokens
		}
		return nil
	})
	if m.cfg.Services.Lobby && m.cfg.ModeratorsLobby {
		h.OnSettled(func(r *muc.Room, o *muc.Occupant) {
			if o.Affiliation() == muc.Owner && !m.isAdmin(o) {
				m.holdInLobby(r, "")
			}
		})
	}
}

// ErrMayNotCreate is the answer at log-in to who must wait for a moderator.
var ErrMayNotCreate = &jwtauth.Error{Kind: jwtauth.NoRoom, Text: "User not allowed to create room", Condition: stanza.NotAllowed}

// MayLogIn says why the holder of a verified token may not come, or not yet; the claims
// are nil for who has none. It may be called from any goroutine, and waits for the server
// that knows who is shut out. The error is always a *jwtauth.Error.
func (m *Rules) MayLogIn(ctx context.Context, token string, c *jwtauth.Claims) error {
	if !m.mayCome(c) {
		return ErrMayNotCreate
	}
	if c == nil {
		return nil
	}
	banned, err := m.access.banned(ctx, token)
	if err != nil {
		m.log.WithError(err).Warn("nobody says who is shut out: the log-in goes on")
	}
	if banned {
		return errBanned
	}
	return nil
}

func (m *Rules) mayCome(c *jwtauth.Claims) bool {
	if !m.cfg.ModeratorsCreate || c != nil && c.Moderator == jwtauth.Yes {
		return true
	}
	if c == nil {
		return false
	}
	room, err := stanza.NewAddr(c.Room, m.host.Domain(), "")
	return err == nil && m.host.Do(room, func(*muc.Room) {}) == nil
}

// installCloseRoom ends a meeting when its moderators have left.
func (m *Rules) installCloseRoom(h *muc.Hooks) {
	if m.cfg.CloseRoom == "" {
		return
	}
	h.OnLeft(func(r *muc.Room, o *muc.Occupant) {
		if m.isAdmin(o) || isHealthRoom(r) || o.Affiliation() != muc.Owner || !r.Exists() {
			return
		}
		born := r.Created() // a later room of that name is no business of ours
		if m.cfg.CloseRoom == CloseAtOnce {
			// Not inside of the leaving.
			r.After(0, func() { m.endRoom(r, born) })
			return
		}
		r.SetAffiliation(o.Bare(), muc.Outcast, nil, "")
		if m.owners(r) > 0 {
			return
		}
		r.SetMembersOnly(false)
		r.After(m.cfg.CloseRoomTimeout, func() {
			if m.owners(r) == 0 {
				m.endRoom(r, born)
			}
		})
	})
}

// owners is how many moderators are inside, without the focus.
func (m *Rules) owners(r *muc.Room) int {
	n := 0
	for _, o := range r.Occupants() {
		if o.Affiliation() == muc.Owner && !m.isAdmin(o) {
			n++
		}
	}
	return n
}

func (m *Rules) endRoom(r *muc.Room, born time.Time) {
	if !r.Exists() || r.Created() != born {
		return
	}
	node := r.Node()
	r.Destroy("", stanza.Addr{}, "")
	m.report(node)
}

// StatisticsConfig is a RabbitMQ management address that hears of the end of rooms.
type StatisticsConfig struct {
	// URL is where the end of a room is posted to; empty: nowhere.
	URL string `yaml:"url"`
	// Username is the user of that server.
	Username string `yaml:"username"`
	// Password is his password.
	Password string `yaml:"password"`
}

// statisticsTime bounds a report, and maxReports how many may be under way; more are
// dropped and logged.
const (
	statisticsTime = 10 * time.Second
	maxReports     = 16
)

type stopEvent struct {
	Type string `json:"eventType"`
	Room string `json:"videoCallUuid"`
	Time string `json:"timestamp"`
}

type stopReport struct {
	Properties struct{} `json:"properties"`
	Key        string   `json:"routing_key"`
	Payload    string   `json:"payload"`
	Encoding   string   `json:"payload_encoding"`
}

// stopBody is the report of a room that has ended, JSON inside of JSON.
func stopBody(node string, now time.Time) []byte {
	inner, _ := json.Marshal(stopEvent{"STOP_VIDEO_CALL", node, now.UTC().Format("2006-01-02T15:04:05Z")})
	body, _ := json.Marshal(stopReport{Key: "STOP_VIDEO_CALL", Payload: string(inner), Encoding: "string"})
	return body
}

// report tells the statistics server that a room has ended.
func (m *Rules) report(node string) {
	if m.cfg.Statistics.URL == "" {
		return
	}
	log := m.log.WithField(logx.Room, node)
	select {
	case m.reports <- struct{}{}:
	default:
		log.Warn("end of a room is not reported: too many reports are under way")
		return
	}
	body := stopBody(node, time.Now())
	m.background.Go(func() {
		defer func() { <-m.reports }()
		if err := m.post(body); err != nil {
			log.WithError(err).Warn("end of a room could not be reported")
		}
	})
}

func (m *Rules) post(body []byte) error {
	ctx, cancel := context.WithTimeout(m.ctx, statisticsTime)
	defer cancel()
	c := m.cfg.Statistics
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth(c.Username, c.Password)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4096))
	if res.StatusCode != http.StatusOK {
		return &statusError{res.Status}
	}
	return nil
}

// statusError is an answer that is no success.
type statusError struct{ status string }

func (e *statusError) Error() string { return "answer " + e.status }
