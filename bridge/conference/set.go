package conference

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"parley/bridge/allocate"
	"parley/bridge/channel"
	"parley/internal/logx"
	"parley/internal/metrics"
)

// Counters count what happened in all conferences since the start.
type Counters struct {
	ConferencesCreated, ConferencesCompleted, ConferenceSeconds metrics.Counter
	Participants, Visitors                                      metrics.Counter
	ICESucceeded, TransportFailed                               metrics.Counter
	NoChannel                                                   metrics.Counter
	Relays, RelaysFailed, RelaysNoChannel                       metrics.Counter
	RelayPacketsReceived, RelayPacketsSent                      metrics.Counter
	RelayBytesReceived, RelayBytesSent                          metrics.Counter
	Disconnected, Reconnected                                   metrics.Counter
	SpeakerChanges, KeyframesAhead, KeyframesAheadSkipped       metrics.Counter
	Keyframes, LayerChanges, VideoMilliseconds, Unmatched       metrics.Counter
	Messages, BadMessages, UnknownMessages, EventsDropped       metrics.Counter
}

// Set holds the conferences of a bridge. It is safe for use by several goroutines.
type Set struct {
	cfg      Config
	net      Network
	channels *channel.Server
	log      *logrus.Entry
	counters Counters
	stopping atomic.Bool
	reduced  atomic.Int32 // last-N while there is too much load, allocate.Unlimited if there is not

	ctx    context.Context // ends every conference; made by NewSet, ended by Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu        sync.Mutex // guards the rest; a conference is in both maps until it has ended
	byMeeting map[string]*Conference
	byID      map[string]*Conference
}

// NewSet makes an empty set.
func NewSet(cfg Config, net Network, channels *channel.Server, log *logrus.Entry) *Set {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Set{
		cfg: cfg, net: net, channels: channels, log: log, ctx: ctx, cancel: cancel,
		byMeeting: make(map[string]*Conference), byID: make(map[string]*Conference),
	}
	s.reduced.Store(allocate.Unlimited)
	return s
}

// Reduce bounds the video sources everybody gets, beside all other limits;
// allocate.Unlimited takes the bound away.
func (s *Set) Reduce(lastN int) {
	if s.reduced.Swap(int32(lastN)) == int32(lastN) {
		return
	}
	for _, c := range s.List() {
		c.offer(c.touchAll) // one that is too busy decides anew soon, anyway
	}
}

// Counters are the set's counters, to be attached to metrics.
func (s *Set) Counters() *Counters { return &s.counters }

// Stop refuses new conferences from now on (graceful shutdown); those that are go on.
func (s *Set) Stop() { s.stopping.Store(true) }

// Stopping tells whether Stop was called.
func (s *Set) Stopping() bool { return s.stopping.Load() }

// Modify carries out a request. reply is called once, from this goroutine or the
// conference's; requests for one conference are carried out in the order of the calls.
func (s *Set) Modify(req Request, reply func(Response, error)) {
	c, err := s.find(req)
	if err != nil {
		reply(Response{}, err)
		return
	}
	ok := c.offer(func() { c.carryOut(req, reply) })
	if ok {
		return
	}
	select {
	case <-c.gone:
		// It ended since we looked. Expired conferences are not found any more, so this
		// does not come back here.
		s.Modify(req, reply)
	default:
		reply(Response{}, ErrBusy)
	}
}

// find returns the conference of a request, making it if that is what is asked.
func (s *Set) find(req Request) (*Conference, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byMeeting[req.MeetingID]
	switch {
	case req.Create && c != nil:
		return nil, ErrExists
	case c != nil:
		return c, nil
	case !req.Create:
		return nil, ErrNotFound
	case s.stopping.Load() || s.ctx.Err() != nil:
		return nil, ErrStopping
	}
	c = newConference(s, s.freeID(), req, time.Now())
	s.byMeeting[req.MeetingID], s.byID[c.id] = c, c
	s.counters.ConferencesCreated.Inc()
	s.wg.Go(func() { c.run(s.ctx) })
	c.log.Info("conference created")
	return c, nil
}

// freeID makes the short name of a conference. It appears in addresses, so it says
// nothing about the meeting.
func (s *Set) freeID() string {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails since Go 1.24
		id := hex.EncodeToString(b[:])
		if s.byID[id] == nil {
			return id
		}
	}
}

func (s *Set) remove(c *Conference) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byMeeting[c.meetingID] == c {
		delete(s.byMeeting, c.meetingID)
	}
	delete(s.byID, c.id)
}

// List returns the conferences by id.
func (s *Set) List() []*Conference {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Conference, 0, len(s.byID))
	for _, c := range s.byID {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *Conference) int { return strings.Compare(a.id, b.id) })
	return list
}

// Get returns the conference of that short id, or nil.
func (s *Set) Get(id string) *Conference {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[id]
}

// Close ends every conference and waits for them.
func (s *Set) Close() {
	s.Stop()
	s.cancel()
	s.wg.Wait()
}

func fields(id string, req Request) logrus.Fields {
	f := logrus.Fields{logx.Conference: id, logx.MeetingID: logx.Shorten(req.MeetingID, 64)}
	if req.Name != "" {
		f[logx.Room] = logx.Shorten(req.Name, 128)
	}
	return f
}
