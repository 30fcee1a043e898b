package conference

import (
	"errors"
	"strings"
	"time"

	"parley/focus/chatroom"
	"parley/focus/colibrisession"
	"parley/focus/jinglesession"
	"parley/internal/logx"
)

var errJoinTimeout = errors.New("the room did not answer")

// join enters the room. Until that is done presences wait inside the room.
func (c *Conference) join() {
	c.log.Info("Joining " + c.addr)
	c.entering.start(joinTimeout, func() { c.room.Failed(errJoinTimeout) })
	c.room.Join(c.joined, c.presence()...)
}

// joined is the outcome of join.
func (c *Conference) joined(info chatroom.Info, err error) {
	c.entering.stop()
	if c.phase == ended {
		return
	}
	if err != nil {
		c.log.WithError(err).Warn("Cannot enter the room.")
		c.end("")
		return
	}
	c.adopt(info)
	c.phase = running
	c.published = ""
	c.publish()
	c.rearm()
	c.expect(len(c.waiting))
	for _, answer := range c.waiting {
		answer(true)
	}
	c.waiting = nil
	events := c.room.Release()
	c.resume()
	c.act(events)
	c.electOwner() // who was may have left while we were away
	c.consider()
}

// leftFor is how long the bridges go on with a meeting that was left behind: until everybody
// has come into the new one.
const leftFor = 20 * time.Second

// adopt takes over what the room's configuration says. A room that was made anew
// while we were away is another meeting: nothing of the old one holds.
func (c *Conference) adopt(info chatroom.Info) {
	if info.MeetingID == "" {
		if c.meetingID == "" {
			c.log.Debug("The room has no meeting id, one is made up.")
			c.meetingID = newUUID()
		}
	} else if c.meetingID != info.MeetingID {
		c.leaveBehind()
		c.meetingID = info.MeetingID
	}
	c.breakout = info.Breakout
	c.log = c.log.WithField(logx.MeetingID, c.meetingID)
}

// leaveBehind forgets everybody, but not on the bridges yet: whoever was in the meeting sees
// and hears the others there while we invite them to the new one.
func (c *Conference) leaveBehind() {
	for _, s := range c.sessions() {
		c.left = append(c.left, s)
		delete(c.bridges, s.Bridge())
	}
	for _, p := range c.sorted() {
		c.forget(p)
	}
	c.unsure = nil
	c.leaving.start(leftFor, c.expireLeft)
}

// expireLeft ends on the bridges what was left behind.
func (c *Conference) expireLeft() {
	for _, s := range c.left {
		c.tell(s, s.ExpireAll())
	}
	c.left = nil
}

// rejoin enters the room again after our connection was lost. Sessions of members
// that are still there go on.
func (c *Conference) rejoin() {
	if c.phase == ended {
		return
	}
	c.phase = joining
	c.join()
}

// resume goes on in a room we were in before the connection was lost. Participants
// that left meanwhile, or whose nick somebody else has now, are dropped; what may have
// been lost on the way is said again.
func (c *Conference) resume() {
	c.settle()
	c.relink() // before anything is said over the links
	var unsure []*participant
	for _, p := range c.sorted() {
		m := c.room.Member(p.id())
		switch {
		case m == nil || !m.Real.Equal(p.member.Real):
			c.forget(p)
		case p.session != nil && p.session.State() == jinglesession.Pending:
			unsure = append(unsure, p) // the offer may not have arrived
		case p.session != nil:
			c.update(p, colibrisession.Update{Sources: c.bridgeSources(p)})
		}
	}
	if len(unsure) > 0 {
		c.move(unsure)
	}
}

// expect counts people who were told to come in. Should the last member leave at
// that moment we stay for them, or the room would be gone before they are there.
func (c *Conference) expect(n int) {
	c.expected, c.answered = c.expected+n, time.Now()
}

// expecting says whether somebody is on the way.
func (c *Conference) expecting() bool {
	return c.expected > 0 && time.Since(c.answered) < c.cfg.InitialTimeout
}

// rearm lets an empty conference wait for its first member.
func (c *Conference) rearm() {
	if c.room.Len() == 0 {
		c.initial.start(c.cfg.InitialTimeout, func() { c.end("Expiring due to initial timeout.") })
	}
}

// act does what the room's events ask for.
func (c *Conference) act(events []chatroom.Event) {
	for _, e := range events {
		switch e.Kind {
		case chatroom.MemberJoined:
			c.memberJoined(e.Member)
		case chatroom.MemberChanged:
			c.memberChanged(e.Member)
		case chatroom.MemberLeft:
			c.memberLeft(e.Member, e.ToOtherRoom)
		case chatroom.RoomLost:
			c.log.WithError(e.Err).Info("The room is lost.")
			c.end("")
		}
	}
}

func (c *Conference) memberJoined(m *chatroom.Member) {
	c.initial.stop()
	if p := c.parts[m.Nick]; p != nil { // still known from before a reconnect
		p.member = m
		c.learn(p)
		c.consider()
		return
	}
	c.deps.Counters.Joined.Inc()
	c.deps.Counters.Members.Inc()
	c.log.WithField(logx.Endpoint, m.Nick).Info("Member joined.")
	c.expected = max(c.expected-1, 0)
	p := c.newParticipant(m)
	c.parts[m.Nick] = p
	c.electOwner()
	c.checkLimits()
	c.learn(p)
	c.consider()
}

func (c *Conference) memberChanged(m *chatroom.Member) {
	p := c.parts[m.Nick]
	if p == nil {
		return
	}
	p.member = m
	c.electOwner()
	c.checkLimits()
	c.learn(p)
}

func (c *Conference) memberLeft(m *chatroom.Member, toOtherRoom bool) {
	p := c.parts[m.Nick]
	if p == nil {
		return
	}
	c.log.WithField(logx.Endpoint, m.Nick).Info("Member left.")
	c.forget(p)
	c.electOwner()
	c.checkLimits()
	if c.room.Len() > 0 {
		c.consider()
		return
	}
	if toOtherRoom || c.expecting() {
		c.rearm()
		return
	}
	c.end("Last member left, stopping.")
}

// forget drops a participant that is no longer in the room. The others are not told
// about its sources: they drop them when they see it go.
func (c *Conference) forget(p *participant) {
	p.retire()
	p.stopTimers()
	c.dropSources(p)
	c.expire(p)
	delete(c.parts, p.id())
	c.deps.Counters.Members.Dec()
}

// learn finds out what the participant's client can do, when that is not known or
// its capabilities have changed.
func (c *Conference) learn(p *participant) {
	caps := p.member.CapsNode
	if p.asking || p.features != nil && p.caps == caps {
		return
	}
	p.asking = true
	c.deps.Features(p.member.Addr, caps, func(list []string) {
		c.post(func() {
			if c.parts[p.id()] != p {
				return
			}
			p.asking, p.caps = false, caps
			p.features = make(map[string]bool, len(list))
			for _, f := range list {
				p.features[f] = true
			}
			c.consider()
			c.learn(p) // they may have changed in the meantime
		})
	})
}

// electOwner makes somebody owner of a room in which nobody is, if we are to do so.
func (c *Conference) electOwner() {
	if !c.cfg.AutoOwner || c.breakout {
		return
	}
	var candidate *chatroom.Member
	for _, m := range c.room.Members() {
		if !m.Person() {
			continue
		}
		if m.Owner() {
			c.owner = m.Real.Bare().String()
			return
		}
		if m.Real.Bare().String() == c.owner {
			return // asked for, not yet seen
		}
		if candidate == nil {
			candidate = m
		}
	}
	c.owner = ""
	if candidate != nil {
		c.owner = candidate.Real.Bare().String()
		c.room.GrantOwner(candidate)
	}
}

// end is the end of the conference, by itself or from outside.
func (c *Conference) end(reason string) {
	if c.phase == ended {
		return
	}
	c.phase = ended
	for _, answer := range c.waiting {
		answer(false)
	}
	c.waiting = nil
	for _, t := range c.timers() {
		t.stop()
	}
	for _, p := range c.sorted() {
		p.retire()
		p.stopTimers()
	}
	c.deps.Counters.Members.Add(-int64(len(c.parts)))
	clear(c.parts)
	for addr, s := range c.bridges {
		delete(c.bridges, addr)
		c.tell(s, s.ExpireAll())
	}
	c.expireLeft()
	if !c.staying {
		c.room.Leave()
	}
	if reason != "" {
		c.log.Info(reason)
	}
	c.log.Info("Stopped.")
	c.finish()
}

// abandon ends the conference because the focus stops. As long as somebody is in the
// room the bridge is not told: endpoints nobody uses expire there by themselves. Nor is
// the room, if another focus may go on: if that is there soon nobody sees us go, and
// clients take a meeting whose focus leaves for a broken one.
func (c *Conference) abandon() {
	if c.room.Len() > 0 || len(c.parts) > 0 { // the latter where we were and are not back yet
		if c.keeping.running() {
			c.keep()
		}
		c.staying = c.deps.Keep != nil
		clear(c.bridges)
		c.left = nil
	}
	c.end("The focus stops.")
}

// localpart is the room's name.
func (c *Conference) localpart() string {
	name, _, _ := strings.Cut(c.addr, "@")
	return name
}
