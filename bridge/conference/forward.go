package conference

import (
	"math"
	"slices"
	"time"

	"parley/bridge/allocate"
	"parley/bridge/endpoint"
	"parley/bridge/media"
	"parley/internal/wire/bridgemsg"
)

// initialSettings hold until the client speaks.
func (c *Conference) initialSettings() allocate.Settings {
	s := allocate.Initial()
	s.Default.MaxHeight = c.cfg.InitialMaxHeight
	return s
}

// setSources makes the endpoint's sources those the focus listed.
func (c *Conference) setSources(e *endpoint.Endpoint, specs []endpoint.SourceSpec) {
	gone, added := e.SetSources(specs)
	for _, s := range gone {
		c.forgetSource(s)
	}
	for _, s := range added {
		c.tracks[s.Track] = s
		if s.Kind == media.Audio {
			for _, r := range c.endpoints {
				c.setAudio(r, s)
			}
		}
		c.crossAll(s)
	}
	if len(gone)+len(added) > 0 {
		c.exempt()
		c.touchAll()
	}
}

// forgetSource drops a source that is gone, or whose owner is.
func (c *Conference) forgetSource(s *endpoint.Source) {
	delete(c.tracks, s.Track)
	for _, r := range c.endpoints {
		r.Forget(s)
	}
	for _, r := range c.relays {
		r.Forget(s)
	}
}

// connectAudio brings the audio an endpoint gets up to date.
func (c *Conference) connectAudio(e *endpoint.Endpoint) {
	for o := range c.senders() {
		for _, s := range o.Audio {
			c.setAudio(e, s)
		}
	}
}

// setAudio forwards an audio source to a receiver, or stops it.
func (c *Conference) setAudio(r *endpoint.Endpoint, s *endpoint.Source) {
	f := endpoint.Forward{Target: media.LayerNone}
	if r != s.Owner && r.AcceptAudio && !s.Owner.Visitor && r.Receive.Audio.Wants(s) {
		f.Target = media.LayerAll
	}
	if r.Receive.Sound != nil && f.Target != media.LayerNone {
		slot := r.Receive.Sound.Get(s)
		if slot == nil {
			// With rewriting a source gets an SSRC when it is first heard.
			if !s.Started {
				return
			}
			slot = c.mapAudio(r, s)
		}
		f.SSRC = slot.SSRC
	}
	r.Set(s, f)
}

// sourceStarted: the first packet of a source arrived.
func (c *Conference) sourceStarted(s *endpoint.Source, _ time.Time) {
	if s.Kind == media.Audio {
		for _, r := range c.endpoints {
			c.setAudio(r, s)
		}
		return
	}
	c.touchReceivers(s)
}

// touch asks for a new decision about one receiver's video; many requests within
// flushInterval become one.
func (c *Conference) touch(e *endpoint.Endpoint) {
	c.dirty[e] = true
	c.schedule(time.Now())
}

// touchReceivers asks for it for everybody but the source's owner.
func (c *Conference) touchReceivers(s *endpoint.Source) {
	for _, e := range c.endpoints {
		if e != s.Owner {
			c.touch(e)
		}
	}
}

// touchAll asks for it for everybody.
func (c *Conference) touchAll() {
	for _, e := range c.endpoints {
		c.touch(e)
	}
	c.constraints = true
	c.schedule(time.Now())
}

func (c *Conference) schedule(now time.Time) {
	if c.flushing {
		return
	}
	c.flushing = true
	wait := max(0, flushInterval-now.Sub(c.lastFlush))
	time.AfterFunc(wait, func() { c.offer(func() { c.flush(time.Now()) }) })
}

// flush decides about everybody who is dirty, and tells senders what is wanted.
func (c *Conference) flush(now time.Time) {
	c.flushing, c.lastFlush = false, now
	if c.expired {
		return
	}
	if len(c.dirty) > 0 {
		offered := c.gather()
		for e := range c.dirty {
			if c.endpoints[e.ID] == e {
				c.decide(e, offered)
			}
		}
		clear(c.dirty)
		c.constraints = true
	}
	if c.constraints {
		c.constraints = false
		c.tellSenders()
	}
}

// lastNOrder lists the endpoints as last-N counts them: with video before without, and
// then by who spoke last.
func (c *Conference) lastNOrder() []*endpoint.Endpoint {
	var with, without []*endpoint.Endpoint
	for _, id := range c.recent.Order() {
		e := c.sender(id)
		switch {
		case e == nil || e.Visitor:
		case e.VideoEnabled():
			with = append(with, e)
		default:
			without = append(without, e)
		}
	}
	return append(with, without...)
}

// offering is the video there is, gathered once for all receivers of a flush.
type offering struct {
	sources []*endpoint.Source // in last-N order
	shown   []allocate.Source  // the same, as the allocation sees them
	byName  map[string]*endpoint.Source
}

func (c *Conference) gather() *offering {
	o := &offering{byName: make(map[string]*endpoint.Source)}
	for _, e := range c.lastNOrder() {
		for _, s := range e.Video {
			o.sources = append(o.sources, s)
			o.shown = append(o.shown, s.Candidate())
			o.byName[s.Name] = s
		}
	}
	return o
}

// to is what is offered to one receiver: everything but its own.
func (o *offering) to(e *endpoint.Endpoint) []allocate.Source {
	if !e.AcceptVideo {
		return nil
	}
	list := make([]allocate.Source, 0, len(o.shown))
	for i, s := range o.sources {
		if s.Owner == e {
			continue
		}
		shown := o.shown[i]
		if l := e.Gets(s); l != media.LayerNone {
			shown.Sent, shown.Sticky = int(l), true
		}
		list = append(list, shown)
	}
	return list
}

// decide chooses what video a receiver gets, and makes it so.
func (c *Conference) decide(e *endpoint.Endpoint, o *offering) {
	cfg := c.cfg.Allocate
	offered := o.to(e)
	bySize := allocate.Unlimited
	if c.cfg.LastNOf != nil {
		bySize = c.cfg.LastNOf(len(offered) + 1)
	}
	cfg.MaxVideo = allocate.EffectiveLastN(c.cfg.LastN, bySize, int(c.set.reduced.Load()), c.slotLimit(e))
	result := allocate.Allocate(offered, e.Receive.Settings, e.Bandwidth(c.cfg.Trust), cfg)
	e.Receive.Result = result

	if e.Receive.Video != nil {
		c.mapVideo(e, result, o.byName)
	}
	for _, a := range result.Allocations {
		s := o.byName[a.Source]
		f := endpoint.Forward{Target: media.LayerNone}
		if a.Target != allocate.None {
			f.Target = media.Layer(a.Target)
		}
		if e.Receive.Video != nil && f.Target != media.LayerNone {
			slot := e.Receive.Video.Get(s)
			f.SSRC, f.RTX = slot.SSRC, slot.RTX
		}
		e.Set(s, f)
	}
	c.tellForwarded(e, result.Forwarded())
}

func (c *Conference) slotLimit(e *endpoint.Endpoint) int {
	if e.Receive.Video == nil {
		return allocate.Unlimited
	}
	return c.cfg.SSRCLimit
}

// bandwidthMoved asks for a new decision when the estimate went somewhere.
func (c *Conference) bandwidthMoved(e *endpoint.Endpoint, before int64) {
	if !c.cfg.Trust {
		return
	}
	now := e.Estimator.Bitrate()
	if e.Decided == 0 {
		e.Decided = before
	}
	if math.Abs(float64(now-e.Decided)) > bandwidthThreshold*float64(e.Decided) {
		e.Decided = now
		c.touch(e)
	}
}

// tellForwarded sends ForwardedSources if the set changed.
func (c *Conference) tellForwarded(e *endpoint.Endpoint, names []string) {
	if e.Receive.Forwarded != nil && sameSet(names, e.Receive.Forwarded) {
		return
	}
	e.Receive.Forwarded = names
	c.send(e, &bridgemsg.ForwardedSources{ForwardedSources: names})
}

func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, s := range a {
		if !slices.Contains(b, s) {
			return false
		}
	}
	return true
}

// tellSenders computes the largest height anybody wants of each source and tells the
// owner when that changed. It is about wishes, not about what the bandwidth allows.
func (c *Conference) tellSenders() {
	wanted := make(map[string]int)
	for _, r := range c.endpoints {
		for _, a := range r.Receive.Result.Allocations {
			wanted[a.Source] = higher(wanted[a.Source], a.Constraint.MaxHeight)
		}
	}
	for e := range c.senders() {
		for _, s := range e.Video {
			w := wanted[s.Name]
			for _, r := range c.relays {
				if c.mayCross(r, s) {
					w = higher(w, r.Wished(s.Name))
				}
			}
			if !s.Told || s.Wanted != w {
				s.Told, s.Wanted = true, w
				c.sendConstraint(s)
			}
		}
	}
}

// higher is the greater of two heights, of which a negative one is unlimited.
func higher(a, b int) int {
	if a < 0 || b < 0 {
		return allocate.Unlimited
	}
	return max(a, b)
}

// wantAnew asks for the wishes towards senders to be added up again.
func (c *Conference) wantAnew() {
	c.constraints = true
	c.schedule(time.Now())
}

func (c *Conference) sendConstraint(s *endpoint.Source) {
	if r := c.relayOf[s.Owner]; r != nil {
		c.askRelay(r, s)
		return
	}
	c.send(s.Owner, &bridgemsg.SenderSourceConstraints{SourceName: s.Name, MaxHeight: s.Wanted})
}
