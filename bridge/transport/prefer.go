package transport

import (
	"errors"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"
)

// Media prefers UDP: over TCP one lost packet holds up all that come after it. The agent
// takes the first way that works, and on a bad network that may be TCP, where nothing is
// lost. So TCP begins a little later, and a session that is on it moves up as soon as UDP
// is proved to work.
const (
	// checkInterval is the time between two checks of a pair, the least RFC 8445 allows
	// (section 14.2): where one in five packets is lost, UDP needs some attempts.
	checkInterval = 50 * time.Millisecond
	// maxChecks bounds the checks of a pair until it has worked once.
	maxChecks = 60
	// udpHead is how long TCP waits for UDP, from the peer's first check over TCP.
	udpHead = 500 * time.Millisecond
	// lateWait is how long the agent looks for a way by itself. It gives pairs up and holds on
	// to the one it has nominated, both for good; later every check of the peer is answered by
	// a nominating one of ours.
	lateWait = 3 * time.Second
	// nominationPause is the least time between two nominations that checks of the peer bring
	// about: the agent looks through all it has sent in four seconds.
	nominationPause = 20 * time.Millisecond
	// knockPause is the time between two attempts at UDP of our own while TCP carries the media.
	knockPause = 2 * time.Second
	// maxKnocks bounds the pairs that are tried in one of them.
	maxKnocks = 8
	// fallPause is how long a session stays on TCP that had to leave UDP, at least; twice as
	// long each time, but not longer than maxFallPause.
	fallPause    = 5 * time.Second
	maxFallPause = 5 * time.Minute
)

// preference is what a round knows of the ways it has not chosen. mu guards its fields but
// for the first two, which do not change.
type preference struct {
	// tcpOpen is closed when checks over TCP may be taken in.
	tcpOpen chan struct{}
	// heard is when something last came from a candidate of the peer.
	heard func(ice.Candidate) time.Time

	mu        sync.Mutex
	waiting   bool // for tcpOpen
	open      bool
	chosen    ice.Candidate // the peer's side of the way there is
	began     time.Time     // when the peer's credentials came
	nominated time.Time     // when we last did so at a check of the peer
	knocked   time.Time
	falls     int
	stay      time.Time // on TCP at least until then
	// locals are our UDP candidates, remotes the last of the peer's.
	locals, remotes []ice.Candidate
}

func newPreference() *preference {
	return &preference{tcpOpen: make(chan struct{}), heard: ice.Candidate.LastReceived}
}

// yield waits, at the first check over TCP, until UDP has had its time; false means that the
// connection is done.
func (p *preference) yield(head time.Duration, done <-chan struct{}) bool {
	p.mu.Lock()
	if !p.waiting {
		p.waiting = true
		time.AfterFunc(head, p.openTCP)
	}
	p.mu.Unlock()
	select {
	case <-p.tcpOpen:
		return true
	case <-done:
		return false
	}
}

// openTCP lets checks over TCP in.
func (p *preference) openTCP() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.open {
		p.open = true
		close(p.tcpOpen)
	}
}

// holdsTCP says whether checks over TCP still wait.
func (p *preference) holdsTCP() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.open
}

// start notes when the checks begin.
func (p *preference) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began = time.Now()
}

// choose notes the peer's side of the way there is. roamed says that it takes the place of
// one that had fallen silent.
func (p *preference) choose(c ice.Candidate, now time.Time) (roamed bool) {
	p.openTCP()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.chosen != nil {
		if isUDP(p.chosen) && !isUDP(c) {
			p.stay = now.Add(min(fallPause<<min(p.falls, 10), maxFallPause))
			p.falls++
		}
		roamed = !p.chosen.Equal(c) && now.Sub(p.heard(p.chosen)) >= disconnectedWait
	}
	p.chosen = c
	return roamed
}

// local notes a candidate of ours.
func (p *preference) local(c ice.Candidate) {
	if c == nil || !isUDP(c) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.locals) < maxKnocks {
		p.locals = append(p.locals, c)
	}
}

// remote notes a candidate of the peer. What a TURN server relays may be TCP again on the
// other side of it, and is not preferred.
func (p *preference) remote(c ice.Candidate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remoteLocked(c)
}

func (p *preference) remoteLocked(c ice.Candidate) {
	if !isUDP(c) || c.Type() == ice.CandidateTypeRelay {
		return
	}
	for _, known := range p.remotes {
		if known.Equal(c) {
			return
		}
	}
	if len(p.remotes) == maxKnocks {
		p.remotes = append(p.remotes[:0], p.remotes[1:]...)
	}
	p.remotes = append(p.remotes, c)
}

func isUDP(c ice.Candidate) bool { return c.NetworkType().IsUDP() }

// pairOf is one of our candidates and one of the peer's.
type pairOf struct{ local, remote ice.Candidate }

// checked hears of an authentic check of the peer. nominate is what is to be nominated: it is
// taken when the peer answers. roams says that its way is wanted also where the peer nominates.
func (p *preference) checked(local, from ice.Candidate, now time.Time) (roams bool, nominate []pairOf) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.remoteLocked(from)
	switch {
	case p.chosen == nil:
		if now.Sub(p.began) < lateWait {
			return false, nil
		}
		return false, p.answerLocked(pairOf{local, from}, now)
	case p.chosen.Equal(from):
	case p.silentLocked(from, now):
		return true, p.answerLocked(pairOf{local, from}, now)
	}
	if isUDP(p.chosen) || now.Before(p.stay) {
		return false, nil
	}
	if isUDP(from) {
		if from.Type() == ice.CandidateTypeRelay {
			return false, nil
		}
		return false, p.answerLocked(pairOf{local, from}, now)
	}
	return false, p.knockLocked(now)
}

// silentLocked says whether nothing has come for so long from the address chosen before that
// another one takes its place. Here, too, UDP comes first.
func (p *preference) silentLocked(from ice.Candidate, now time.Time) bool {
	wait := disconnectedWait
	if !isUDP(from) {
		wait += udpHead
	}
	return now.Sub(p.heard(p.chosen)) >= wait
}

// answerLocked nominates the way a check came, unless it has just nominated one.
func (p *preference) answerLocked(way pairOf, now time.Time) []pairOf {
	if now.Sub(p.nominated) < nominationPause {
		return nil
	}
	p.nominated = now
	return []pairOf{way}
}

// knockLocked tries UDP where the peer does not: it may have given it up, or wait for us.
func (p *preference) knockLocked(now time.Time) (ways []pairOf) {
	if now.Sub(p.knocked) < knockPause {
		return nil
	}
	p.knocked = now
	for i := range p.remotes {
		remote := p.remotes[len(p.remotes)-1-i]
		for _, local := range p.locals {
			if local.NetworkType() == remote.NetworkType() && len(ways) < maxKnocks {
				ways = append(ways, pairOf{local, remote})
			}
		}
	}
	return ways
}

// checked is called by the agent, in its own goroutine, at each authentic check. It lets a
// peer go on from another address, because its network or its router has changed: when the
// address chosen before has been silent for as long as counts as lost, the first one that
// answers takes its place. A check alone does not do: who sends it can forge where from, and
// have us send media to somebody who never asked for it. RFC 8445 would have the peer wait
// for a restart. What is nominated here carries a number, by which libwebrtc knows the last one.
func (r *round) checked(_ *stun.Message, local, from ice.Candidate, pair *ice.CandidatePair) bool {
	roams, nominate := r.prefer.checked(local, from, time.Now())
	controlled := false
	for _, way := range nominate {
		// It fails where the peer decides, and where there is no such pair any more.
		err := r.agent.RenominateCandidate(way.local, way.remote)
		controlled = controlled || errors.Is(err, ice.ErrOnlyControllingAgentCanRenominate)
	}
	return roams && controlled && pair.ResponsesReceived() > 0
}

// nomination numbers what we nominate. The agent's first one has no number and counts as 1.
func (r *round) nomination() uint32 { return r.nominations.Add(1) + 1 }
