package conference

import (
	"slices"

	"parley/internal/logx"
	"parley/internal/wire/colibri"
	"parley/internal/wire/jitsimeet"
	"parley/internal/xmppclient"
)

// moderation is what the room's moderators allow: by medium, whether it is moderated
// and which occupants may use it nevertheless.
type moderation struct {
	on      map[string]bool
	allowed map[string][]string // occupant addresses
}

// media that are moderated apart from each other.
var moderated = []string{jitsimeet.MediaAudio, jitsimeet.MediaVideo, jitsimeet.MediaDesktop}

// maxAllowed bounds a white list.
const maxAllowed = 10000

// may says whether the occupant may unmute the medium.
func (m *moderation) may(media, occupant string) bool {
	return !m.on[media] || slices.Contains(m.allowed[media], occupant)
}

// forceMute is what the bridge must silence of the occupant. Camera and screen are
// one to the bridge: it silences video only if both are moderated.
func (m *moderation) forceMute(occupant string) colibri.ForceMute {
	return colibri.ForceMute{
		Audio: !m.may(jitsimeet.MediaAudio, occupant),
		Video: !m.may(jitsimeet.MediaVideo, occupant) && !m.may(jitsimeet.MediaDesktop, occupant),
	}
}

// forceMuteAtStart is what a new endpoint is silenced of: moderators and those who
// cannot be muted are free.
func (c *Conference) forceMuteAtStart(p *participant) colibri.ForceMute {
	if p.member.Moderator() || !p.mutable() {
		return colibri.ForceMute{}
	}
	return c.moderation.forceMute(p.member.Addr)
}

// handleMute takes a request to mute a participant, or to be allowed to speak again.
func (c *Conference) handleMute(from string, m *jitsimeet.Mute) *xmppclient.StanzaError {
	mute, err := m.Muted()
	media := m.Media()
	if m.JID == "" || err != nil || media == "" {
		return refuse(xmppclient.BadRequest, "mute needs a jid, and true or false")
	}
	sender, target := c.invitedAt(from), c.invitedAt(m.JID)
	switch {
	case sender == nil:
		return refuse(xmppclient.InternalServerError, "the sender takes no part in the conference")
	case from != m.JID && !sender.member.Moderator():
		return refuse(xmppclient.NotAllowed, "only moderators mute others")
	case target == nil:
		return refuse(xmppclient.InternalServerError, "nobody of that address takes part in the conference")
	case from != m.JID && !mute:
		return refuse(xmppclient.NotAllowed, "nobody unmutes others")
	case !mute && !sender.member.Moderator() && !c.moderation.may(media, from):
		return refuse(xmppclient.NotAllowed, "the moderators have not allowed this")
	case mute && !target.mutable():
		return refuse(xmppclient.NotAllowed, "that participant cannot be muted")
	}
	c.log.WithField(logx.Endpoint, target.id()).WithField("media", media).WithField("mute", mute).Info("Will mute participant.")
	state := c.moderation.forceMute(m.JID)
	if target.member.Moderator() {
		state = colibri.ForceMute{}
	}
	c.forceMute(map[string]colibri.ForceMute{target.id(): state})
	if from != m.JID {
		c.post(func() { c.sendMute(target, media, from) }) // after our answer
	}
	return nil
}

// invitedAt is the participant at that occupant address, nil if it has no part in
// the conference.
func (c *Conference) invitedAt(occupant string) *participant {
	if xmppclient.Bare(occupant) != c.addr {
		return nil
	}
	p := c.parts[xmppclient.Resource(occupant)]
	if p == nil || !p.invited() {
		return nil
	}
	return p
}

// sendMute asks the participant's client to mute itself.
func (c *Conference) sendMute(p *participant, media, actor string) {
	m := jitsimeet.NewMute(media, true)
	m.Actor = actor
	c.request(xmppclient.IQ{Type: xmppclient.TypeSet, To: p.member.Addr, Payload: m}, ignore)
}

// forceMute tells the bridges whom to silence.
func (c *Conference) forceMute(wanted map[string]colibri.ForceMute) {
	for _, s := range c.bridges {
		c.tell(s, s.ForceMute(wanted))
	}
}

// Moderation takes a message of the moderation service about this room.
func (c *Conference) Moderation(m jitsimeet.AVModeration) { c.post(func() { c.handleModeration(m) }) }

func (c *Conference) handleModeration(m jitsimeet.AVModeration) {
	for _, media := range moderated {
		list, ok := m.Whitelists[media]
		if !ok {
			continue
		}
		if c.moderation.allowed == nil {
			c.moderation.allowed = make(map[string][]string)
		}
		c.moderation.allowed[media] = list[:min(len(list), maxAllowed)]
	}
	if m.Enabled == nil || !slices.Contains(moderated, m.MediaType) {
		return
	}
	was := c.moderation.on[m.MediaType]
	if c.moderation.on == nil {
		c.moderation.on = make(map[string]bool)
	}
	c.moderation.on[m.MediaType] = *m.Enabled
	// When moderation ends nobody is unmuted: everybody does that alone, and the bridge
	// is told then.
	if *m.Enabled && !was {
		c.muteAll(m.MediaType, m.Actor)
	}
}

// muteAll mutes everybody but the one who wanted it. Moderators are not spared.
func (c *Conference) muteAll(media, actor string) {
	wanted := make(map[string]colibri.ForceMute)
	for _, p := range c.sorted() {
		if p.member.Addr == actor || !p.mutable() || !p.invited() {
			continue
		}
		wanted[p.id()] = c.moderation.forceMute(p.member.Addr)
	}
	c.forceMute(wanted)
	for _, p := range c.sorted() {
		if _, ok := wanted[p.id()]; ok && !c.allowed(media, p.member.Addr) {
			c.sendMute(p, media, "")
		}
	}
}

func (c *Conference) allowed(media, occupant string) bool {
	return slices.Contains(c.moderation.allowed[media], occupant)
}

// Metadata takes the room's metadata.
func (c *Conference) Metadata(m jitsimeet.Metadata) {
	c.post(func() {
		c.startMuted = mediaFlags{}
		if m.StartMuted != nil {
			c.startMuted = mediaFlags{audio: m.StartMuted.Audio, video: m.StartMuted.Video}
		}
	})
}
