package meeting

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"

	"parley/jwtauth"
	"parley/xmppd/muc"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// Rules are the rules of one conference host. They are not changed after Install.
type Rules struct {
	cfg      Config
	host     *muc.Host
	verifier *jwtauth.Verifier // nil where tokens are not used
	rt       *router.Router
	focus    stanza.Addr // of conference requests
	log      *logrus.Entry
	where    *whereabouts

	ctx        context.Context // of what runs in the background, until Close
	cancel     context.CancelFunc
	background sync.WaitGroup
	reports    chan struct{} // a token for each report under way
	web        *http.Client  // of what is asked by HTTP

	access       *access
	reservations *reservations // nil unless switched on

	// The services that others of them need; nil where they are switched off.
	metadata, breakoutDesk  *desk
	lobbyHost, breakoutHost *muc.Host
	lobbies                 sync.Map // names of rooms that have a lobby
	families                sync.Map // name of a breakout room → *family
	meetings                sync.Map // address of a room → id of its meeting

	recorders  perAddress // who starts and stops recordings
	beginnings beginnings // who asks for meetings that are not there

	tokenRefusals, focusTimeouts, focusCalls atomic.Uint64
}

// Stats are the numbers of the rules since they were installed.
type Stats struct {
	TokenRefusals uint64 `json:"token_refusals"`
	FocusTimeouts uint64 `json:"focus_timeouts"`
	FocusCalls    uint64 `json:"focus_calls"`
}

// Install adds the rules to the rooms of a host, before it gets its first stanza.
// verifier is the one that checks tokens at log-in; nil where nobody needs a token.
func Install(host *muc.Host, cfg Config, verifier *jwtauth.Verifier, log *logrus.Entry) (*Rules, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("meetings: %w", err)
	}
	m := &Rules{cfg: cfg, host: host, verifier: verifier, rt: host.Router(), focus: stanza.MustAddr(cfg.focusAddr()), log: log,
		where: &whereabouts{rooms: make(map[stanza.Addr][]*muc.Room)}, reports: make(chan struct{}, maxReports), web: &http.Client{CheckRedirect: sameQuestion}}
	m.access = newAccess(cfg.Access, m.web)
	m.ctx, m.cancel = context.WithCancel(context.Background())
	if err := m.installRooms(); err != nil {
		return nil, err
	}
	h := host.Hooks()
	m.installHealth(h)
	m.installToken(h)
	m.installAffiliation(h)
	m.installOpen(h)
	m.installFocusLock(h)
	m.installMeetingID(h)
	m.installIdentity(h)
	m.installPermissions(h)
	m.installProtection(h)
	m.installTranscripts(h)
	m.installWhitelist(h)
	m.installMessages(h)
	m.installAllOwners(h)
	m.installCleanup(h)
	m.installJoinRate(h)
	m.installWaitForHost(h)
	m.installTokenModeration(h)
	m.installCloseRoom(h)
	m.installReservations(h)
	m.installDurationLimit(h)
	m.installModerated(h)
	m.installEvents()
	m.conferences(m.installTokenNames)
	m.conferences(m.installRecording)
	m.conferences(m.installDialling)
	if err := m.installServices(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Hosts are the further hosts of rooms the rules need: lobbies and breakout rooms.
func (m *Rules) Hosts() []*muc.Host {
	var out []*muc.Host
	for _, h := range []*muc.Host{m.lobbyHost, m.breakoutHost} {
		if h != nil {
			out = append(out, h)
		}
	}
	return out
}

// Close ends the rooms of these hosts and what runs in the background. It may be
// called twice.
func (m *Rules) Close() {
	m.cancel()
	m.reservations.close()
	m.background.Wait()
	m.web.CloseIdleConnections()
	for _, h := range m.Hosts() {
		h.Close()
	}
}

// FocusDomain is where conference requests go.
func (m *Rules) FocusDomain() string { return m.focus.Domain() }

// Stats are the numbers of the rules. It may be called from any goroutine.
func (m *Rules) Stats() Stats {
	return Stats{TokenRefusals: m.tokenRefusals.Load(), FocusTimeouts: m.focusTimeouts.Load(), FocusCalls: m.focusCalls.Load()}
}

// claims are what the token of a session says, nil if it has none.
func claims(s *router.Session) *jwtauth.Claims {
	if s == nil {
		return nil
	}
	c, _ := s.Token().(*jwtauth.Claims)
	return c
}

// account says that somebody proved who he is with a password: no guest, no token,
// no component.
func account(s *router.Session) bool {
	return s != nil && !s.Info().Anonymous && claims(s) == nil
}

// healthPrefix begins the names of rooms in which a focus tests itself.
const healthPrefix = "__jicofo-health-check"

func isHealthRoom(r *muc.Room) bool { return isHealthNode(r.Addr().Local()) }

func isHealthNode(node string) bool { return strings.HasPrefix(node, healthPrefix) }

// hasFocus says that the focus is in the room.
func (m *Rules) hasFocus(r *muc.Room) bool { return r.Occupant(m.cfg.FocusNick) != nil }

// isFocus says that a join is the focus's: only administrators get its nick.
func (m *Rules) isFocus(j *muc.Join) bool { return j.Admin && j.Nick == m.cfg.FocusNick }
