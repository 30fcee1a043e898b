package muc_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/xmppd/muc"
	"parley/xmppd/muc/muctest"
)

// chaosTime is how long the chaos lasts; PARLEY_CHAOS=1m makes it long.
func chaosTime(t *testing.T) time.Duration {
	if d, err := time.ParseDuration(os.Getenv("PARLEY_CHAOS")); err == nil {
		return d
	}
	if testing.Short() {
		t.Skip("takes a second")
	}
	return time.Second
}

const (
	chaosPeople = 40
	chaosRooms  = 3
)

// stay is what somebody heard in a room between his entry and his end.
type stay struct {
	room string
	said []string
}

var (
	fromOf = regexp.MustCompile(` from="([^"/]*)@[^"/]*/?([^"]*)"`)
	bodyOf = regexp.MustCompile(`<body>([^<]*)</body>`)
)

// stays cuts what a session heard into stays, and checks that nothing came that was
// not meant for it.
func stays(t *testing.T, me string, heard []string) []stay {
	open := map[string]*stay{}
	var all []*stay
	for _, st := range heard {
		from := fromOf.FindStringSubmatch(st)
		if from == nil || !strings.HasPrefix(from[1], "room") {
			continue
		}
		room := from[1]
		own := strings.Contains(st, `code="110"`)
		switch body := bodyOf.FindStringSubmatch(st); {
		case strings.HasPrefix(st, "<presence") && own && strings.Contains(st, `type="unavailable"`):
			delete(open, room)
		case strings.HasPrefix(st, "<presence") && own:
			if open[room] == nil {
				open[room] = &stay{room: room}
				all = append(all, open[room])
			}
		case body == nil || strings.Contains(st, `type="error"`) || strings.Contains(st, "<delay"):
		case strings.Contains(st, `type="chat"`):
			assert.Equal(t, me, strings.Fields(body[1])[1], "a private message for somebody else")
			assert.NotNil(t, open[room], "a private message outside of the room")
		default:
			if assert.NotNil(t, open[room], "%s hears %s in %s without being in", me, body[1], room) {
				open[room].said = append(open[room].said, body[1])
			}
		}
	}
	out := make([]stay, len(all))
	for i, s := range all {
		out[i] = *s
	}
	return out
}

// People join, chat, whisper, change, leave and vanish at random. All hear the same in
// the same order for as long as they are in a room, and nobody hears what is not his.
func TestChaos(t *testing.T) {
	d := chaosTime(t)
	w := muctest.New(t, func(c *muc.Config) { c.AccountRooms = true }, nil)
	witness := w.Account("witness@meet.example.com/w")
	for i := range chaosRooms {
		at := fmt.Sprintf("room%d@conference.meet.example.com", i)
		witness.Send(`<presence to="` + at + `/witness"><x xmlns=muc/></presence>`)
		witness.Send(strings.ReplaceAll(submit("allowpm=anyone"), "ROOM", at))
	}
	require.Eventually(t, func() bool {
		return len(w.Host.Rooms()) == chaosRooms && !slices.ContainsFunc(w.Host.Rooms(), func(r muc.RoomInfo) bool { return r.Locked })
	}, 30*time.Second, time.Millisecond)

	var mu sync.Mutex
	var tapes []tape
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for i := range chaosPeople {
		wg.Go(func() {
			p := &person{t: t, w: w, name: fmt.Sprintf("p%d", i), rnd: rand.New(rand.NewPCG(42, uint64(i)))}
			p.live(end)
			mu.Lock()
			defer mu.Unlock()
			tapes = append(tapes, p.tapes...)
		})
	}
	wg.Wait()
	require.Eventually(t, func() bool { return w.Host.Stats().Occupants == chaosRooms }, 30*time.Second, time.Millisecond, "only the witness is left")
	assert.Zero(t, w.Host.Stats().Panics)

	order := map[string]map[string]int{}
	total := 0
	for _, s := range stays(t, "witness", witness.Heard()) {
		order[s.room] = map[string]int{}
		for i, m := range s.said {
			order[s.room][m] = i
		}
		total += len(s.said)
	}
	require.NotZero(t, total)
	checked := 0
	for _, tp := range tapes {
		for _, s := range stays(t, tp.name, tp.heard) {
			for i, m := range s.said {
				at, known := order[s.room][m]
				require.True(t, known, "%s hears %q, the witness does not", tp.name, m)
				if i > 0 {
					require.Equal(t, order[s.room][s.said[i-1]]+1, at, "%s hears another order in %s", tp.name, s.room)
				}
				checked++
			}
		}
	}
	t.Logf("%d messages, %d hearings checked", total, checked)
	require.NotZero(t, checked)
}

// tape is what one session heard.
type tape struct {
	name  string
	heard []string
}

// person is one of those who act at random.
type person struct {
	t     *testing.T
	w     *muctest.World
	name  string
	rnd   *rand.Rand
	n     int
	tapes []tape
}

func (p *person) live(end time.Time) {
	for time.Now().Before(end) {
		addr := p.name + "@meet.example.com/" + strconv.Itoa(len(p.tapes))
		c := p.w.Account(addr)
		tp := tape{name: p.name}
		for range 1 + p.rnd.IntN(6) {
			for range p.rnd.IntN(12) {
				p.act(c)
			}
			p.catchUp(c, &tp)
		}
		p.act(c)
		c.Vanish()
		tp.heard = append(tp.heard, c.Heard()...)
		p.tapes = append(p.tapes, tp)
	}
}

// catchUp waits until the rooms have answered all that was sent.
func (p *person) catchUp(c *muctest.Client, tp *tape) {
	p.n++
	id := "sync" + strconv.Itoa(p.n)
	for i := range chaosRooms {
		c.Send(fmt.Sprintf(`<iq type="get" to="room%d@conference.meet.example.com" id="%s"><query xmlns=info/></iq>`, i, id))
	}
	left := chaosRooms
	require.Eventually(p.t, func() bool {
		for _, st := range c.Heard() {
			tp.heard = append(tp.heard, st)
			if strings.Contains(st, ` id="`+id+`"`) {
				left--
			}
		}
		return left == 0
	}, 30*time.Second, time.Millisecond)
}

func (p *person) act(c *muctest.Client) {
	room := fmt.Sprintf("room%d@conference.meet.example.com", p.rnd.IntN(chaosRooms))
	other := fmt.Sprintf("p%d", p.rnd.IntN(chaosPeople))
	p.n++
	switch p.rnd.IntN(10) {
	case 0, 1:
		c.Send(`<presence to="` + room + `/` + p.name + `"><x xmlns=muc/></presence>`)
	case 2:
		c.Send(`<presence to="` + room + `/` + p.name + `" type="unavailable"/>`)
	case 3:
		c.Send(`<message to="` + room + `/` + other + `" type="chat"><body>to ` + other + ` ` + strconv.Itoa(p.n) + `</body></message>`)
	case 4:
		c.Send(`<presence to="` + room + `/` + p.name + `"><show>away</show></presence>`)
	case 5:
		c.Send(`<iq type="get" to="` + room + `/` + other + `" id="i"><query xmlns=info/></iq>`)
	default:
		c.Send(`<message to="` + room + `" type="groupchat"><body>` + p.name + ` ` + strconv.Itoa(p.n) + `</body></message>`)
	}
}
