package conference

import (
	"encoding/json"
	"fmt"
	"time"

	"mellium.im/xmpp/jid"

	"parley/focus/chatroom"
	"parley/focus/colibrisession"
	"parley/focus/jinglesession"
	"parley/internal/source"
)

// A conference outlives its focus: what was agreed with clients and bridges is kept, and
// the next focus goes on with it, so that nobody's media is interrupted. What is kept may
// be some milliseconds old; who joined, left or was being invited in them is settled as after
// a lost connection, and what the bridge does not know of is begun anew.

// keptVersion changes with the meaning of what is kept: another version's is not used.
const keptVersion = 1

// kept is a conference as it is kept.
type kept struct {
	Version      int                   `json:"version"`
	Meeting      string                `json:"meeting"`
	Started      time.Time             `json:"started"`
	Request      Request               `json:"request"`
	Sessions     []colibrisession.Kept `json:"sessions"`
	Participants []keptParticipant     `json:"participants"`
}

type keptParticipant struct {
	Nick      string              `json:"nick"`
	Real      string              `json:"real"`
	StatsID   string              `json:"stats_id,omitempty"`
	Withdrawn bool                `json:"withdrawn,omitempty"`
	Bridge    string              `json:"bridge,omitempty"`
	Session   *jinglesession.Kept `json:"session,omitempty"`
	Sources   source.Set          `json:"sources"`
}

// keepDelay is, for each participant, how long changes are collected before the conference
// is kept anew, and maxKeepDelay the most: writing down a large one costs more. With these
// it takes a hundredth of a processor at most, see BenchmarkKeep.
const (
	keepDelay    = 3 * time.Millisecond
	maxKeepDelay = time.Second
)

// touch sees to it that the conference is kept. Everything worth that is said to somebody.
func (c *Conference) touch() {
	if c.deps.Keep != nil && c.phase != ended && !c.keeping.running() {
		c.keeping.start(min(time.Duration(len(c.parts))*keepDelay, maxKeepDelay), c.keep)
	}
}

// keep hands the conference out as it is now.
func (c *Conference) keep() {
	k := kept{Version: keptVersion, Meeting: c.meetingID, Started: c.started, Request: c.req}
	for _, s := range c.sessions() {
		k.Sessions = append(k.Sessions, s.Keep())
	}
	for _, p := range c.sorted() {
		x := keptParticipant{
			Nick: p.id(), Real: p.member.Real.String(), StatsID: p.member.StatsID, Withdrawn: p.withdrawn,
			Sources: c.sources.Get(p.id()),
		}
		if p.bridge != nil {
			x.Bridge = p.bridge.Bridge()
		}
		if p.session != nil {
			st := p.session.Keep()
			x.Session = &st
		}
		k.Participants = append(k.Participants, x)
	}
	text, err := json.Marshal(k)
	if err != nil { // nothing in it can fail to encode
		c.log.WithError(err).Error("The conference could not be written down.")
		return
	}
	c.deps.Keep(text)
}

// takeUp goes on with what an earlier focus kept, before the room is entered.
func (c *Conference) takeUp(text []byte) {
	var k kept
	err := json.Unmarshal(text, &k)
	if err == nil {
		err = c.restore(&k)
	}
	if err != nil {
		c.log.WithError(err).Warn("What the last focus left behind cannot be used; the conference begins anew.")
	}
}

// restore makes the conference what it was, or leaves it as it is.
func (c *Conference) restore(k *kept) error {
	switch {
	case k.Meeting == "":
		return nil // the last focus was never inside
	case k.Version != keptVersion:
		return fmt.Errorf("version %d, not %d", k.Version, keptVersion)
	}
	bridges := make(map[string]*colibrisession.Session, len(k.Sessions))
	last := 0
	for _, st := range k.Sessions {
		s, err := colibrisession.Restore(st, colibrisession.Params{MeetingID: k.Meeting, Room: c.addr, RTCStats: k.Request.RTCStats})
		if err != nil {
			return err
		}
		bridges[s.Bridge()] = s
		last = max(last, s.Seq())
	}
	sources := source.NewConference(source.Limits{Sources: c.cfg.MaxSSRCsPerUser, Groups: c.cfg.MaxSSRCGroupsPerUser})
	parts := make(map[string]*participant, len(k.Participants))
	for _, x := range k.Participants {
		p, err := c.restoreParticipant(x, bridges)
		if err != nil {
			return err
		}
		if _, err := sources.Add(x.Nick, x.Sources); err != nil {
			return fmt.Errorf("sources of %q: %w", x.Nick, err)
		}
		parts[x.Nick] = p
	}
	c.meetingID, c.started, c.req = k.Meeting, k.Started, k.Request
	c.parts, c.bridges, c.sources = parts, bridges, sources
	c.lastSession, c.bridged, c.restored = last, len(bridges) > 0, true
	c.deps.Counters.Members.Add(int64(len(parts)))
	c.log.WithField("participants", len(parts)).Info("Going on with the conference of the last focus.")
	return nil
}

func (c *Conference) restoreParticipant(x keptParticipant, bridges map[string]*colibrisession.Session) (*participant, error) {
	real, err := jid.Parse(x.Real)
	if err != nil || x.Nick == "" {
		return nil, fmt.Errorf("participant %q: no address", x.Nick)
	}
	p := c.newParticipant(&chatroom.Member{Nick: x.Nick, Addr: c.addr + "/" + x.Nick, Real: real, StatsID: x.StatsID})
	p.withdrawn = x.Withdrawn
	p.bridge = bridges[x.Bridge]
	if x.Session != nil {
		if p.bridge == nil || !p.bridge.Has(x.Nick) || x.Session.BridgeSession != p.bridge.ID() {
			return nil, fmt.Errorf("participant %q: a session without a bridge", x.Nick)
		}
		p.fresh = false
		p.session = jinglesession.Restore(*x.Session, p.member.Addr, c.deps.Link.Self())
	}
	return p, nil
}

// settle makes sure of what was restored, once we are in the room: of bridges that have gone,
// of places that were being asked for, and of links that were being made.
func (c *Conference) settle() {
	if !c.restored {
		return
	}
	c.restored = false
	for _, s := range c.sessions() {
		if !c.deps.Bridges.Known(s.Bridge()) {
			c.handleBridgeLost(s.Bridge())
		}
	}
	for _, p := range c.sorted() {
		if p.session == nil && p.bridge != nil {
			c.expire(p)
		}
		c.flush(p) // what waited to be told
	}
	list := c.sessions()
	for i, a := range list {
		for _, b := range list[i+1:] {
			switch {
			case a.Connected(b.RelayID()) && b.Connected(a.RelayID()):
				c.tellOf(a, b, a.Probe(b.RelayID()))
				c.tellOf(b, a, b.Probe(a.RelayID()))
			case a.Linked(b.RelayID()) && b.Linked(a.RelayID()):
				c.unsure = append(c.unsure, [2]*colibrisession.Session{a, b})
			}
		}
	}
}
