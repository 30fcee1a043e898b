package xmppclient

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"parley/internal/logx"
	"parley/internal/wire/ns"
)

// RoomOptions say how a room is entered and who hears of it. The callbacks are called
// on the reader's goroutine unless something else is said, and must not block.
type RoomOptions struct {
	Password string
	// Payload is what our presence carries.
	Payload []any
	// OnPresence hears of every occupant's presence, ours too, in order.
	OnPresence Handler
	// OnMessage hears of the room's messages; nil leaves them to HandleMessage.
	OnMessage Handler
	// OnLost is called once when we are no longer in the room without having left: kicked,
	// room destroyed, or connection lost. Never on Leave. A kept room enters again.
	OnLost func(err error)
	// OnJoined is called each time a kept room has been entered, on a goroutine where IQs
	// may be awaited.
	OnJoined func(ctx context.Context, r *Room)
}

// Room is our place in a multi-user chat room (XEP-0045).
type Room struct {
	c        *Client
	occupant string // room@host/nick
	opts     RoomOptions
	keep     bool

	// mu guards what follows. joining receives the outcome of a running join.
	mu      sync.Mutex
	payload []any
	joined  bool
	created bool
	joining chan error
	left    bool
	lost    chan struct{} // capacity 1: tells the keeper to enter again

	stop     chan struct{}
	stopOnce sync.Once
}

const (
	joinTimeout  = 15 * time.Second
	rejoinPause  = 5 * time.Second
	leaveTimeout = 5 * time.Second
)

type mucJoin struct {
	XMLName  xml.Name    `xml:"http://jabber.org/protocol/muc x"`
	History  *mucHistory `xml:"history"`
	Password string      `xml:"password,omitempty"`
}

type mucHistory struct {
	MaxStanzas int `xml:"maxstanzas,attr"`
}

type mucPresence struct {
	User struct {
		Items []struct {
			Role string `xml:"role,attr"`
			Nick string `xml:"nick,attr"`
		} `xml:"item"`
		Statuses []struct {
			Code int `xml:"code,attr"`
		} `xml:"status"`
		Destroy *struct{} `xml:"destroy"`
	} `xml:"http://jabber.org/protocol/muc#user x"`
}

func (p *mucPresence) has(code int) bool {
	for _, s := range p.User.Statuses {
		if s.Code == code {
			return true
		}
	}
	return false
}

// Join enters the room as occupant (room@host/nick) and returns when the server has
// admitted us. It must not be called from a handler. When the connection is lost, the
// Room is over.
func (c *Client) Join(ctx context.Context, occupant string, opts RoomOptions) (*Room, error) {
	r, err := c.addRoom(occupant, opts, false)
	if err != nil {
		return nil, err
	}
	if err := r.enter(ctx); err != nil {
		c.removeRoom(r)
		return nil, err
	}
	return r, nil
}

// Keep stays in the room: it enters as soon as there is a connection, again after each
// reconnect, and every few seconds if the room refuses.
func (c *Client) Keep(occupant string, opts RoomOptions) (*Room, error) {
	r, err := c.addRoom(occupant, opts, true)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running && !c.ended {
		c.startKeeper(r)
	}
	return r, nil
}

func (c *Client) addRoom(occupant string, opts RoomOptions, keep bool) (*Room, error) {
	if Resource(occupant) == "" || Local(occupant) == "" {
		return nil, fmt.Errorf("room: %q is not room@host/nick", occupant)
	}
	r := &Room{c: c, occupant: occupant, opts: opts, keep: keep, payload: opts.Payload,
		stop: make(chan struct{}), lost: make(chan struct{}, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.rooms[Bare(occupant)]; ok {
		return nil, fmt.Errorf("room: already in %s", Bare(occupant))
	}
	c.rooms[Bare(occupant)] = r
	return r, nil
}

func (c *Client) removeRoom(r *Room) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rooms[Bare(r.occupant)] == r {
		delete(c.rooms, Bare(r.occupant))
	}
}

func (c *Client) roomOf(from string) *Room {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rooms[Bare(from)]
}

// Occupant is our address in the room.
func (r *Room) Occupant() string { return r.occupant }

// Addr is the room's address.
func (r *Room) Addr() string { return Bare(r.occupant) }

// Joined says whether we are in the room now.
func (r *Room) Joined() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.joined
}

// Created says whether our last join made the room.
func (r *Room) Created() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.created
}

// enter sends the join and waits for the outcome.
func (r *Room) enter(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	outcome := make(chan error, 1)
	r.mu.Lock()
	if r.left {
		r.mu.Unlock()
		return ErrLeft
	}
	r.joining = outcome
	join := mucJoin{Password: r.opts.Password, History: &mucHistory{}}
	payload := append([]any{join}, r.payload...)
	r.mu.Unlock()
	if err := r.c.Send(Presence{ID: r.c.NewID(), To: r.occupant, Payload: payload}); err != nil {
		return fmt.Errorf("join %s: %w", r.Addr(), err)
	}
	select {
	case err := <-outcome:
		if err != nil {
			return fmt.Errorf("join %s: %w", r.Addr(), err)
		}
		return nil
	case <-ctx.Done():
		r.mu.Lock()
		late := r.joined
		r.joining = nil
		r.mu.Unlock()
		if !late { // we may have been admitted in a presence that is still on its way
			_ = r.c.Send(Presence{Type: TypeUnavailable, To: r.occupant})
			return fmt.Errorf("join %s: %w", r.Addr(), ErrTimeout)
		}
		return nil
	}
}

// handlePresence runs on the reader's goroutine.
func (r *Room) handlePresence(st *Stanza) {
	var p mucPresence
	err := st.Decode(&p)
	if err != nil {
		return // the server routes only well-formed presence; nothing to act on
	}
	self := st.From == r.occupant || p.has(110)
	switch {
	case st.Type == TypeError && (self || st.From == r.Addr()):
		r.settle(st.Err())
		return
	case self && st.Type == TypeUnavailable:
		r.deliver(st)
		r.gone(reasonOf(&p))
		return
	case self && st.Type == "":
		r.mu.Lock()
		r.joined, r.created = true, r.created || p.has(201)
		r.mu.Unlock()
		r.deliver(st)
		r.settle(nil)
		return
	}
	r.deliver(st)
}

func (r *Room) deliver(st *Stanza) {
	if r.opts.OnPresence != nil {
		r.opts.OnPresence(st)
	}
}

func (r *Room) settle(err error) {
	r.mu.Lock()
	outcome := r.joining
	r.joining = nil
	r.mu.Unlock()
	if outcome != nil {
		outcome <- err
	}
}

func reasonOf(p *mucPresence) error {
	switch {
	case p.User.Destroy != nil:
		return fmt.Errorf("%w: room destroyed", ErrLeft)
	case p.has(301):
		return fmt.Errorf("%w: banned", ErrLeft)
	case p.has(307):
		return fmt.Errorf("%w: kicked", ErrLeft)
	case p.has(332):
		return fmt.Errorf("%w: service shuts down", ErrLeft)
	}
	return ErrLeft
}

// gone is called when we are out of the room, for whatever reason.
func (r *Room) gone(err error) {
	r.mu.Lock()
	was, left, outcome := r.joined, r.left, r.joining
	r.joined, r.created, r.joining = false, false, nil
	r.mu.Unlock()
	if outcome != nil {
		outcome <- err
	}
	if !was && !left {
		return
	}
	if !r.keep {
		r.c.removeRoom(r)
	}
	if left {
		r.stopOnce.Do(func() { close(r.stop) })
		return
	}
	if r.opts.OnLost != nil {
		r.opts.OnLost(err)
	}
	select {
	case r.lost <- struct{}{}:
	default:
	}
}

// roomsDown tells every room that the connection is lost.
func (c *Client) roomsDown(err error) {
	c.mu.Lock()
	rooms := make([]*Room, 0, len(c.rooms))
	for _, r := range c.rooms {
		rooms = append(rooms, r)
	}
	c.mu.Unlock()
	for _, r := range rooms {
		r.gone(errors.Join(ErrDisconnected, err))
		if !r.keep {
			c.removeRoom(r)
		}
	}
}

// SetPresence replaces what our presence in the room carries, and sends it if we are in.
func (r *Room) SetPresence(payload ...any) error {
	r.mu.Lock()
	r.payload = payload
	in := r.joined
	r.mu.Unlock()
	if !in {
		return nil // the next join carries it
	}
	return r.c.Send(Presence{To: r.occupant, Payload: payload})
}

// Leave leaves the room and waits a moment for the server to confirm it.
func (r *Room) Leave(ctx context.Context) error {
	r.mu.Lock()
	already := r.left
	in := r.joined
	r.left = true
	r.mu.Unlock()
	defer r.c.removeRoom(r)
	if already || !in {
		r.stopOnce.Do(func() { close(r.stop) })
		return nil
	}
	if err := r.c.Send(Presence{Type: TypeUnavailable, To: r.occupant}); err != nil {
		r.stopOnce.Do(func() { close(r.stop) })
		return fmt.Errorf("leave %s: %w", r.Addr(), err)
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	select {
	case <-r.stop:
		return nil
	case <-ctx.Done():
		r.stopOnce.Do(func() { close(r.stop) })
		return ctx.Err()
	}
}

// Config reads the room's configuration form (owners only).
func (r *Room) Config(ctx context.Context) (*Form, error) {
	st, err := r.c.IQ(ctx, IQ{Type: TypeGet, To: r.Addr(), Payload: ownerQuery{}})
	if err != nil {
		return nil, fmt.Errorf("read configuration of %s: %w", r.Addr(), err)
	}
	var q ownerQuery
	if err := st.DecodePayload(&q); err != nil || q.Form == nil {
		return nil, fmt.Errorf("read configuration of %s: %w", r.Addr(), errors.Join(errors.New("no form"), err))
	}
	return q.Form, nil
}

// Configure submits the given fields of the configuration form (owners only).
func (r *Room) Configure(ctx context.Context, fields map[string]string) error {
	f := &Form{Type: "submit", Fields: []FormField{{Var: "FORM_TYPE", Values: []string{ns.MUCRoomConfig}}}}
	for name, value := range fields {
		f.Fields = append(f.Fields, FormField{Var: name, Values: []string{value}})
	}
	_, err := r.c.IQ(ctx, IQ{Type: TypeSet, To: r.Addr(), Payload: ownerQuery{Form: f}})
	if err != nil {
		return fmt.Errorf("configure %s: %w", r.Addr(), err)
	}
	return nil
}

type ownerQuery struct {
	XMLName xml.Name `xml:"http://jabber.org/protocol/muc#owner query"`
	Form    *Form    `xml:"jabber:x:data x"`
}

// SetAffiliation gives a person (bare JID) an affiliation, e.g. owner.
func (r *Room) SetAffiliation(ctx context.Context, bare, affiliation string) error {
	var q struct {
		XMLName xml.Name `xml:"http://jabber.org/protocol/muc#admin query"`
		Item    struct {
			Affiliation string `xml:"affiliation,attr"`
			JID         string `xml:"jid,attr"`
		} `xml:"item"`
	}
	q.Item.Affiliation, q.Item.JID = affiliation, bare
	if _, err := r.c.IQ(ctx, IQ{Type: TypeSet, To: r.Addr(), Payload: &q}); err != nil {
		return fmt.Errorf("make %s in %s: %w", strconv.Quote(affiliation), r.Addr(), err)
	}
	return nil
}

func (c *Client) startKeeper(r *Room) {
	c.keepers.Go(func() { r.keepIn() })
}

func (c *Client) stopKeepers() {
	c.mu.Lock()
	c.ended = true
	for _, r := range c.rooms {
		r.stopOnce.Do(func() { close(r.stop) })
	}
	c.mu.Unlock()
	c.keepers.Wait()
}

// keepIn enters the room again and again until it is left or the client ends.
func (r *Room) keepIn() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with keepIn
		select {
		case <-r.stop:
		case <-ctx.Done():
		}
		cancel()
	}()
	log := r.c.log.WithField(logx.Room, r.Addr())
	said := false
	for r.c.WaitConnected(ctx) == nil {
		err := r.enter(ctx)
		if err == nil {
			said = false
			log.Info("entered room")
			if r.opts.OnJoined != nil {
				r.opts.OnJoined(ctx, r)
			}
			select {
			case <-r.lost:
			case <-ctx.Done():
				return
			}
			continue
		}
		if !said && !errors.Is(err, ErrDisconnected) && ctx.Err() == nil {
			log.WithError(err).Warn("cannot enter room, trying again")
			said = true
		}
		select {
		case <-time.After(rejoinPause):
		case <-r.lost:
		case <-ctx.Done():
		}
	}
}
