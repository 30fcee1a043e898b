package conference

import (
	"slices"

	"parley/focus/chatroom"
	"parley/focus/colibrisession"
	"parley/focus/jinglesession"
	"parley/internal/wire/ns"
)

// maxPast bounds the ended sessions remembered per participant, which are answered
// with "gone" instead of "unknown".
const maxPast = 8

// participant is a member of the room and what we do with it. Its media phase:
//
//	idle ──invite──► allocating ──bridge answers──► offered (session pending or active)
//	 ▲                   │ bridge fails                 │ ends, or bridge lost
//	 └───────────────────┴──────────────────────────────┘
//
// A participant that refused or ended its session by itself is withdrawn and stays
// idle until it comes back.
type participant struct {
	member *chatroom.Member

	caps     string          // the capabilities features belong to
	features map[string]bool // nil until known
	asking   bool            // for features
	fresh    bool            // just joined: the room's wish to start muted holds

	allocating bool
	withdrawn  bool
	attempt    int                     // counts invitations; answers to older ones are stale
	bridge     *colibrisession.Session // nil unless allocating or offered
	session    *jinglesession.Session  // nil unless offered
	past       []*jinglesession.Session
	offer      offer
	retries    int // of invitations the bridge refused
	retry      timer
	signal     timer // collects changes of sources

	restarts, iceRestarts limiter
}

func (c *Conference) newParticipant(m *chatroom.Member) *participant {
	limit := limiter{gap: c.cfg.RestartMinInterval, perMinute: c.cfg.RestartMaxPerMinute}
	return &participant{member: m, fresh: true, restarts: limit, iceRestarts: limit, retry: timer{c: c}, signal: timer{c: c}}
}

// id is the participant's endpoint id: its nickname.
func (p *participant) id() string { return p.member.Nick }

func (p *participant) has(feature string) bool { return p.features[feature] }

// media says whether the participant can take part in audio or video at all. A
// member whose features are not known yet cannot.
func (p *participant) media() bool {
	return p.has(ns.FeatureAudio) || p.has(ns.FeatureVideo)
}

// invited says whether the participant has, or is about to get, a session.
func (p *participant) invited() bool { return p.allocating || p.session != nil }

// mutable says whether the participant can be muted by others.
func (p *participant) mutable() bool {
	m := p.member
	return !m.Recorder() && (!m.Gateway() || p.has(ns.FeatureAudioMute) || slices.Contains(m.Declared, ns.FeatureAudioMute))
}

// retire puts the session among the past ones.
func (p *participant) retire() {
	if p.session == nil {
		return
	}
	p.session.End()
	p.past = append(p.past, p.session)
	if len(p.past) > maxPast {
		p.past = slices.Delete(p.past, 0, 1)
	}
	p.session = nil
}

// stopTimers stops what would still happen to the participant by itself.
func (p *participant) stopTimers() {
	p.retry.stop()
	p.signal.stop()
}

// find returns the participant's session of that sid, also an ended one.
func (p *participant) find(sid string) *jinglesession.Session {
	if p.session != nil && p.session.SID() == sid {
		return p.session
	}
	for _, s := range p.past {
		if s.SID() == sid {
			return s
		}
	}
	return nil
}

// word is the state shown to the operator.
func (p *participant) word() string {
	switch {
	case p.session != nil:
		return p.session.State().String()
	case p.allocating:
		return "allocating"
	}
	return "none"
}
