package conference

import (
	"fmt"
	"strconv"

	"parley/internal/wire/jitsimeet"
)

// presence is what we show in the room.
func (c *Conference) presence() []any {
	props := &jitsimeet.ConferenceProperties{}
	props.Set(jitsimeet.KeyTerminateRestart, "true")
	if c.bridged {
		props.Set(jitsimeet.KeyBridgeCount, strconv.Itoa(len(c.bridges)))
	}
	if c.full(mediaFlags{audio: true}) {
		props.Set(jitsimeet.KeyAudioLimitReached, "true")
	}
	if c.full(mediaFlags{video: true}) {
		props.Set(jitsimeet.KeyVideoLimitReached, "true")
	}
	out := []any{
		jitsimeet.Etherpad{Name: c.localpart()},
		jitsimeet.Versions{Components: []jitsimeet.VersionComponent{{Name: "focus", Version: c.deps.Version}}},
		props,
	}
	if c.noBridge {
		out = append(out, jitsimeet.BridgeNotAvailable{})
	}
	if c.deps.Caps != nil {
		out = append(out, c.deps.Caps)
	}
	return out
}

// publish shows our presence if it says something new.
func (c *Conference) publish() {
	if c.phase != running {
		return
	}
	key := fmt.Sprint(c.bridged, len(c.bridges), c.noBridge, c.full(mediaFlags{audio: true}), c.full(mediaFlags{video: true}))
	if key == c.published {
		return
	}
	c.published = key
	c.room.Publish(c.presence()...)
}

// mediaFlags say something about audio, video or both.
type mediaFlags struct{ audio, video bool }

// senders counts the members that send.
func (c *Conference) senders() (audio, video int) {
	for _, m := range c.room.Members() {
		if m.Sending.Audio {
			audio++
		}
		if m.Sending.Video {
			video++
		}
	}
	return audio, video
}

// full says whether no more may begin to send any of the media asked about.
func (c *Conference) full(of mediaFlags) bool {
	if n := c.room.Len(); (!of.audio || n < c.cfg.MaxAudioSenders) && (!of.video || n < c.cfg.MaxVideoSenders) {
		return false // the usual case: not worth counting
	}
	audio, video := c.senders()
	return of.audio && audio >= c.cfg.MaxAudioSenders || of.video && video >= c.cfg.MaxVideoSenders
}

func (c *Conference) checkLimits() { c.publish() }
