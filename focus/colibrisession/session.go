package colibrisession

import (
	"errors"
	"slices"

	"parley/internal/wire/colibri"
	"parley/internal/wire/jingle"
)

// Session is what one bridge was told about one conference.
type Session struct {
	id      string // names this session to clients (bridge-session)
	bridge  string
	region  string
	relayID string
	seq     int
	meeting string
	room    string
	// noStats: the first request of the room asked for no statistics.
	noStats bool

	created   bool
	feedback  *colibri.Sources // the bridge's own, from its first answer
	endpoints map[string]*endpoint
	relays    map[string]*relay // by the relay id of the other bridge
}

type endpoint struct {
	statsID    string
	muted      colibri.ForceMute
	generation uint32 // of the ICE restart last passed on
}

// Params are the fixed facts of a session.
type Params struct {
	ID        string // unique; clients echo it
	Bridge    string // address of the bridge
	Region    string // of the bridge, may be empty
	RelayID   string // of the bridge, empty if it cannot be linked to others
	Seq       int    // grows with every session of the conference
	MeetingID string
	Room      string
	RTCStats  bool
}

// New starts a dialogue; the first request will create the conference.
func New(p Params) *Session {
	return &Session{
		id: p.ID, bridge: p.Bridge, region: p.Region, relayID: p.RelayID, seq: p.Seq, meeting: p.MeetingID, room: p.Room,
		noStats: !p.RTCStats, endpoints: make(map[string]*endpoint), relays: make(map[string]*relay),
	}
}

// ID is the bridge-session id clients echo.
func (s *Session) ID() string { return s.id }

// Bridge is the address requests go to.
func (s *Session) Bridge() string { return s.bridge }

// Region is the bridge's region, "" if it has none.
func (s *Session) Region() string { return s.region }

// Len is the number of endpoints.
func (s *Session) Len() int { return len(s.endpoints) }

// Feedback are the bridge's own sources, nil before its first answer.
func (s *Session) Feedback() *colibri.Sources { return s.feedback }

// Endpoint is a participant to be placed on the bridge.
type Endpoint struct {
	ID           string
	StatsID      string
	Media        []colibri.Media
	SCTP         bool
	Sources      *colibri.Sources // normally nil: nothing is sent yet
	ForceMute    colibri.ForceMute
	Capabilities []string // besides source-names, which every endpoint has
}

// Allocate asks for an endpoint. Only the first request of the session creates the
// conference; the order on the stream is all the next one needs.
func (s *Session) Allocate(e Endpoint) *colibri.Modify {
	m := s.modify()
	if !s.created {
		s.created = true
		m.Create, m.Name = true, s.room
		if s.noStats {
			m.RTCStatsEnabled = new(bool)
		}
	}
	ep := colibri.Endpoint{
		ID: e.ID, Create: true, StatsID: e.StatsID, Media: e.Media,
		Transport:    &colibri.Transport{ICEControlling: true},
		Sources:      e.Sources,
		Capabilities: []colibri.Capability{{Name: colibri.CapSourceNames}},
	}
	if ep.Sources == nil {
		ep.Sources = &colibri.Sources{}
	}
	if e.SCTP {
		ep.Transport.SCTP = &colibri.SCTP{}
	}
	if e.ForceMute != (colibri.ForceMute{}) {
		mute := e.ForceMute
		ep.ForceMute = &mute
	}
	for _, name := range e.Capabilities {
		ep.Capabilities = append(ep.Capabilities, colibri.Capability{Name: name})
	}
	s.endpoints[e.ID] = &endpoint{statsID: e.StatsID, muted: e.ForceMute}
	m.Endpoints = []colibri.Endpoint{ep}
	return m
}

// ErrNoTransport says that an answer does not hold what was asked for.
var ErrNoTransport = errors.New("the bridge answered without a transport")

// Allocated reads the answer to Allocate: the transport, and whether there is the data
// channel that was asked for.
func (s *Session) Allocated(id string, m *colibri.Modified) (t *jingle.Transport, sctp bool, err error) {
	if s.feedback == nil && m.Sources != nil {
		s.feedback = m.Sources
	}
	ep := find(m, id)
	if ep == nil || ep.Transport == nil || ep.Transport.ICE == nil {
		return nil, false, ErrNoTransport
	}
	return ep.Transport.ICE, ep.Transport.SCTP != nil, nil
}

// Update is a change of an endpoint; what is nil stays as it is.
type Update struct {
	Transport *jingle.Transport
	Sources   *colibri.Sources // always the complete set
	LastN     *int
}

// Update tells the bridge about a change; nil if it does not have the endpoint.
func (s *Session) Update(id string, u Update) *colibri.Modify {
	known := s.endpoints[id]
	if known == nil {
		return nil
	}
	ep := colibri.Endpoint{ID: id, StatsID: known.statsID, Sources: u.Sources}
	if u.Transport != nil {
		t := u.Transport.Clone()
		t.RTCPMux = &jingle.Empty{}
		ep.Transport = &colibri.Transport{ICE: t}
	}
	if u.LastN != nil {
		ep.InitialLastN = &jingle.InitialLastN{Value: *u.LastN}
	}
	return s.with(ep)
}

// RestartICE asks for a new transport of the same endpoint; nil if the bridge does
// not have it.
func (s *Session) RestartICE(id string) *colibri.Modify {
	known := s.endpoints[id]
	if known == nil {
		return nil
	}
	return s.with(colibri.Endpoint{ID: id, StatsID: known.statsID, Transport: &colibri.Transport{ICERestart: true}})
}

// Restart is what a bridge made of a request to restart ICE.
type Restart int

// The outcomes of RestartICE.
const (
	RestartRelay   Restart = iota // pass the new transport on
	RestartKept                   // the bridge kept what it had: nothing to do
	RestartRefused                // it cannot: a new session is needed
)

// Restarted reads the answer to RestartICE. A generation that was passed on before
// is not passed on again.
func (s *Session) Restarted(id string, m *colibri.Modified) (*jingle.Transport, Restart) {
	known, ep := s.endpoints[id], find(m, id)
	if known == nil {
		return nil, RestartKept
	}
	if ep == nil || ep.Transport == nil || ep.Transport.ICE == nil {
		return nil, RestartRefused
	}
	t := ep.Transport.ICE
	if t.ICEGeneration == nil || *t.ICEGeneration <= known.generation {
		return nil, RestartKept
	}
	known.generation = *t.ICEGeneration
	return t, RestartRelay
}

// ForceMute tells the bridge whom to silence; only changes are sent, nil if there
// are none. Endpoints the bridge does not have are skipped.
func (s *Session) ForceMute(wanted map[string]colibri.ForceMute) *colibri.Modify {
	m := s.modify()
	for _, id := range sortedKeys(wanted) {
		known := s.endpoints[id]
		if known == nil || known.muted == wanted[id] {
			continue
		}
		known.muted = wanted[id]
		mute := wanted[id]
		m.Endpoints = append(m.Endpoints, colibri.Endpoint{ID: id, ForceMute: &mute})
	}
	if len(m.Endpoints) == 0 {
		return nil
	}
	return m
}

// Expire takes an endpoint off the bridge. With the last one the conference goes
// too, and the session is over. Nil if the bridge does not have the endpoint.
func (s *Session) Expire(id string) *colibri.Modify {
	if s.endpoints[id] == nil {
		return nil
	}
	delete(s.endpoints, id)
	if len(s.endpoints) == 0 {
		return s.ExpireAll()
	}
	return s.with(colibri.Endpoint{ID: id, Expire: true})
}

// ExpireAll ends the conference on the bridge, and the session. Nil if the bridge
// never heard of it.
func (s *Session) ExpireAll() *colibri.Modify {
	if !s.created {
		return nil
	}
	clear(s.endpoints)
	clear(s.relays)
	m := s.modify()
	m.Expire = true
	return m
}

// Knock changes nothing: the answer tells whether the bridge still has the conference. Nil
// if it never heard of it.
func (s *Session) Knock() *colibri.Modify {
	if !s.created {
		return nil
	}
	return s.modify()
}

func (s *Session) modify() *colibri.Modify { return &colibri.Modify{MeetingID: s.meeting} }

func (s *Session) with(ep colibri.Endpoint) *colibri.Modify {
	m := s.modify()
	m.Endpoints = []colibri.Endpoint{ep}
	return m
}

func find(m *colibri.Modified, id string) *colibri.Endpoint {
	for i := range m.Endpoints {
		if m.Endpoints[i].ID == id {
			return &m.Endpoints[i]
		}
	}
	return nil
}

func sortedKeys(m map[string]colibri.ForceMute) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
