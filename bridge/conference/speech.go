package conference

import (
	"slices"
	"time"

	"parley/bridge/allocate"
	"parley/bridge/endpoint"
	"parley/bridge/rtp"
	"parley/internal/wire/bridgemsg"
)

// decideSpeaker collects the audio levels of the last interval and looks who speaks.
func (c *Conference) decideSpeaker(now time.Time) {
	if c.expired {
		return
	}
	for e := range c.senders() {
		if e.Visitor {
			continue
		}
		heard := false
		for _, l := range e.Levels() {
			c.identifier.Level(e.ID, l.Value, now)
			heard = heard || l.Value > 0 && !l.Tossed
		}
		if heard {
			c.audible(e)
		}
	}
	if id, changed := c.identifier.Decide(now); changed && id != "" {
		c.speakerChanged(id)
	}
}

func (c *Conference) speakerChanged(id string) {
	e := c.sender(id)
	if e == nil {
		return
	}
	c.set.counters.SpeakerChanges.Inc()
	c.recent.Speak(id)
	c.exempt()
	c.broadcast(c.speakerEvent(), everybody)
	c.touchAll()
	c.keyframeAhead(e)
}

// rank lets what comes over a leg, which is one of ours already, compete to be heard. A
// conference that was empty begins anew: it may be served by another goroutine now.
func (c *Conference) rank(leg endpoint.Leg) {
	a := c.cfg.Audio
	if a.Loudest == 0 {
		return
	}
	if len(c.endpoints)+len(c.relays) == 1 {
		c.loudest = rtp.NewLoudest(rtp.LoudestConfig{Count: a.Loudest, Expire: a.EnergyExpire, Alpha: a.EnergyAlpha})
	}
	leg.Rank(c.loudest)
}

// exempt says which audio is forwarded whoever is louder: that of the dominant speaker,
// and what anybody has asked for by name.
func (c *Conference) exempt() {
	if c.loudest == nil {
		return
	}
	for e := range c.senders() {
		for _, s := range e.Audio {
			always := c.cfg.Audio.AlwaysDominant && e.ID == c.recent.Dominant()
			for _, r := range c.endpoints {
				always = always || slices.Contains(r.Receive.Audio.Include, s.Name)
			}
			if s.Always != always {
				s.Always = always
				s.Track.Always(always)
			}
		}
	}
}

// speakerEvent is what clients are told of the speakers, nil if nobody spoke yet.
func (c *Conference) speakerEvent() bridgemsg.Message {
	id := c.recent.Dominant()
	if id == "" {
		return nil
	}
	return &bridgemsg.DominantSpeakerEndpointChangeEvent{
		DominantSpeakerEndpoint: id, PreviousSpeakers: c.recent.Previous(),
	}
}

// keyframeAhead asks a new speaker for a keyframe before the clients that will put them
// on stage do: late enough that the slowest of them has heard of the change.
func (c *Conference) keyframeAhead(e *endpoint.Endpoint) {
	if len(c.endpoints)+len(c.remotes) <= 2 || len(e.Video) == 0 || e.Video[0].Type != allocate.Camera || !c.stageInUse(e) {
		c.set.counters.KeyframesAheadSkipped.Inc()
		return
	}
	slowest := time.Duration(0)
	for _, r := range c.endpoints {
		if r != e {
			slowest = max(slowest, r.Leg.Stats().RTT)
		}
	}
	c.set.counters.KeyframesAhead.Inc()
	s := e.Video[0]
	wait := max(0, slowest-e.Leg.Stats().RTT) + 10*time.Millisecond
	time.AfterFunc(wait, func() {
		c.offer(func() {
			if c.tracks[s.Track] == s {
				s.Track.RequestKeyframe(c.bestEncoding(s))
			}
		})
	})
}

// stageInUse tells whether somebody else has a camera on stage.
func (c *Conference) stageInUse(e *endpoint.Endpoint) bool {
	for _, r := range c.endpoints {
		for _, a := range r.Receive.Result.Allocations {
			if r != e && a.OnStage && a.Target != allocate.None {
				return true
			}
		}
	}
	return false
}

// bestEncoding is the highest encoding of a source anybody gets.
func (c *Conference) bestEncoding(s *endpoint.Source) int {
	best := 0
	for _, r := range c.endpoints {
		if l := r.Gets(s); l >= 0 {
			best = max(best, l.Encoding())
		}
	}
	return min(best, len(s.Encodings)-1)
}
