package meeting_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/xmppd/meeting"
	"parley/xmppd/muc/muctest"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// booker is a reservation server without a network.
type booker struct {
	mu     sync.Mutex
	asked  []string
	forms  []url.Values
	answer func(method, path string) (int, string, error)
}

func (b *booker) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	form, _ := url.ParseQuery(string(body))
	b.mu.Lock()
	b.asked = append(b.asked, r.Method+" "+r.URL.EscapedPath()+" "+r.Header.Get("X-Key"))
	b.forms = append(b.forms, form)
	answer := b.answer
	b.mu.Unlock()
	status, text, err := answer(r.Method, r.URL.Path)
	if errors.Is(err, errSilent) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(text)), Header: http.Header{}, Request: r}, nil
}

func (b *booker) say(answer func(method, path string) (int, string, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
}

// take is what was asked since the last call.
func (b *booker) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	asked := b.asked
	b.asked = nil
	return asked
}

var errSilent = errors.New("no answer")

const post, remove = "POST /api/conference k", "DELETE /api/conference/7 k"

func reserved(more string) string {
	return `{"id":7,"name":"Demo","mail_owner":"x","start_time":"` + time.Now().UTC().Format("2006-01-02T15:04:05.000Z") + `","duration":3600` + more + `}`
}

func says(status int, text string) func(string, string) (int, string, error) {
	return func(method, _ string) (int, string, error) {
		if method == http.MethodDelete {
			return http.StatusOK, "", nil
		}
		return status, text, nil
	}
}

// booking is a stage whose conference requests need a reservation, and the server that
// is asked for it. The focus says yes to each request it hears.
func bookingStage(t *testing.T, change func(*meeting.Config)) (*stage, *booker, *muctest.Client) {
	t.Helper()
	s := serving(t, func(c *meeting.Config) {
		r := &c.Reservations
		r.URL, r.Headers = "https://book.example.com/api/", map[string]string{"X-Key": "k"}
		r.MaxOccupants, r.Lobby, r.Password = true, true, true
		if change != nil {
			change(c)
		}
	})
	b := &booker{}
	s.rules.SetTransport(b)
	s.focus.answer = func(req *stanza.Stanza) {
		if req.IsRequest() {
			s.Router.Reply(req, []byte(`<conference xmlns="http://jitsi.org/protocol/focus" ready="true"/>`))
		}
	}
	s.Router.Remove("focus."+muctest.Domain, s.focus)
	require.NoError(t, s.Router.Add("focus."+muctest.Domain, s.rules.FocusGate(s.focus)))
	return s, b, s.Login(muctest.Ann, router.Info{Anonymous: true, Room: "demo"})
}

func request(c *muctest.Client, room string) {
	c.Send(`<iq type="set" to="focus.meet.example.com" id="c1"><conference xmlns="http://jitsi.org/protocol/focus" room="` + room + `" machine-uid="m"/></iq>`)
}

const (
	ready   = `<iq type="result" from="focus.meet.example.com" to="ANN" id="c1"><conference xmlns="http://jitsi.org/protocol/focus" ready="true"/></iq>`
	refusal = `<iq type="error" from="focus.meet.example.com" to="ANN" id="c1"><error type="cancel"><service-unavailable xmlns=stanzas/><text xmlns=stanzas>%s</text><reservation-error xmlns="http://jitsi.org/protocol/focus" error-code="%d"/></error></iq>`
)

// A reservation is granted, applied to the room, ended in time, given back
// (mod_reservations).
func TestReservation(t *testing.T) {
	play(t, func(t *testing.T) {
		s, b, ann := bookingStage(t, nil)
		b.say(says(http.StatusCreated, reserved(`,"max_occupants":2,"lobby":true,"password":"pw"`)))
		request(ann, muctest.Room)
		request(ann, muctest.Room) // waits for the same answer
		ann.Hears(ready, ready)
		assert.Equal(t, []string{post}, b.take())
		assert.Equal(t, "demo", b.forms[0].Get("name"))
		assert.Equal(t, stanza.MustAddr(muctest.Ann).Bare().String(), b.forms[0].Get("mail_owner"))
		_, err := time.Parse("2006-01-02T15:04:05.000Z", b.forms[0].Get("start_time"))
		assert.NoError(t, err)
		assert.Len(t, s.focus.asked, 2)

		f := s.enterFocus()
		ann.Join("aa11bb22", `<nick xmlns=nick>Ann</nick>`)
		assert.Contains(t, all(ann), "lobbyroom", "the reservation wants a lobby")
		ann.Send(`<presence to="ROOM/aa11bb22"><x xmlns=muc><password>pw</password></x></presence>`)
		hears(t, ann, `<status code="110"/>`)
		bob := s.Login(muctest.Bob, router.Info{Anonymous: true, Room: "demo"})
		bob.Send(`<presence to="ROOM/cc33dd44"><x xmlns=muc><password>pw</password></x></presence>`)
		assert.Contains(t, all(bob), "service-unavailable", "it is for two, and the focus is one")
		request(ann, muctest.Room)
		ann.Hears(ready)
		assert.Empty(t, b.take(), "a room that exists needs no leave")

		time.Sleep(time.Hour)
		assert.Contains(t, all(f), "Scheduled conference duration exceeded.")
		assert.Contains(t, all(ann), "Scheduled conference duration exceeded.")
		assert.Equal(t, []string{remove}, b.take())
		request(ann, muctest.Room)
		ann.Take()
		assert.Equal(t, []string{post}, b.take(), "what is over has to be reserved anew")
	})
}

// A meeting that ends early, and one that never begins, are given back too.
func TestReservationGivenBack(t *testing.T) {
	play(t, func(t *testing.T) {
		s, b, ann := bookingStage(t, nil)
		b.say(says(http.StatusOK, reserved("")))
		request(ann, muctest.Room)
		ann.Hears(ready)
		f := s.enterFocus()
		f.Send(`<presence to="ROOM/focus" type="unavailable"/>`)
		f.Take()
		assert.Equal(t, []string{post, remove}, b.take())
		request(ann, muctest.Room)
		ann.Hears(ready)
		time.Sleep(time.Hour)
		ann.Take()
		assert.Equal(t, []string{post, remove}, b.take())
	})
}

func TestReservationRefused(t *testing.T) {
	network := errors.New("no way there")
	conflict := func(get int, text string) func(string, string) (int, string, error) {
		return func(method, _ string) (int, string, error) {
			if method == http.MethodGet {
				return get, text, nil
			}
			return http.StatusConflict, `{"conflict_id":"a/b"}`, nil
		}
	}
	const get = "GET /api/conference/a%2Fb k"
	four := slices.Repeat([]string{post}, 4)
	for _, c := range []struct {
		name   string
		answer func(string, string) (int, string, error)
		text   string
		code   int
		asked  []string
	}{
		{"booked", conflict(http.StatusNotFound, `{"message":"Room is booked"}`), "Room is booked", 409, []string{post, get}},
		{"conflict without id", says(409, `{"message":"Room is booked"}`), "Room is booked", 409, []string{post}},
		{"forbidden", says(403, "nonsense"), "Rejected by reservation server", 403, []string{post}},
		{"broken", says(503, ""), "Rejected by reservation server", 503, four},
		{"not reached", func(string, string) (int, string, error) { return 0, "", network }, "Reservation lookup failed", 500, four},
		{"silent", func(string, string) (int, string, error) { return 0, "", errSilent }, "Reservation lookup timed out", 500, []string{post}},
		{"over", says(200, `{"id":1,"name":"demo","start_time":"1999-01-01T00:00:00Z","duration":10}`), "Reservation expired", 419, []string{post}},
		{"another room", says(200, `{"id":1,"name":"other","start_time":"1999-01-01T00:00:00Z","duration":10}`), "The answer of the reservation server cannot be used", 500, []string{post}},
		{"endless", says(200, strings.Repeat(" ", 1<<20)), "Reservation lookup failed", 500, four},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				s, b, ann := bookingStage(t, nil)
				b.say(c.answer)
				request(ann, muctest.Room)
				time.Sleep(25 * time.Second)
				ann.Hears(fmt.Sprintf(refusal, c.text, c.code))
				assert.Equal(t, c.asked, b.take())
				assert.Empty(t, s.focus.asked)
			})
		})
	}
}

// A refusal is remembered for half a minute, a conflict that is one's own is none, and
// some requests need no leave.
func TestReservationPasses(t *testing.T) {
	play(t, func(t *testing.T) {
		s, b, ann := bookingStage(t, nil)
		b.say(says(403, "{}"))
		request(ann, muctest.Room)
		ann.Take()
		time.Sleep(29 * time.Second)
		request(ann, muctest.Room)
		ann.Hears(fmt.Sprintf(refusal, "Rejected by reservation server", 403))
		assert.Equal(t, []string{post}, b.take())
		time.Sleep(time.Second)
		b.say(func(method, _ string) (int, string, error) {
			if method == http.MethodGet {
				return http.StatusOK, reserved(""), nil
			}
			return http.StatusConflict, `{"conflict_id":7}`, nil
		})
		request(ann, muctest.Room)
		ann.Hears(ready)
		assert.Equal(t, []string{post, "GET /api/conference/7 k"}, b.take())

		for _, room := range []string{"x@breakout.meet.example.com", "__jicofo-health-check-1@conference.meet.example.com", "@", ""} {
			request(ann, room)
			ann.Take()
		}
		f := s.enterFocus()
		request(f, muctest.Room)
		f.Take()
		ann.Send(`<iq type="get" to="focus.meet.example.com" id="v"><query xmlns="jabber:iq:version"/></iq>`)
		ann.Take()
		assert.Empty(t, b.take())
		assert.Len(t, s.focus.asked, 7)

		request(ann, "demo@conference.team.meet.example.com")
		ann.Take()
		assert.Equal(t, "[team]demo", b.forms[len(b.forms)-2].Get("name"), "a tenant's room has its name")
	})
}

// Strangers cannot fill the memory with rooms they ask for.
func TestReservationFlood(t *testing.T) {
	play(t, func(t *testing.T) {
		_, b, ann := bookingStage(t, nil)
		b.say(func(string, string) (int, string, error) { return 0, "", errSilent })
		for i := range 40 {
			request(ann, fmt.Sprintf("r%d@conference.meet.example.com", i))
		}
		heard := ann.Take()
		assert.Len(t, heard, 8)
		assert.Contains(t, heard[0], "resource-constraint")
		for range 250 {
			request(ann, "r1@conference.meet.example.com")
		}
		assert.Len(t, ann.Take(), 51)
	})
}

func TestParseBooking(t *testing.T) {
	for _, good := range []string{
		`{"id":1,"name":"demo","start_time":"2048-04-20T17:55:12.000Z","duration":900}`,
		`{"id":"x","name":"DEMO","start_time":"2048-04-20T17:55:12.000+0200","duration":"900","more":[]}`,
	} {
		assert.NoError(t, meeting.ParseBooking([]byte(good), "demo"), good)
	}
	for _, bad := range []string{
		``, `[]`, `{}`, `{"id":1,"name":"demo","start_time":"2048-04-20T17:55:12Z"}`,
		`{"id":1,"name":"demo","start_time":"soon","duration":900}`, `{"id":1,"name":"demo","start_time":"2048-04-20T17:55:12Z","duration":-1}`,
		`{"id":1,"name":"demo","start_time":"2048-04-20T17:55:12Z","duration":9,"max_occupants":-1}`,
		`{"id":true,"name":"demo","start_time":"2048-04-20T17:55:12Z","duration":9}`,
	} {
		assert.Error(t, meeting.ParseBooking([]byte(bad), "demo"), bad)
	}
}

func FuzzParseBooking(f *testing.F) {
	f.Add([]byte(`{"id":1,"name":"demo","start_time":"2048-04-20T17:55:12.000Z","duration":900,"lobby":true}`))
	f.Add([]byte(`{"id":"x","name":"demo","duration":1e300}`))
	f.Fuzz(func(_ *testing.T, data []byte) { _ = meeting.ParseBooking(data, "demo") })
}

// Somebody with an account, who knows nothing of conference requests, is told as well.
func TestReservationOfAccounts(t *testing.T) {
	play(t, func(t *testing.T) {
		s, b, _ := bookingStage(t, nil)
		b.say(says(http.StatusConflict, `{"message":"Room is booked"}`))
		alice := s.Account("alice@meet.example.com/phone")
		alice.Join("alice")
		assert.Contains(t, all(alice), "Room is booked")
		b.say(says(http.StatusCreated, reserved("")))
		time.Sleep(30 * time.Second)
		alice.Join("alice")
		alice.Take()
		assert.Len(t, s.focus.asked, 1)
	})
}
