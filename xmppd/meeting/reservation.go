package meeting

import (
	"strconv"
	"sync"
	"time"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// Bounds of what is kept about reservations.
const (
	refusalTime     = 30 * time.Second // how long a refusal is remembered
	maxReservations = 10000
	maxWaiting      = 200 // requests that wait for one answer
	maxLookups      = 32  // requests to the reservation server at one time
)

var errTooManyReservations = stanza.Err(stanza.Wait, stanza.ResourceConstraint, "Too many rooms are asked for at this moment")

// reservations asks another server whether a room may be held, before the focus hears
// of it (mod_reservations). It stands in front of the focus's domain.
type reservations struct {
	rules *Rules
	cfg   ReservationConfig
	slots chan struct{} // a token for each request under way

	// mu guards the tables and what they hold, and is only held for look-ups.
	mu    sync.Mutex
	rooms map[string]*reserved // by the room's node
	open  map[string]bool      // rooms that exist
}

// reservationState is how far a reservation has come:
//
//	looking → granted
//	        → refused
type reservationState uint8

const (
	looking reservationState = iota
	granted
	refused
)

func (s reservationState) String() string { return [...]string{"looking", "granted", "refused"}[s] }

// reserved is what is known about one room.
type reserved struct {
	room    stanza.Addr
	state   reservationState
	waiting []func(*stanza.Error) // requests, in order
	refusal *stanza.Error
	until   time.Time // of a refusal
	booking booking   // when granted
	expiry  *time.Timer
}

// installReservations keeps the rooms and their reservations together.
func (m *Rules) installReservations(h *muc.Hooks) {
	if m.cfg.Reservations.URL == "" {
		return
	}
	s := &reservations{rules: m, cfg: m.cfg.Reservations, slots: make(chan struct{}, maxLookups),
		rooms: make(map[string]*reserved), open: make(map[string]bool)}
	m.reservations = s
	h.OnCreated(func(r *muc.Room) {
		b, ok := s.created(r.Node())
		if ok && s.cfg.MaxOccupants && b.MaxOccupants > 0 {
			r.SetMaxOccupants(b.MaxOccupants)
		}
		if ok && s.cfg.Password && b.Password != "" {
			r.SetPassword(b.Password)
		}
	})
	h.OnSettled(func(r *muc.Room, o *muc.Occupant) {
		if b, ok := s.granted(r.Node()); ok && s.cfg.Lobby && b.Lobby && o.Nick() == m.cfg.FocusNick && m.lobbyHost != nil {
			m.holdInLobby(r, "")
		}
	})
	h.OnDestroyed(func(r *muc.Room) { s.destroyed(r.Node()) })
}

// ask calls then, at once or when the answer is there: with nil if the room may be held.
func (s *reservations) ask(node string, room, by stanza.Addr, then func(*stanza.Error)) {
	s.mu.Lock()
	x := s.rooms[node]
	if x != nil && x.state == refused && !time.Now().Before(x.until) {
		delete(s.rooms, node)
		x = nil
	}
	refusal := (*stanza.Error)(nil)
	switch {
	case s.open[node]:
	case x == nil && len(s.rooms) >= maxReservations:
		s.pruneLocked()
		if len(s.rooms) >= maxReservations {
			refusal = errTooManyReservations
			break
		}
		fallthrough
	case x == nil:
		x = &reserved{room: room, waiting: []func(*stanza.Error){then}}
		if !s.background(func() { s.look(node, x, by) }) {
			refusal = errTooManyReservations
			break
		}
		s.rooms[node] = x
		s.mu.Unlock()
		return
	case x.state == looking && len(x.waiting) >= maxWaiting:
		refusal = errTooManyReservations
	case x.state == looking:
		x.waiting = append(x.waiting, then)
		s.mu.Unlock()
		return
	case x.state == refused:
		refusal = x.refusal
	}
	s.mu.Unlock()
	then(refusal)
}

// pruneLocked forgets old refusals.
func (s *reservations) pruneLocked() {
	now := time.Now()
	for node, x := range s.rooms {
		if x.state == refused && !now.Before(x.until) {
			delete(s.rooms, node)
		}
	}
}

// background runs f beside, if not too much runs already.
func (s *reservations) background(f func()) bool {
	if s.rules.ctx.Err() != nil {
		return false
	}
	select {
	case s.slots <- struct{}{}:
	default:
		return false
	}
	s.rules.background.Go(func() {
		defer func() { <-s.slots }()
		f()
	})
	return true
}

// look asks the reservation server and answers all who wait.
func (s *reservations) look(node string, x *reserved, by stanza.Addr) {
	log := s.rules.log.WithField(logx.Room, node)
	b, refusal := s.request(node, by)
	s.mu.Lock()
	waiting := x.waiting
	x.waiting = nil
	if refusal == nil && !time.Now().Before(b.ends) {
		refusal = &refusedBooking{code: codeExpired, text: "Reservation expired"}
	}
	if refusal != nil {
		x.state, x.refusal, x.until = refused, refusal.stanza(), time.Now().Add(refusalTime)
		log.WithError(refusal).Info("reservation refused")
	} else {
		x.state, x.booking = granted, b
		x.expiry = time.AfterFunc(time.Until(b.ends), func() { s.expired(node, x) })
		log.WithField("reservation", b.ID).WithField("ends", b.ends).Info("reservation granted")
	}
	answer := x.refusal
	s.mu.Unlock()
	for _, then := range waiting {
		then(answer)
	}
}

// created is told of each room that begins, and answers what was reserved for it.
func (s *reservations) created(node string) (booking, bool) {
	s.mu.Lock()
	s.open[node] = true
	s.mu.Unlock()
	return s.granted(node)
}

func (s *reservations) granted(node string) (booking, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.rooms[node]; x != nil && x.state == granted {
		return x.booking, true
	}
	return booking{}, false
}

// destroyed is told of each room that ends: its reservation has been used.
func (s *reservations) destroyed(node string) {
	s.mu.Lock()
	delete(s.open, node)
	x := s.rooms[node]
	if x == nil || x.state != granted {
		s.mu.Unlock()
		return
	}
	delete(s.rooms, node)
	x.expiry.Stop()
	s.mu.Unlock()
	s.release(node, x)
}

// expired ends a meeting whose time is over.
func (s *reservations) expired(node string, x *reserved) {
	s.mu.Lock()
	current := s.rooms[node] == x
	open := s.open[node]
	if current && !open {
		delete(s.rooms, node)
	}
	s.mu.Unlock()
	switch {
	case !current:
	case open: // its end releases the reservation
		_ = s.rules.host.Do(x.room, func(r *muc.Room) {
			r.Destroy("Scheduled conference duration exceeded.", stanza.Addr{}, "")
		})
	default:
		s.release(node, x)
	}
}

// release tells the reservation server that the room is free.
func (s *reservations) release(node string, x *reserved) {
	log := s.rules.log.WithField(logx.Room, node).WithField("reservation", x.booking.ID)
	if !s.background(func() {
		if err := s.remove(x.booking.ID); err != nil {
			log.WithError(err).Warn("end of a reserved meeting could not be told")
		}
	}) && s.rules.ctx.Err() == nil {
		log.Warn("end of a reserved meeting is not told: too many requests are under way")
	}
}

// close ends the timers.
func (s *reservations) close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.rooms {
		if x.expiry != nil {
			x.expiry.Stop()
		}
	}
}

// Codes clients know.
const (
	codeExpired  = 419
	codeInternal = 500
)

// refusedBooking is why a room may not be held.
type refusedBooking struct {
	code int
	text string
}

func (e *refusedBooking) Error() string { return strconv.Itoa(e.code) + ": " + e.text }

// stanza is the answer clients know (mod_reservations).
func (e *refusedBooking) stanza() *stanza.Error {
	out := stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, e.text)
	var b stanza.Builder
	out.App = b.Empty(ns.Focus, "reservation-error", "error-code", strconv.Itoa(e.code)).Bytes()
	return out
}
