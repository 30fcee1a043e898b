package meeting

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"parley/internal/logx"
	"parley/xmppd/muc"
)

// EventsConfig says which server hears of rooms and of who enters and leaves.
type EventsConfig struct {
	// URL is where that server's addresses begin: URL/events/room/created, …/destroyed,
	// URL/events/occupant/joined, …/left. Empty: nobody is told.
	URL string `yaml:"url"`
	// Headers go with each event, for instance Authorization.
	Headers map[string]string `yaml:"headers"`
	// Timeout is how long the server may take to accept one.
	Timeout time.Duration `yaml:"timeout"`
	// Retries is how often an event is offered again to a server that cannot be reached or
	// says that it is broken, a second later each time.
	Retries int `yaml:"retries"`
}

func (c EventsConfig) validate() error {
	if c.URL == "" {
		return nil
	}
	switch {
	case c.Retries < 0 || c.Retries > 10:
		return errors.New("retries: must be between 0 and 10")
	}
	return validServer(c.URL, c.Timeout, time.Minute)
}

// maxEvents bounds those that wait to be told; further ones are dropped and logged.
const maxEvents = 1000

// event is what is told, and where, with the keys of the community's mod_event_sync
// (github.com/jitsi-contrib/prosody-plugins). Times are in seconds since 1970.
type event struct {
	path string

	Name       string          `json:"event_name"`
	Room       string          `json:"room_name"`
	Address    string          `json:"room_jid"`
	IsBreakout bool            `json:"is_breakout"`
	Breakout   string          `json:"breakout_room_id,omitempty"`
	Created    int64           `json:"created_at,omitempty"`
	Destroyed  int64           `json:"destroyed_at,omitempty"`
	All        *[]visit        `json:"all_occupants,omitempty"`
	Present    *int            `json:"active_occupants_count,omitempty"`
	Occupant   json.RawMessage `json:"occupant,omitempty"`
}

// visit is the time somebody spent in a room.
type visit struct {
	Address string `json:"occupant_jid"`
	Joined  int64  `json:"joined_at"`
	Left    int64  `json:"left_at,omitempty"`
	Name    string `json:"name,omitempty"`
	Email   string `json:"email,omitempty"`
	ID      string `json:"id,omitempty"`
}

// visits are those of one room, bounded as what comes and goes is not.
type visits struct{ all []*visit }

const maxVisits = 10000

// installEvents tells another server of rooms and people.
func (m *Rules) installEvents() {
	if m.cfg.Events.URL == "" {
		return
	}
	queue := make(chan event, maxEvents)
	m.background.Go(func() { m.tellEvents(queue) })
	var full logx.Seldom
	tell := func(e event) {
		select {
		case queue <- e:
		default:
			if full.Due() {
				m.log.Warn("events are dropped: the server of meeting.events is too slow")
			}
		}
	}
	m.conferences(func(h *muc.Hooks) {
		h.OnCreated(func(r *muc.Room) {
			if e, ok := m.eventOf(r, "room/created"); ok {
				tell(e)
			}
		})
		h.OnDestroyed(func(r *muc.Room) {
			if e, ok := m.eventOf(r, "room/destroyed"); ok {
				e.Destroyed = time.Now().Unix()
				list := []visit{}
				for _, v := range stateOf[visits](r).all {
					if v.Left == 0 { // who is put out by it does not leave by himself
						v.Left = e.Destroyed
					}
					list = append(list, *v)
				}
				e.All = &list
				tell(e)
			}
		})
		h.OnJoined(func(r *muc.Room, o *muc.Occupant) {
			if e, ok := m.eventOf(r, "occupant/joined"); ok && m.counted(o) {
				tell(m.withVisit(e, r, enter(r, o)))
			}
		})
		h.OnLeft(func(r *muc.Room, o *muc.Occupant) {
			if e, ok := m.eventOf(r, "occupant/left"); ok && m.counted(o) {
				tell(m.withVisit(e, r, leave(r, o)))
			}
		})
	})
}

// eventOf describes a room; there is nothing to tell of those in which a focus tests
// itself.
func (m *Rules) eventOf(r *muc.Room, path string) (event, bool) {
	e := event{path: path, Name: "muc-" + strings.ReplaceAll(path, "/", "-"), Room: r.Addr().Local(), Address: r.Addr().String(), Created: r.Created().Unix()}
	if r.Host() == m.breakoutHost {
		e.IsBreakout, e.Breakout = true, r.Addr().String()
		if f, ok := m.families.Load(r.Node()); ok {
			main := f.(*family).main.Addr()
			e.Room, e.Address = main.Local(), main.String()
		}
	}
	return e, !isHealthRoom(r)
}

func (m *Rules) withVisit(e event, r *muc.Room, v visit) event {
	n := 0
	for _, o := range r.Occupants() {
		if m.counted(o) {
			n++
		}
	}
	e.Present = &n
	e.Occupant, _ = json.Marshal(v)
	return e
}

// enter begins a visit.
func enter(r *muc.Room, o *muc.Occupant) visit {
	v := &visit{Address: o.Real().String(), Joined: time.Now().Unix(), Name: displayName(o)}
	if c := claims(o.Session()); c != nil {
		v.ID, v.Email = c.User.ID, c.User.Email
		if v.Name == "" {
			v.Name = c.User.Name
		}
	}
	s := stateOf[visits](r)
	if len(s.all) < maxVisits {
		s.all = append(s.all, v)
	}
	return *v
}

// leave ends it.
func leave(r *muc.Room, o *muc.Occupant) visit {
	at := o.Real().String()
	s := stateOf[visits](r)
	for i := len(s.all) - 1; i >= 0; i-- {
		if v := s.all[i]; v.Address == at && v.Left == 0 {
			v.Left = time.Now().Unix()
			if name := displayName(o); name != "" {
				v.Name = name
			}
			return *v
		}
	}
	return visit{Address: at, Left: time.Now().Unix(), Name: displayName(o)}
}

// tellEvents posts one event after the other, in the order in which they happened, until
// the rules are closed. What is left then is not told.
func (m *Rules) tellEvents(queue <-chan event) {
	var lost logx.Seldom
	for {
		select {
		case <-m.ctx.Done():
			return
		case e := <-queue:
			if err := m.tellEvent(e); err != nil && m.ctx.Err() == nil && lost.Due() {
				m.log.WithError(err).WithField(logx.Room, e.Room).Warn("an event could not be told")
			}
		}
	}
}

func (m *Rules) tellEvent(e event) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		again, err := m.offerEvent(e.path, body)
		if err == nil || !again || try >= m.cfg.Events.Retries || !m.waitASecond() {
			return err
		}
	}
}

// offerEvent is one attempt; again says that another makes sense.
func (m *Rules) offerEvent(path string, body []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.Events.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(m.cfg.Events.URL, "/")+"/events/"+path, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range m.cfg.Events.Headers {
		req.Header.Set(name, value)
	}
	res, err := m.web.Do(req)
	if err != nil {
		return true, err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4096))
	if res.StatusCode >= 300 {
		return res.StatusCode >= 500, &statusError{res.Status}
	}
	return false, nil
}

// waitASecond is false if there is no time any more.
func (m *Rules) waitASecond() bool {
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-m.ctx.Done():
		return false
	}
}
