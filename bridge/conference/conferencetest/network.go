// Package conferencetest holds a packet path and transport that only remember what they
// were told, for the tests of bridge/conference and its users.
package conferencetest

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/srtp/v3"

	"parley/bridge/conference"
	"parley/bridge/endpoint"
	"parley/bridge/media"
	"parley/bridge/rtp"
	"parley/bridge/transport"
	"parley/internal/wire/bridgemsg"
)

// Network remembers the legs it opened, in order.
type Network struct {
	mu   sync.Mutex
	legs []*Leg
	// Fail makes the next Open fail.
	Fail error
	// Panics makes Open and Close panic.
	Panics bool
}

// Open implements conference.Network.
func (n *Network) Open(o transport.SessionOptions, fb conference.Feedback, sink func(endpoint.Event)) (endpoint.Session, endpoint.Leg, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.Panics {
		panic("the network is broken")
	}
	if n.Fail != nil {
		return nil, nil, n.Fail
	}
	l := &Leg{Options: o, Feedback: fb, sink: sink, forwards: make(map[endpoint.Track]endpoint.Forward)}
	n.legs = append(n.legs, l)
	return (*Session)(l), l, nil
}

// Close implements conference.Network.
func (n *Network) Close(s endpoint.Session, l endpoint.Leg) {
	l.Close()
	s.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.Panics {
		panic("the network is still broken")
	}
}

// Leg returns the i-th leg that was opened.
func (n *Network) Leg(i int) *Leg {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.legs[i]
}

// Leg is session and media leg of an endpoint in one.
type Leg struct {
	Options  transport.SessionOptions
	Feedback conference.Feedback
	sink     func(endpoint.Event)

	mu       sync.Mutex
	types    []media.PayloadType
	tracks   []*Track
	forwards map[endpoint.Track]endpoint.Forward
	history  []endpoint.Forward
	muted    [2]bool
	probe    int
	plain    bool
	loudest  *rtp.Loudest
	stats    rtp.EndpointStats
	remotes  []transport.Description
	messages [][]byte
	closed   bool
	keyed    bool
	restarts int
}

// Event sends news of the packet path about the leg.
func (l *Leg) Event(ev endpoint.Event) {
	ev.Leg = l
	l.sink(ev)
}

// SetKeys implements endpoint.Leg.
func (l *Leg) SetKeys(_, _ *srtp.Context, _ bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keyed = true
}

// Keyed tells whether keys were set.
func (l *Leg) Keyed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keyed
}

// AddPayloadTypes implements endpoint.Leg.
func (l *Leg) AddPayloadTypes(t ...media.PayloadType) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.types = append(l.types, t...)
}

// AddExtensions implements endpoint.Leg.
func (l *Leg) AddExtensions(...media.Extension) {}

// AddTrack implements endpoint.Leg.
func (l *Leg) AddTrack(cfg rtp.SourceConfig) endpoint.Track {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &Track{Config: cfg}
	l.tracks = append(l.tracks, t)
	return t
}

// Track is the i-th track of the endpoint.
func (l *Leg) Track(i int) *Track {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tracks[i]
}

// Forward implements endpoint.Leg.
func (l *Leg) Forward(t endpoint.Track, f endpoint.Forward) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forwards[t] = f
	l.history = append(l.history, f)
}

// Gets is what the leg gets of a track; the target is LayerNone if nothing.
func (l *Leg) Gets(t *Track) endpoint.Forward {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f, ok := l.forwards[t]; ok {
		return f
	}
	return endpoint.Forward{Target: media.LayerNone}
}

// ForceMute implements endpoint.Leg.
func (l *Leg) ForceMute(audio, video bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.muted = [2]bool{audio, video}
}

// Muted is what ForceMute was told last: audio and video.
func (l *Leg) Muted() [2]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.muted
}

// Rank implements endpoint.Leg.
func (l *Leg) Rank(r *rtp.Loudest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loudest = r
}

// Ranked tells whether the endpoint's audio competes with that of others.
func (l *Leg) Ranked() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.loudest != nil
}

// PlainAudio implements endpoint.Leg.
func (l *Leg) PlainAudio(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.plain = on
}

// GetsPlainAudio tells whether redundant audio is unpacked for the endpoint.
func (l *Leg) GetsPlainAudio() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.plain
}

// Probe implements endpoint.Leg.
func (l *Leg) Probe(bitrate int, _ time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.probe = bitrate
}

// Probing is the rate of the last padding asked for.
func (l *Leg) Probing() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.probe
}

// Hear adds audio levels to the endpoint's first audio source.
func (l *Leg) Hear(levels ...uint8) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.tracks {
		if t.Config.Kind == media.Audio {
			t.Hear(levels...)
			return
		}
	}
}

// SetStats sets what Stats returns.
func (l *Leg) SetStats(s rtp.EndpointStats) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats = s
}

// Stats implements endpoint.Leg.
func (l *Leg) Stats() rtp.EndpointStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// Close implements endpoint.Leg.
func (l *Leg) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

// Closed tells whether the leg was closed.
func (l *Leg) Closed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// Connect reports that ICE and DTLS succeeded, and opens the data channel.
func (l *Leg) Connect() {
	h := l.Options.Handler
	h.TransportConnected()
	h.TransportReady(transport.Keys{AEAD: true, Profile: "test"})
	h.ChannelOpened()
}

// Say is a message of the client over the data channel.
func (l *Leg) Say(text string) { l.Options.Handler.ChannelMessage([]byte(text)) }

// Heard takes the messages the client got since the last call, of the given class or, if
// that is empty, all.
func (l *Leg) Heard(class string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var got []string
	for _, m := range l.messages {
		msg, err := bridgemsg.Decode(m)
		if class == "" || (err == nil && msg.Class() == class) {
			got = append(got, string(m))
		}
	}
	l.messages = nil
	return got
}

// Remotes are the descriptions the session was given.
func (l *Leg) Remotes() []transport.Description {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.remotes)
}

// Session is a Leg as endpoint.Session sees it.
type Session Leg

// Local implements endpoint.Session.
func (s *Session) Local() transport.Description {
	return transport.Description{
		Ufrag: "ufrag", Pwd: "a-password-of-22-letters", Setup: transport.SetupActPass,
		Candidates: []transport.Candidate{{
			Foundation: "1", Component: 1, Protocol: transport.UDP, Priority: 2130706431,
			Addr: netip.MustParseAddrPort("192.0.2.2:10000"), Type: transport.TypeHost,
		}},
		Fingerprints: []transport.Fingerprint{{Hash: "sha-256", Value: "AA:BB"}},
	}
}

// Restart implements endpoint.Session.
func (s *Session) Restart() (transport.Description, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.Local()
	switch {
	case s.closed:
		return d, transport.ErrClosed
	case s.keyed:
		s.restarts++
		d.Ufrag, d.Setup, d.Generation = "again", transport.SetupPassive, s.restarts
	}
	return d, nil
}

// SetRemote implements endpoint.Session.
func (s *Session) SetRemote(d transport.Description) error {
	if d.Ufrag == "bad" {
		return errors.New("bad ufrag")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remotes = append(s.remotes, d)
	return nil
}

// LastReceived implements endpoint.Session: consent is as old as the last packet.
func (s *Session) LastReceived() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats.LastPacket
}

// SendMessage implements endpoint.Session.
func (s *Session) SendMessage(text []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, text)
	return nil
}

// Close implements endpoint.Session.
func (s *Session) Close() {}

// Track remembers what was asked of a source.
type Track struct {
	Config rtp.SourceConfig

	mu        sync.Mutex
	layers    []media.LayerInfo
	keyframes []int
	always    bool
	levels    []rtp.Level
	closed    bool
}

// PrimarySSRC implements endpoint.Track.
func (t *Track) PrimarySSRC() uint32 { return t.Config.Encodings[0].SSRC }

// SetLayers sets what Layers returns.
func (t *Track) SetLayers(l ...media.LayerInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.layers = l
}

// Hear adds audio levels.
func (t *Track) Hear(levels ...uint8) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range levels {
		t.levels = append(t.levels, rtp.Level{Value: v})
	}
}

// Levels implements endpoint.Track.
func (t *Track) Levels(cursor *uint32, to []rtp.Level) []rtp.Level {
	t.mu.Lock()
	defer t.mu.Unlock()
	to = append(to, t.levels[*cursor:]...)
	*cursor = uint32(len(t.levels))
	return to
}

// Always implements endpoint.Track.
func (t *Track) Always(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.always = on
}

// Exempt is what Always was told last.
func (t *Track) Exempt() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.always
}

// Layers implements endpoint.Track.
func (t *Track) Layers() []media.LayerInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.layers
}

// RequestKeyframe implements endpoint.Track.
func (t *Track) RequestKeyframe(encoding int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keyframes = append(t.keyframes, encoding)
}

// Keyframes are the encodings keyframes were asked of.
func (t *Track) Keyframes() []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.keyframes)
}

// Close implements endpoint.Track.
func (t *Track) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}

// Closed tells whether the track was closed.
func (t *Track) Closed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}
