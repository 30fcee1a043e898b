package conference

import (
	"time"

	"parley/bridge/allocate"
	"parley/bridge/endpoint"
	"parley/bridge/estimate"
	"parley/bridge/rtp"
)

// Summary is what a conference adds to the bridge's statistics. It is published whole,
// and read by others.
type Summary struct {
	Endpoints, Active, Inactive, Visitors   int
	SendingAudio, SendingVideo, ReceiveOnly int
	Oversending, Suspended, SpuriousREMB    int
	Forwarded                               int // the most pictures anybody gets; Add takes the greater
	BitrateDown, BitrateUp                  int // bit/s, as the bridge sees it: received, sent
	RTTSum                                  time.Duration
	RTTCount                                int
	UpLossSum, DownLossSum                  float64
	LossCount, HighDownLoss                 int
	Linked, Remote                          int // 1 if there are links to other bridges, and who is behind them
	RelayDown, RelayUp                      int // bit/s of those links
}

// Add adds up two summaries.
func (s *Summary) Add(o Summary) {
	s.Endpoints += o.Endpoints
	s.Active += o.Active
	s.Inactive += o.Inactive
	s.Visitors += o.Visitors
	s.SendingAudio += o.SendingAudio
	s.SendingVideo += o.SendingVideo
	s.ReceiveOnly += o.ReceiveOnly
	s.Oversending += o.Oversending
	s.Suspended += o.Suspended
	s.SpuriousREMB += o.SpuriousREMB
	s.Forwarded = max(s.Forwarded, o.Forwarded)
	s.BitrateDown += o.BitrateDown
	s.BitrateUp += o.BitrateUp
	s.RTTSum += o.RTTSum
	s.RTTCount += o.RTTCount
	s.UpLossSum += o.UpLossSum
	s.DownLossSum += o.DownLossSum
	s.LossCount += o.LossCount
	s.HighDownLoss += o.HighDownLoss
	s.Linked += o.Linked
	s.Remote += o.Remote
	s.RelayDown += o.RelayDown
	s.RelayUp += o.RelayUp
}

// ID is the conference's short name.
func (c *Conference) ID() string { return c.id }

// Name is the room it belongs to.
func (c *Conference) Name() string { return c.name }

// MeetingID is the focus's name for it.
func (c *Conference) MeetingID() string { return c.meetingID }

// Summary is the last published summary.
func (c *Conference) Summary() Summary { return *c.summary.Load() }

// sending is the bit rate above which an endpoint counts as sending video.
const sending = 30_000

func (c *Conference) summarize() {
	if c.expired {
		return
	}
	var s Summary
	for _, e := range c.endpoints {
		st := e.Leg.Stats()
		s.Endpoints++
		count(&s.Active, e.Active)
		count(&s.Inactive, !e.Active)
		count(&s.Visitors, e.Visitor)
		count(&s.SendingAudio, started(e.Audio) && !e.MuteAudio && st.BitrateReceived > 0)
		count(&s.SendingVideo, started(e.Video) && e.VideoEnabled() && !e.MuteVideo && st.BitrateReceived > sending)
		count(&s.ReceiveOnly, st.BitrateReceived == 0)
		count(&s.Oversending, e.Receive.Result.Oversending)
		count(&s.Suspended, len(e.Receive.Result.Suspended) > 0)
		count(&s.SpuriousREMB, e.SpuriousREMB)
		s.Forwarded = max(s.Forwarded, len(e.Receive.Forwarded))
		s.BitrateDown += st.BitrateReceived
		s.BitrateUp += st.BitrateSent
		if st.RTT > 0 {
			s.RTTSum += st.RTT
			s.RTTCount++
		}
		s.UpLossSum += st.UpLoss
		s.DownLossSum += st.DownLoss
		s.LossCount++
		count(&s.HighDownLoss, st.DownLoss > 0.1)
	}
	count(&s.Linked, len(c.relays) > 0)
	s.Remote = len(c.remotes)
	for _, r := range c.relays {
		st := r.Leg.Stats()
		s.RelayDown += st.BitrateReceived
		s.RelayUp += st.BitrateSent
	}
	c.summary.Store(&s)
}

func count(n *int, is bool) {
	if is {
		*n++
	}
}

func started(sources []*endpoint.Source) bool {
	for _, s := range sources {
		if s.Started {
			return true
		}
	}
	return false
}

// View is the state of a conference, to be shown as JSON.
type View struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	MeetingID string         `json:"meeting_id"`
	Created   time.Time      `json:"creation_time"`
	Expired   bool           `json:"expired"`
	Speakers  []string       `json:"speech_activity"`
	Dominant  string         `json:"dominant_speaker"`
	Endpoints []EndpointView `json:"endpoints"`
	Relays    []RelayView    `json:"relays,omitempty"`
}

// EndpointView is the state of an endpoint.
type EndpointView struct {
	ID           string                `json:"id"`
	StatsID      string                `json:"stats_id"`
	Visitor      bool                  `json:"visitor"`
	Capabilities endpoint.Capabilities `json:"capabilities"`
	Created      time.Time             `json:"creation_time"`
	Connected    bool                  `json:"connected"`
	Active       bool                  `json:"active"`
	Channel      string                `json:"channel"`
	ForceMuted   [2]bool               `json:"force_muted_audio_video"`
	Sources      []SourceView          `json:"sources"`
	Settings     allocate.Settings     `json:"allocation_settings"`
	Allocation   allocate.Result       `json:"allocation"`
	Bandwidth    estimate.Snapshot     `json:"bandwidth"`
	RED          bool                  `json:"gets_redundant_audio"`
	Stats        rtp.EndpointStats     `json:"stats"`
}

// SourceView is the state of a source.
type SourceView struct {
	Name   string           `json:"name"`
	Kind   string           `json:"kind"`
	Type   string           `json:"video_type,omitempty"`
	SSRC   uint32           `json:"ssrc"`
	Wanted int              `json:"wanted_height"`
	Layers []allocate.Layer `json:"layers,omitempty"`
}

// View asks the conference for its state and waits for the answer; false if it has
// ended or is too busy. It must not be called from the loop of a conference.
func (c *Conference) View() (View, bool) {
	answer := make(chan View, 1)
	if !c.offer(func() { answer <- c.view() }) {
		return View{}, false
	}
	select {
	case v := <-answer:
		return v, true
	case <-time.After(time.Second):
		return View{}, false
	}
}

func (c *Conference) view() View {
	v := View{
		ID: c.id, Name: c.name, MeetingID: c.meetingID, Created: c.created, Expired: c.expired,
		Speakers: c.recent.Order(), Dominant: c.recent.Dominant(), Endpoints: []EndpointView{},
	}
	for _, id := range c.recent.Order() {
		if e := c.endpoints[id]; e != nil {
			v.Endpoints = append(v.Endpoints, c.viewEndpoint(e))
		}
	}
	v.Relays = c.viewRelays()
	return v
}

func (c *Conference) viewEndpoint(e *endpoint.Endpoint) EndpointView {
	v := EndpointView{
		ID: e.ID, StatsID: e.StatsID, Visitor: e.Visitor, Capabilities: e.Capabilities, Created: e.Created,
		Connected: !e.Connected.IsZero(), Active: e.Active, Channel: c.channels[e].Active().String(),
		ForceMuted: [2]bool{e.MuteAudio, e.MuteVideo}, Settings: e.Receive.Settings,
		Allocation: e.Receive.Result, Bandwidth: e.Estimator.Snapshot(), RED: e.Receive.Redundancy.On(), Stats: e.Leg.Stats(),
	}
	v.Sources = viewSources(e)
	return v
}

func viewSources(e *endpoint.Endpoint) []SourceView {
	list := []SourceView{}
	for _, s := range e.Sources() {
		sv := SourceView{Name: s.Name, Kind: s.Kind.String(), SSRC: s.Track.PrimarySSRC(), Wanted: s.Wanted}
		if s.Kind.String() == "video" {
			sv.Type, sv.Layers = s.Type.String(), s.Candidate().Layers
		}
		list = append(list, sv)
	}
	return list
}
