package conference

import (
	"parley/bridge/allocate"
	"parley/bridge/endpoint"
	"parley/bridge/media"
	"parley/internal/wire/bridgemsg"
)

// mapVideo gives every video source the receiver wants one of the receiver's own SSRCs,
// and tells the client before the first packet comes. A mapping outlives the wish: the
// slot is given away only when another source needs it.
func (c *Conference) mapVideo(e *endpoint.Endpoint, r allocate.Result, byName map[string]*endpoint.Source) {
	slots := e.Receive.Video
	var fresh []*endpoint.Source
	for _, a := range r.Allocations {
		if s := byName[a.Source]; a.Constraint.Wants() && !slots.Touch(s) {
			fresh = append(fresh, s)
		}
	}
	var entries []bridgemsg.VideoMapping
	for _, s := range fresh {
		slot, evicted := slots.Assign(s)
		if evicted != nil {
			e.Set(evicted, endpoint.Forward{Target: media.LayerNone})
		}
		entries = append(entries, videoMapping(s, slot))
	}
	if len(entries) > 0 {
		c.send(e, &bridgemsg.VideoSourcesMap{MappedSources: entries})
	}
}

// mapAudio does the same for an audio source that was heard.
func (c *Conference) mapAudio(e *endpoint.Endpoint, s *endpoint.Source) *endpoint.Slot {
	slot, evicted := e.Receive.Sound.Assign(s)
	if evicted != nil {
		e.Set(evicted, endpoint.Forward{Target: media.LayerNone})
	}
	c.send(e, &bridgemsg.AudioSourcesMap{MappedSources: []bridgemsg.AudioMapping{audioMapping(s, slot)}})
	return slot
}

// audible brings back audio sources that lost their SSRC to others and are heard again.
func (c *Conference) audible(e *endpoint.Endpoint) {
	for _, r := range c.endpoints {
		if r == e || r.Receive.Sound == nil {
			continue
		}
		for _, s := range e.Audio {
			if !r.Receive.Sound.Touch(s) {
				c.setAudio(r, s)
			}
		}
	}
}

func videoMapping(s *endpoint.Source, slot *endpoint.Slot) bridgemsg.VideoMapping {
	return bridgemsg.VideoMapping{
		Source: s.Name, Owner: s.Owner.ID, SSRC: slot.SSRC, RTX: slot.RTX, VideoType: s.Type.String(),
	}
}

func audioMapping(s *endpoint.Source, slot *endpoint.Slot) bridgemsg.AudioMapping {
	return bridgemsg.AudioMapping{Source: s.Name, Owner: s.Owner.ID, SSRC: slot.SSRC}
}

// sendMaps tells a client everything that is mapped.
func (c *Conference) sendMaps(e *endpoint.Endpoint) {
	if e.Receive.Video == nil {
		return
	}
	var video []bridgemsg.VideoMapping
	for _, slot := range e.Receive.Video.Mapped() {
		video = append(video, videoMapping(slot.Source(), slot))
	}
	var audio []bridgemsg.AudioMapping
	for _, slot := range e.Receive.Sound.Mapped() {
		audio = append(audio, audioMapping(slot.Source(), slot))
	}
	if len(video) > 0 {
		c.send(e, &bridgemsg.VideoSourcesMap{MappedSources: video})
	}
	if len(audio) > 0 {
		c.send(e, &bridgemsg.AudioSourcesMap{MappedSources: audio})
	}
}
