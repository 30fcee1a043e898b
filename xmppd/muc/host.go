package muc

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"

	"parley/internal/logx"
	"parley/internal/store"
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// Host serves one domain of rooms. Its methods may be called from any goroutine.
type Host struct {
	domain string
	cfg    Config
	rt     *router.Router
	hooks  *Hooks
	log    *logrus.Entry
	salt   []byte // of occupant ids

	db   *store.Store // nil: nothing outlives the server
	kept atomic.Int64 // rooms that are in the database

	archive Archive // nil: nothing that is said is kept

	stats counters
	wg    sync.WaitGroup

	mu     sync.Mutex // guards the fields below; leaf lock
	rooms  map[string]*Room
	closed bool
}

// counters are read by metrics and status.
type counters struct {
	rooms, occupants              atomic.Int64
	created, joins, refused       atomic.Uint64
	messages, presences, requests atomic.Uint64
	overflows, panics             atomic.Uint64
}

// Stats are the numbers of a host since it started; Rooms and Occupants are those
// of now.
type Stats struct {
	Rooms     int64  `json:"rooms"`
	Occupants int64  `json:"occupants"`
	Created   uint64 `json:"rooms_created"`
	Joins     uint64 `json:"joins"`
	Refused   uint64 `json:"joins_refused"`
	Messages  uint64 `json:"messages"`
	Presences uint64 `json:"presences"`
	Requests  uint64 `json:"requests"`
	Overflows uint64 `json:"mailbox_overflows"`
	Panics    uint64 `json:"panics"`
}

// NewHost makes the rooms of a domain. The caller adds it to the router, fills
// hooks before that, and calls Close.
func NewHost(domain string, cfg Config, rt *router.Router, hooks *Hooks, log *logrus.Entry) (*Host, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("rooms of %s: %w", domain, err)
	}
	if _, err := stanza.ParseAddr(domain); err != nil {
		return nil, fmt.Errorf("rooms of %q: %w", domain, err)
	}
	if hooks == nil {
		hooks = &Hooks{}
	}
	h := &Host{
		domain: domain, cfg: cfg, rt: rt, hooks: hooks, log: log.WithField(logx.Host, domain),
		rooms: make(map[string]*Room), salt: make([]byte, 32),
	}
	_, _ = rand.Read(h.salt) // never fails since Go 1.24
	h.ownRules()
	return h, nil
}

// Domain is the domain of the rooms.
func (h *Host) Domain() string { return h.domain }

// Config is the configuration; do not change it.
func (h *Host) Config() *Config { return &h.cfg }

// Router is where the rooms speak.
func (h *Host) Router() *router.Router { return h.rt }

// Hooks is where other rules join in, before the first stanza.
func (h *Host) Hooks() *Hooks { return h.hooks }

// HandleStanza implements router.Host.
func (h *Host) HandleStanza(st *stanza.Stanza, from *router.Session) {
	if st.To.Local() == "" {
		h.handleHost(st)
		return
	}
	joins := st.Kind == stanza.Presence && st.Type == "" && st.Has(ns.MUC, "x")
	node, addr, ok := h.locate(st.To)
	if !ok {
		h.rt.Bounce(st, errNoRoomHere)
		return
	}
	for {
		room, refusal := h.room(node, addr, joins)
		if room == nil {
			h.nobodyHome(st, refusal)
			return
		}
		u := ordinary
		if st.Kind == stanza.Presence && st.Type == stanza.Unavailable {
			u = leaving // who goes is let out even when the room is busy
		}
		switch room.box.post(func() { room.handleStanza(st, from) }, u) {
		case posted:
			return
		case full:
			h.stats.overflows.Add(1)
			h.rt.Bounce(st, errBusy)
			return
		case closed:
			h.forget(room)
		}
	}
}

// nobodyHome answers what is said to a room that is not there.
func (h *Host) nobodyHome(st *stanza.Stanza, refusal *stanza.Error) {
	switch {
	case refusal != nil:
	case st.Kind == stanza.Presence && st.Type == "":
		refusal = errPresenceInRoom
	default:
		refusal = errNoRoomHere
	}
	if st.Kind == stanza.Presence && st.Type != "" {
		return
	}
	h.rt.Bounce(st, refusal)
}

// locate finds the name under which the host keeps a room, and the address it has
// on the wire. A tenant's rooms have a domain of their own there,
// conference.TENANT.base, and the name [TENANT]room here (Jitsi's mod_muc_domain_mapper);
// both forms lead to the same room.
func (h *Host) locate(to stanza.Addr) (node string, addr stanza.Addr, ok bool) {
	label, base, _ := strings.Cut(h.domain, ".")
	if to.Domain() == h.domain {
		tenant, name, tenanted := strings.Cut(strings.TrimPrefix(to.Local(), "["), "]")
		if !strings.HasPrefix(to.Local(), "[") || !tenanted {
			return to.Local(), to.Bare(), true
		}
		addr, err := stanza.NewAddr(name, label+"."+tenant+"."+base, "")
		return to.Local(), addr, err == nil && name != "" && tenant != "" && !strings.Contains(tenant, ".")
	}
	tenant, prefixed := strings.CutPrefix(to.Domain(), label+".")
	tenant, suffixed := strings.CutSuffix(tenant, "."+base)
	if !prefixed || !suffixed || tenant == "" || strings.ContainsAny(tenant, ".]") {
		return "", stanza.Addr{}, false
	}
	return "[" + tenant + "]" + to.Local(), to.Bare(), true
}

// room finds a room, or makes one for somebody who wants to enter.
func (h *Host) room(node string, addr stanza.Addr, create bool) (*Room, *stanza.Error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.rooms[node]; r != nil {
		return r, nil
	}
	switch {
	case !create || h.closed:
		return nil, nil
	case len(h.rooms) >= h.cfg.MaxRooms:
		return nil, errTooManyRooms
	}
	r := newRoom(h, node, addr)
	h.rooms[node] = r
	h.wg.Go(r.run)
	return r, nil
}

// find is the room at an address, nil if there is none.
func (h *Host) find(room stanza.Addr) *Room {
	node, addr, ok := h.locate(room)
	if !ok {
		return nil
	}
	r, _ := h.room(node, addr, false)
	return r
}

// forget takes a closed room out of the table.
func (h *Host) forget(r *Room) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rooms[r.node] == r {
		delete(h.rooms, r.node)
	}
}

// Close ends all rooms without a word to the occupants, whose streams are closed
// by their owners, and waits for the rooms' goroutines. It may be called twice.
func (h *Host) Close() {
	h.mu.Lock()
	h.closed = true
	rooms := h.list()
	h.mu.Unlock()
	for _, r := range rooms {
		r.box.post(func() { r.stopping = true }, internal)
	}
	h.wg.Wait()
}

// list is the rooms at this moment; h.mu is held.
func (h *Host) list() []*Room {
	rooms := make([]*Room, 0, len(h.rooms))
	for _, r := range h.rooms {
		rooms = append(rooms, r)
	}
	return rooms
}

// Do runs f on the goroutine of a room that exists, if the room is there, and
// does not wait for it.
func (h *Host) Do(room stanza.Addr, f func(*Room)) error {
	r := h.find(room)
	if r == nil {
		return ErrNoRoom
	}
	switch r.box.post(func() {
		if r.exists {
			f(r)
		}
	}, ordinary) {
	case full:
		return fmt.Errorf("%s: %w", room, errBusy)
	case closed:
		return ErrNoRoom
	}
	return nil
}

// Stats are the numbers of the host.
func (h *Host) Stats() Stats {
	c := &h.stats
	return Stats{
		Rooms: c.rooms.Load(), Occupants: c.occupants.Load(), Created: c.created.Load(), Joins: c.joins.Load(),
		Refused: c.refused.Load(), Messages: c.messages.Load(), Presences: c.presences.Load(), Requests: c.requests.Load(),
		Overflows: c.overflows.Load(), Panics: c.panics.Load(),
	}
}

// RoomInfo is a room as ctl and status show it.
type RoomInfo struct {
	Address   string         `json:"room"`
	Created   int64          `json:"created"` // seconds since 1970
	Subject   string         `json:"subject,omitempty"`
	Occupants []OccupantInfo `json:"occupants"`
	Waiting   int            `json:"waiting,omitempty"` // joins held back
	// Persistent says that it stays when it is empty, Locked that it waits for its
	// first configuration.
	Persistent bool `json:"persistent,omitempty"`
	Locked     bool `json:"locked,omitempty"`
	// Details are what other rules know about the room, such as its meeting id.
	Details map[string]string `json:"details,omitempty"`
}

// OccupantInfo is an occupant as ctl and status show it.
type OccupantInfo struct {
	Nick        string   `json:"nick"`
	Real        []string `json:"jid"`
	Affiliation string   `json:"affiliation"`
	Role        string   `json:"role"`
	Joined      int64    `json:"joined"` // seconds since 1970
}

// Rooms shows every room, sorted by address. It waits for each room's goroutine,
// so it must not be called from one.
func (h *Host) Rooms() []RoomInfo {
	h.mu.Lock()
	rooms := h.list()
	h.mu.Unlock()
	infos := make(chan RoomInfo, len(rooms))
	asked := 0
	for _, r := range rooms {
		if r.box.post(func() { infos <- r.snapshot() }, internal) == posted {
			asked++
		}
	}
	out := make([]RoomInfo, 0, asked)
	for range asked {
		if i := <-infos; i.Address != "" {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b RoomInfo) int {
		if a.Address < b.Address {
			return -1
		}
		return 1
	})
	return out
}

// Occupants shows who is in a room; ErrNoRoom if there is none.
func (h *Host) Occupants(room stanza.Addr) ([]OccupantInfo, error) {
	answer := make(chan RoomInfo, 1)
	r := h.find(room)
	if r == nil || r.box.post(func() { answer <- r.snapshot() }, internal) != posted {
		return nil, ErrNoRoom
	}
	info := <-answer
	if info.Address == "" {
		return nil, ErrNoRoom
	}
	return info.Occupants, nil
}

// MarshalJSON shows the host to ctl.
func (h *Host) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Host  string     `json:"host"`
		Stats Stats      `json:"stats"`
		Rooms []RoomInfo `json:"rooms"`
	}{h.domain, h.Stats(), h.Rooms()})
}
