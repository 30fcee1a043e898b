package meeting_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/xmppd/meeting"
	"parley/xmppd/muc/muctest"
	"parley/xmppd/router"
)

// gossip is the server that hears of events, without a network.
type gossip struct {
	mu     sync.Mutex
	heard  []string // path and body
	status []int    // of the next answers; 0: no connection; then 200
}

func (g *gossip) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	status := http.StatusOK
	if len(g.status) > 0 {
		status, g.status = g.status[0], g.status[1:]
	}
	g.heard = append(g.heard, r.Method+" "+r.URL.Path+" "+r.Header.Get("X-Key")+" "+string(body))
	if status == 0 {
		return nil, errors.New("no connection")
	}
	head := http.Header{}
	if status == http.StatusFound {
		head.Set("Location", "https://elsewhere.example.com/")
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader("")), Header: head, Request: r}, nil
}

func (g *gossip) take() []string {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	heard := g.heard
	g.heard = nil
	return heard
}

// gossiping is a stage whose events are told.
func gossiping(t *testing.T) (*stage, *gossip) {
	s := serving(t, func(c *meeting.Config) {
		c.Events.URL, c.Events.Headers = "https://events.example.com/api/", map[string]string{"X-Key": "k"}
		c.Events.Retries = 2
	})
	g := &gossip{}
	s.rules.SetTransport(g)
	return s, g
}

// What happens in a meeting is told in order, with the keys of mod_event_sync.
func TestEvents(t *testing.T) {
	play(t, func(t *testing.T) {
		s, g := gossiping(t)
		begun := time.Now().Unix()
		f := s.enterFocus()
		claims := token{}.claims()
		claims.User.ID, claims.User.Email, claims.User.Name = "u1", "ann@example.com", "of the token"
		ann := s.Login(muctest.Ann, router.Info{Anonymous: true, Token: claims, Room: "demo"})
		ann.Join("aa11bb22", `<nick xmlns=nick>Ann</nick>`)
		bob := s.Login(muctest.Bob, router.Info{Anonymous: true, Room: "demo"})
		bob.Join("cc33dd44", `<nick xmlns=nick>Bob</nick>`)
		time.Sleep(time.Minute)
		bob.Send(`<presence to="ROOM/cc33dd44" type="unavailable"/>`)
		synctest.Wait()
		var events []map[string]any
		for i, h := range g.take() {
			path, body, ok := strings.Cut(h, " k ")
			require.True(t, ok, h)
			assert.Equal(t, []string{"POST /api/events/room/created", "POST /api/events/occupant/joined", "POST /api/events/occupant/joined", "POST /api/events/occupant/left"}[i], path)
			var e map[string]any
			require.NoError(t, json.Unmarshal([]byte(body), &e))
			events = append(events, e)
		}
		require.Len(t, events, 4)
		room := func(name string) map[string]any {
			return map[string]any{"event_name": name, "room_name": "demo", "room_jid": muctest.Room, "is_breakout": false, "created_at": float64(begun)}
		}
		with := func(e map[string]any, present int, who map[string]any) map[string]any {
			e["active_occupants_count"], e["occupant"] = float64(present), who
			return e
		}
		assert.Equal(t, room("muc-room-created"), events[0])
		assert.Equal(t, with(room("muc-occupant-joined"), 1, map[string]any{"occupant_jid": muctest.Ann, "joined_at": float64(begun), "name": "Ann", "email": "ann@example.com", "id": "u1"}), events[1])
		assert.Equal(t, with(room("muc-occupant-joined"), 2, map[string]any{"occupant_jid": muctest.Bob, "joined_at": float64(begun), "name": "Bob"}), events[2])
		assert.Equal(t, with(room("muc-occupant-left"), 1, map[string]any{"occupant_jid": muctest.Bob, "joined_at": float64(begun), "left_at": float64(begun + 60), "name": "Bob"}), events[3])

		f.Send(`<iq type="set" to="ROOM" id="d"><query xmlns=muc#owner><destroy/></query></iq>`)
		heard := g.take()
		require.NotEmpty(t, heard)
		last := heard[len(heard)-1]
		assert.Contains(t, last, "POST /api/events/room/destroyed")
		assert.Contains(t, last, `"all_occupants":[{"occupant_jid":"`+muctest.Ann+`"`)
		assert.Equal(t, 2, strings.Count(last, `"left_at":`))
	})
}

// A server that is away or broken is asked again, one that refuses is not, and nothing
// overtakes.
func TestEventsAgain(t *testing.T) {
	play(t, func(t *testing.T) {
		s, g := gossiping(t)
		g.status = []int{0, http.StatusBadGateway, http.StatusBadGateway, http.StatusForbidden}
		s.enterFocus()
		bob := s.Login(muctest.Bob, router.Info{Anonymous: true, Room: "demo"})
		bob.Join("cc33dd44")
		bob.Send(`<presence to="ROOM/cc33dd44" type="unavailable"/>`)
		time.Sleep(5 * time.Second)
		var paths []string
		for _, h := range g.take() {
			paths = append(paths, strings.Fields(h)[1][len("/api/events/"):])
		}
		assert.Equal(t, []string{"room/created", "room/created", "room/created", "occupant/joined", "occupant/left"}, paths)
	})
}

// A server that sends us elsewhere has not heard the event, and whoever is there must not
// get our headers, or a GET that looks like success.
func TestEventsAreNotSentElsewhere(t *testing.T) {
	play(t, func(t *testing.T) {
		s, g := gossiping(t)
		g.status = []int{http.StatusFound}
		s.enterFocus()
		heard := g.take()
		require.Len(t, heard, 1)
		assert.Contains(t, heard[0], "POST /api/events/room/created k ")
	})
}

// A meeting without a moderator ends, sooner or later; one with them does not.
func TestModeratorTimeout(t *testing.T) {
	play(t, func(t *testing.T) {
		s, f, ann, bob := meet(t, func(c *meeting.Config) { c.ModeratorTimeout = time.Minute })
		time.Sleep(2 * time.Minute)
		require.Len(t, s.Host.Rooms(), 1, "ann moderates")
		ann.Send(`<presence to="ROOM/aa11bb22" type="unavailable"/>`)
		time.Sleep(59 * time.Second)
		f.Send(`<iq type="set" to="ROOM" id="f1"><query xmlns=muc#admin><item affiliation="owner" jid="BOBBARE"/></query></iq>`)
		time.Sleep(2 * time.Minute)
		require.Len(t, s.Host.Rooms(), 1, "bob moderates")
		f.Send(`<iq type="set" to="ROOM" id="f1"><query xmlns=muc#admin><item affiliation="none" jid="BOBBARE"/></query></iq>`)
		bob.Take()
		time.Sleep(61 * time.Second)
		hears(t, bob, "The meeting has been terminated")
		assert.Empty(t, s.Host.Rooms())
	})
}
