package conference

import (
	"time"

	"parley/focus/colibrisession"
	"parley/internal/logx"
	"parley/internal/wire/colibri"
	"parley/internal/wire/jingle"
	"parley/internal/xmppclient"
)

// maxFaultPause bounds the pause between attempts when bridge sessions fail again
// and again.
const maxFaultPause = 10 * time.Second

// tell sends the bridge a request whose answer matters only if it is an error. A nil
// request is none.
func (c *Conference) tell(s *colibrisession.Session, ask *colibri.Modify) {
	if ask == nil {
		return
	}
	c.request(xmppclient.IQ{Type: xmppclient.TypeGet, To: s.Bridge(), Payload: ask}, func(_ *xmppclient.Stanza, err error) {
		c.handleTold(s, err)
	})
}

// handleTold takes the answer to tell.
func (c *Conference) handleTold(s *colibrisession.Session, err error) {
	if err == nil || c.bridges[s.Bridge()] != s {
		return // fine; or about a session that is gone already
	}
	if fault, ours := colibrisession.NewFault(err); ours {
		c.bridgeFault(s, c.parts[fault.Endpoint], fault, colibrisession.JudgeUpdate(fault), err)
	}
}

// bridgeFault does what a failed request asks for. p is the participant it was
// about, nil if none.
func (c *Conference) bridgeFault(s *colibrisession.Session, p *participant, f colibrisession.Fault, v colibrisession.Verdict, err error) {
	c.deps.Counters.BridgeFaults.Inc()
	log := c.log.WithError(err).WithField(logx.Bridge, s.Bridge())
	log.WithField(logx.Reason, v.Scope.String()).Warn("A request to the bridge failed.")
	switch {
	case v.Failed:
		c.deps.Bridges.Failed(s.Bridge(), time.Now())
	case v.Draining:
		c.deps.Bridges.Draining(s.Bridge())
	case v.NoSCTP:
		log.Warn("The bridge has no data channels; participants use the WebSocket.")
		c.deps.Bridges.RefusedSCTP(s.Bridge())
	}
	switch v.Scope {
	case colibrisession.GiveUp:
		if p != nil {
			c.giveUp(p, err)
		}
	case colibrisession.OneEndpoint:
		if p != nil && p.bridge == s {
			c.move([]*participant{p})
		}
	case colibrisession.WholeSession:
		if !v.NoSCTP { // that one is settled by asking again without
			c.faulted()
		}
		c.dropBridge(s)
	case colibrisession.Nothing:
	}
}

// expire takes the participant off its bridge. When it was the last one there the
// session with the bridge is over.
func (c *Conference) expire(p *participant) {
	s := p.bridge
	p.bridge, p.allocating = nil, false
	p.attempt++
	if s == nil || c.bridges[s.Bridge()] != s {
		return
	}
	ask := s.Expire(p.id())
	if s.Len() == 0 {
		delete(c.bridges, s.Bridge())
		c.publish()
		c.endSession(s, ask)
	} else {
		c.tell(s, ask)
	}
	c.hidden(s, p.id())
}

// endingFor is how long a bridge may take to end a meeting before it is asked for it again.
const endingFor = 3 * time.Second

// endSession sends the bridge the last request of a session. Until that is answered no new
// session begins there: JVB ends a meeting in its turn, but looks at once whether there is
// one, and would refuse the next.
func (c *Conference) endSession(s *colibrisession.Session, ask *colibri.Modify) {
	if ask == nil {
		return
	}
	addr, due := s.Bridge(), time.Now().Add(endingFor)
	c.ending[addr] = due
	c.request(xmppclient.IQ{Type: xmppclient.TypeGet, To: addr, Payload: ask}, func(_ *xmppclient.Stanza, err error) {
		if !c.ending[addr].Equal(due) {
			return
		}
		delete(c.ending, addr)
		if _, heard := colibrisession.NewFault(err); err == nil || heard { // not if our own connection broke
			c.consider()
		}
	})
}

// endedOn says whether a session may begin on the bridge; if not, it will.
func (c *Conference) endedOn(addr string) bool {
	wait := time.Until(c.ending[addr])
	if wait <= 0 {
		delete(c.ending, addr)
		return true
	}
	if !c.retry.running() {
		c.retry.start(wait, c.consider)
	}
	return false
}

// handleBridgeAdded gives the participants of a conference without a bridge one.
func (c *Conference) handleBridgeAdded() {
	if len(c.bridges) == 0 {
		c.noBridge, c.faults, c.pauseUntil = false, 0, time.Time{}
		c.retry.stop()
		c.consider()
		c.publish()
	}
}

// handleBridgeLost moves everybody away from the bridge.
func (c *Conference) handleBridgeLost(addr string) {
	if s := c.bridges[addr]; s != nil {
		c.log.WithField(logx.Bridge, addr).Info("The bridge of the conference is lost.")
		c.dropBridge(s)
	}
}

// handleBridgeReturned asks the bridge whether it still has the conference. If not, its
// error does the rest.
func (c *Conference) handleBridgeReturned(addr string) {
	if s := c.bridges[addr]; s != nil {
		c.tell(s, s.Knock())
	}
}

// dropBridge ends the session with a bridge and invites its participants anew. The
// bridge is told even if it is probably gone.
func (c *Conference) dropBridge(s *colibrisession.Session) {
	delete(c.bridges, s.Bridge())
	c.endSession(s, s.ExpireAll())
	c.hidden(s, "")
	var moved []*participant
	for _, p := range c.sorted() {
		if p.bridge == s {
			moved = append(moved, p)
		}
	}
	c.publish()
	c.move(moved)
}

// move invites the participants anew, on whatever bridge is chosen now. The others
// hear that their sources are gone; they come back with the new session.
func (c *Conference) move(list []*participant) {
	for _, p := range list {
		c.log.WithField(logx.Endpoint, p.id()).Info("Re-inviting participant.")
		c.deps.Counters.Moved.Inc()
		c.queueRemoval(p)
	}
	c.flushAll()
	for _, p := range list {
		c.terminate(p, jingle.ReasonSuccess, "moving")
		c.expire(p)
	}
	c.consider()
}

// faulted counts a failed session. From the second in a row on there is a growing
// pause, so that a broken bridge is not asked in a tight loop.
func (c *Conference) faulted() {
	if c.faults++; c.faults > 1 {
		c.pauseUntil = time.Now().Add(min(maxFaultPause, 250*time.Millisecond<<min(c.faults-2, 10)))
	}
}

// retryDue says whether bridges may be asked now; if not, they will be.
func (c *Conference) retryDue() bool {
	pause := time.Until(c.pauseUntil)
	if pause <= 0 {
		return true
	}
	if !c.retry.running() {
		c.retry.start(pause, c.consider)
	}
	return false
}
