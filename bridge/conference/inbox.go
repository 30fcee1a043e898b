package conference

import (
	"errors"
	"time"

	"parley/bridge/allocate"
	"parley/bridge/channel"
	"parley/bridge/endpoint"
	"parley/internal/logx"
	"parley/internal/wire/bridgemsg"
)

// maxListed bounds the source lists a client may send in one message.
const maxListed = 512

// decode reads a message of a client; what it cannot read is counted and ignored.
func (c *Conference) decode(text []byte) (bridgemsg.Message, bool) {
	msg, err := bridgemsg.Decode(text)
	if err == nil {
		c.set.counters.Messages.Inc()
		return msg, true
	}
	var unknown *bridgemsg.UnknownClassError
	if errors.As(err, &unknown) {
		c.set.counters.UnknownMessages.Inc()
	} else {
		c.set.counters.BadMessages.Inc()
	}
	c.log.WithError(err).Debug("bridge message ignored")
	return nil, false
}

// handleChannelOpened greets a client with everything that holds now.
func (c *Conference) handleChannelOpened(e *endpoint.Endpoint, kind channel.Kind, now time.Time) {
	e.ChannelUp, e.ChannelHad, e.Heard = true, true, now
	c.log.WithField(logx.Endpoint, e.ID).WithField("carrier", kind.String()).Debug("bridge channel open")
	if kind == channel.WebSocket {
		c.send(e, &bridgemsg.ServerHello{})
	}
	for _, s := range e.Video {
		if s.Told {
			c.sendConstraint(s)
		}
	}
	forwarded := e.Receive.Forwarded
	if forwarded == nil {
		forwarded = []string{}
		e.Receive.Forwarded = forwarded
	}
	c.send(e, &bridgemsg.ForwardedSources{ForwardedSources: forwarded})
	c.sendMaps(e)
	for o := range c.senders() {
		if !o.Active && !o.Visitor {
			c.send(e, &bridgemsg.EndpointConnectivityStatusChangeEvent{Endpoint: o.ID, Active: false})
		}
	}
	if msg := c.speakerEvent(); msg != nil {
		c.send(e, msg)
	}
}

// handleMessage carries out a message of a client. Messages only bridges send each other
// are ignored.
func (c *Conference) handleMessage(e *endpoint.Endpoint, msg bridgemsg.Message, now time.Time) {
	e.Heard = now
	switch m := msg.(type) {
	case *bridgemsg.ClientHello:
		c.send(e, &bridgemsg.ServerHello{})
	case *bridgemsg.EndpointMessage:
		c.relayMessage(e, m)
	case *bridgemsg.EndpointStats:
		c.relayStats(e, m)
	case *bridgemsg.LastNChangedEvent:
		e.Receive.Settings.LastN = max(allocate.Unlimited, m.LastN)
		e.Receive.SpokeVideo = true
		c.touch(e)
	case *bridgemsg.ReceiverVideoConstraints:
		c.videoConstraints(e, m)
	case *bridgemsg.ReceiverAudioSubscription:
		c.audioSubscription(e, m)
	case *bridgemsg.SourceVideoTypeMessage:
		c.videoType(e, m.SourceName, m.VideoType)
	case *bridgemsg.VideoTypeMessage:
		c.videoType(e, e.ID+"-v0", m.VideoType)
	}
}

// videoConstraints takes over what the message says; what it does not mention stays.
func (c *Conference) videoConstraints(e *endpoint.Endpoint, m *bridgemsg.ReceiverVideoConstraints) {
	if len(m.SelectedSources)+len(m.OnStageSources)+len(m.Constraints) > maxListed {
		c.set.counters.BadMessages.Inc()
		return
	}
	s := &e.Receive.Settings
	if !e.Receive.SpokeVideo {
		e.Receive.SpokeVideo = true
		s.Default.MaxHeight = c.cfg.DefaultMaxHeight
	}
	if m.LastN != nil {
		s.LastN = max(allocate.Unlimited, *m.LastN)
	}
	if m.SelectedSources != nil {
		s.Selected = m.SelectedSources
	}
	if m.OnStageSources != nil {
		s.OnStage = m.OnStageSources
	}
	if m.DefaultConstraints != nil {
		s.Default = constraint(*m.DefaultConstraints)
	}
	if m.Constraints != nil {
		s.Constraints = make(map[string]allocate.Constraint, len(m.Constraints))
		for name, v := range m.Constraints {
			s.Constraints[name] = constraint(v)
		}
	}
	if m.AssumedBandwidthBps != nil {
		s.AssumedBandwidth = max(allocate.Unlimited, *m.AssumedBandwidthBps)
	}
	c.touch(e)
}

func constraint(v bridgemsg.VideoConstraints) allocate.Constraint {
	return allocate.Constraint{MaxHeight: max(allocate.Unlimited, v.MaxHeight), MaxFrameRate: v.MaxFrameRate}
}

func (c *Conference) audioSubscription(e *endpoint.Endpoint, m *bridgemsg.ReceiverAudioSubscription) {
	if len(m.Include)+len(m.Exclude) > maxListed {
		c.set.counters.BadMessages.Inc()
		return
	}
	e.Receive.Audio = endpoint.AudioSubscription{All: m.All, Include: m.Include, Exclude: m.Exclude}
	c.connectAudio(e)
	c.exempt()
}

// videoTypes are the words of the channel.
var videoTypes = map[bridgemsg.VideoType]allocate.VideoType{
	bridgemsg.VideoCamera:  allocate.Camera,
	bridgemsg.VideoDesktop: allocate.Desktop,
	bridgemsg.VideoHighFPS: allocate.DesktopHighFPS,
	bridgemsg.VideoNone:    allocate.Disabled,
}

// videoType changes what a source of the client shows. The message may come before the
// focus has announced the source; then it holds for it.
func (c *Conference) videoType(e *endpoint.Endpoint, name string, word bridgemsg.VideoType) {
	t, known := videoTypes[word]
	if !known {
		c.set.counters.BadMessages.Inc()
		return
	}
	if !e.SetVideoType(name, t) {
		return
	}
	if !e.Visitor {
		c.tellRelays(&bridgemsg.SourceVideoTypeMessage{SourceName: name, VideoType: word, EndpointID: e.ID}, c.relayOf[e])
	}
	c.touchAll()
}
