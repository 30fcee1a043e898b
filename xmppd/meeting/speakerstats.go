package meeting

import (
	"strconv"
	"strings"
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// Bounds of the statistics of a room.
const (
	maxSpeakers  = 1000
	maxLandmarks = 20
)

// expressions are those clients of 2021 count.
var expressions = []string{"happy", "neutral", "surprised", "angry", "fearful", "disgusted", "sad"}

// speakerStats is how long everybody has spoken, by real address.
type speakerStats struct {
	speakers map[stanza.Addr]*speaker
	dominant *speaker
}

// speaker is one person; also one who has left.
type speaker struct {
	nick, name  string // the name only of those who have left
	total       time.Duration
	since       time.Time // zero while the clock stands
	gone        bool
	landmarks   []landmark
	expressions map[string]int
}

// landmark is what a client saw in its user's face.
type landmark struct {
	Duration   float64 `json:"duration"`
	Expression string  `json:"faceExpression"`
	Timestamp  float64 `json:"timestamp"`
}

func (s *speaker) stop(now time.Time) {
	if !s.since.IsZero() {
		s.total += now.Sub(s.since)
	}
	s.since = time.Time{}
}

// time is how long he has spoken up to now.
func (s *speaker) time(now time.Time) time.Duration {
	if s.since.IsZero() {
		return s.total
	}
	return s.total + now.Sub(s.since)
}

// installSpeakerStats counts who speaks, as clients say it of themselves
// (mod_speakerstats_component). A client can only speak for itself.
func (m *Rules) installSpeakerStats(d *desk) {
	d.on(topic{space: ns.JitMeet, name: "speakerstats", named: true, anywhere: true, handle: m.dominates})
	for _, name := range []string{"faceLandmarks", "facialExpression"} {
		d.on(topic{space: ns.JitMeet, name: name, named: true, anywhere: true, handle: m.looks})
	}
	m.conferences(func(h *muc.Hooks) {
		h.OnJoined(func(r *muc.Room, o *muc.Occupant) {
			s := stateOf[speakerStats](r)
			if m.counted(o) {
				if users := s.users(time.Now()); len(users) > 0 {
					r.SendTo(o, d.note(map[string]any{"type": typeSpeakerStats, "users": users}))
				}
				s.enter(o)
			}
		})
		h.OnLeft(func(r *muc.Room, o *muc.Occupant) { stateOf[speakerStats](r).leave(o) })
	})
}

// counted says that an occupant is a person, no service of ours, recorder or
// transcriber.
func (m *Rules) counted(o *muc.Occupant) bool {
	return !m.isAdmin(o) && !m.isTranscriber(o) && !strings.HasPrefix(o.Bare().Domain(), "recorder.")
}

func (s *speakerStats) enter(o *muc.Occupant) {
	if old := s.speakers[o.Real()]; old != nil {
		old.gone, old.nick = false, o.Nick()
		return
	}
	if s.speakers == nil {
		s.speakers = make(map[stanza.Addr]*speaker)
	}
	if len(s.speakers) >= maxSpeakers {
		for addr, old := range s.speakers {
			if old.gone {
				delete(s.speakers, addr)
			}
		}
	}
	if len(s.speakers) < maxSpeakers {
		s.speakers[o.Real()] = &speaker{nick: o.Nick()}
	}
}

func (s *speakerStats) leave(o *muc.Occupant) {
	sp := s.speakers[o.Real()]
	if sp == nil {
		return
	}
	sp.stop(time.Now())
	sp.gone, sp.name = true, displayName(o)
	if s.dominant == sp {
		s.dominant = nil
	}
}

// dominates takes it that somebody has become the dominant speaker, or is silent.
func (m *Rules) dominates(q *request) *stanza.Error {
	s, now := stateOf[speakerStats](q.room), time.Now()
	sp := s.speakers[q.From]
	if sp == nil {
		return nil
	}
	silent := q.attr("silence") == "true"
	if s.dominant != sp {
		if s.dominant != nil {
			s.dominant.stop(now)
		}
		s.dominant = sp
	}
	switch {
	case silent:
		sp.stop(now)
	case sp.since.IsZero():
		sp.since = now
	}
	return nil
}

// looks takes what a client saw in its user's face, in the form of today or of 2021.
func (m *Rules) looks(q *request) *stanza.Error {
	sp := stateOf[speakerStats](q.room).speakers[q.From]
	expression := q.attr("faceExpression")
	if q.child.Name == "facialExpression" {
		expression = q.attr("expression")
	}
	duration, err := strconv.ParseFloat(q.attr("duration"), 64)
	if sp == nil {
		return nil
	}
	if expression == "" || len(expression) > 32 || err != nil || !(duration >= 0 && duration <= 1e9) {
		return errBadContent
	}
	if sp.expressions == nil {
		sp.expressions = make(map[string]int)
	}
	for _, e := range expressions {
		if e == expression {
			sp.expressions[e] += int(duration)
		}
	}
	stamp, err := strconv.ParseFloat(q.attr("timestamp"), 64)
	if err != nil || !(stamp >= 0 && stamp <= 1e15) { // NaN is neither
		stamp = float64(time.Now().UnixMilli())
	}
	sp.landmarks = append(sp.landmarks, landmark{duration, expression, stamp})
	if len(sp.landmarks) > maxLandmarks {
		sp.landmarks = sp.landmarks[1:]
	}
	return nil
}

// speakerNote is a speaker in the message; both generations of faces are in it.
type speakerNote struct {
	Name        string         `json:"displayName,omitempty"`
	Total       int64          `json:"totalDominantSpeakerTime"`
	Landmarks   []landmark     `json:"faceLandmarks"`
	Expressions map[string]int `json:"facialExpressions"`
}

// users are those of whom there is something to tell, by nick.
func (s *speakerStats) users(now time.Time) map[string]speakerNote {
	out := make(map[string]speakerNote)
	for _, sp := range s.speakers {
		if sp.time(now) == 0 && s.dominant != sp && !sp.gone && len(sp.landmarks) == 0 {
			continue
		}
		n := speakerNote{Name: sp.name, Total: sp.time(now).Milliseconds(), Landmarks: sp.landmarks, Expressions: make(map[string]int)}
		if n.Landmarks == nil {
			n.Landmarks = []landmark{}
		}
		for _, e := range expressions {
			n.Expressions[e] = sp.expressions[e]
		}
		out[sp.nick] = n
	}
	return out
}
