package conference

import (
	"errors"
	"strings"
	"time"

	"parley/focus/colibrisession"
	"parley/focus/jinglesession"
	"parley/internal/source"
	"parley/internal/wire/colibri"
	"parley/internal/wire/ns"
	"parley/internal/xmppclient"
)

// sourceForm is how the participant wants to be told about sources.
func (c *Conference) sourceForm(p *participant) jinglesession.Form {
	if c.cfg.JSONSources && p.has(ns.FeatureJSONSources) {
		return jinglesession.JSON
	}
	return jinglesession.XML
}

// offerSources puts into a new session what its offer has to say: the bridge's own
// sources, and those of all others.
func (c *Conference) offerSources(p *participant, s *colibrisession.Session) {
	if own, err := source.FromColibri(s.Feedback()); err == nil {
		p.session.Add(source.Feedback, source.FeedbackSet(own))
	} else {
		c.log.WithError(err).Warn("The bridge's own sources make no sense.")
	}
	for owner, set := range c.sources.Others(p.id()) {
		p.session.Add(owner, set)
	}
}

// bridgeSources is everything the participant sends, as the bridge wants to hear it.
func (c *Conference) bridgeSources(p *participant) *colibri.Sources {
	return c.sources.Get(p.id()).Colibri(p.id())
}

// readSources takes the sources out of a request.
func (c *Conference) readSources(k call) (source.Set, *xmppclient.StanzaError) {
	set, err := source.FromJingle(k.j.Contents)
	if err != nil {
		return source.Set{}, refuse(xmppclient.BadRequest, err.Error())
	}
	return set, nil
}

// addSources gives the participant more sources, all or none; what is new is
// returned.
func (c *Conference) addSources(p *participant, set source.Set) (source.Set, *xmppclient.StanzaError) {
	for _, name := range set.Names() {
		// A name says whose source it is; the bridge routes by it.
		if i := strings.LastIndexByte(name, '-'); i < 0 || name[:i] != p.id() {
			return source.Set{}, refuse(xmppclient.BadRequest, "Source name "+name+" is not one of this endpoint's")
		}
	}
	fresh, err := c.sources.Add(p.id(), set)
	if errors.Is(err, source.ErrInvalid) {
		return source.Set{}, refuse(xmppclient.BadRequest, err.Error())
	}
	return fresh, nil
}

// handleSourceAdd takes new sources of a client.
func (c *Conference) handleSourceAdd(k call) *xmppclient.StanzaError {
	set, err := c.readSources(k)
	if err != nil || set.Empty() {
		return err
	}
	if kind := c.overLimit(k.p, set); kind != "" {
		return refuse(xmppclient.ResourceConstraint, "Sender count exceeded for: "+kind)
	}
	fresh, err := c.addSources(k.p, set)
	if err != nil {
		return err
	}
	c.update(k.p, colibrisession.Update{Sources: c.bridgeSources(k.p)})
	c.announce(k.p, fresh)
	return nil
}

// overLimit names the medium of which no more senders are allowed, "" if none. Who
// sends already may go on.
func (c *Conference) overLimit(p *participant, set source.Set) string {
	for _, x := range set.Sources {
		switch {
		case x.Media == source.Audio && !p.member.Sending.Audio && c.full(mediaFlags{audio: true}),
			x.Media == source.Video && !p.member.Sending.Video && c.full(mediaFlags{video: true}):
			return x.Media
		}
	}
	return ""
}

// handleSourceRemove takes away sources of a client.
func (c *Conference) handleSourceRemove(k call) *xmppclient.StanzaError {
	set, serr := c.readSources(k)
	if serr != nil || set.Empty() {
		return serr
	}
	gone, err := c.sources.Remove(k.p.id(), set)
	if err != nil {
		return refuse(xmppclient.BadRequest, err.Error())
	}
	c.update(k.p, colibrisession.Update{Sources: c.bridgeSources(k.p)})
	for _, q := range c.listeners(k.p) {
		q.session.Remove(k.p.id(), gone)
		c.flush(q)
	}
	return nil
}

// listeners are the others that have a session.
func (c *Conference) listeners(p *participant) []*participant {
	var out []*participant
	for _, q := range c.sorted() {
		if q != p && q.session != nil {
			out = append(out, q)
		}
	}
	return out
}

// announce tells the others about new sources of the participant.
func (c *Conference) announce(p *participant, set source.Set) {
	for _, q := range c.listeners(p) {
		q.session.Add(p.id(), set)
		c.flush(q)
	}
}

// removeSources takes all sources of the participant away and tells the others.
func (c *Conference) removeSources(p *participant) {
	c.queueRemoval(p)
	for _, q := range c.listeners(p) {
		c.flush(q)
	}
}

// queueRemoval is removeSources without telling yet.
func (c *Conference) queueRemoval(p *participant) {
	gone := c.sources.RemoveOwner(p.id())
	if gone.Empty() {
		return
	}
	for _, q := range c.listeners(p) {
		q.session.Remove(p.id(), gone)
	}
}

// dropSources takes all sources of a participant that left away; the others see it
// leave.
func (c *Conference) dropSources(p *participant) {
	c.sources.RemoveOwner(p.id())
	for _, q := range c.listeners(p) {
		q.session.Forget(p.id())
	}
}

// flush tells the participant what changed: at once, or after the delay large
// conferences collect changes for.
func (c *Conference) flush(p *participant) {
	if p.session == nil || !p.session.Waiting() || p.signal.running() {
		return
	}
	if d := c.sourceDelay(); d > 0 {
		p.signal.start(d, func() { c.tellSources(p) })
		return
	}
	c.tellSources(p)
}

// flushAll tells everybody at once.
func (c *Conference) flushAll() {
	for _, p := range c.sorted() {
		p.signal.stop()
		c.tellSources(p)
	}
}

func (c *Conference) tellSources(p *participant) {
	if p.session == nil {
		return
	}
	for _, j := range p.session.Flush() {
		c.request(xmppclient.IQ{Type: xmppclient.TypeSet, To: p.session.Peer(), Payload: j}, ignore)
	}
}

// sourceDelay is how long changes are collected in a conference of this size.
func (c *Conference) sourceDelay() time.Duration {
	var d time.Duration
	size := 0
	for _, s := range c.cfg.SourceDelays {
		if len(c.parts) >= s.Participants && s.Participants >= size {
			d, size = s.Delay, s.Participants
		}
	}
	return d
}

// ignore is for requests whose answer changes nothing.
func ignore(*xmppclient.Stanza, error) {}
