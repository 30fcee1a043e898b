package rtp

import (
	"time"

	"parley/bridge/media"
)

// Link carries datagrams between the network and a shard. Peers are numbers given
// by the link, which knows their addresses. Receive, Rest and Send are called only from the
// shard's goroutine, and use what they are given only during the call; Wake is called
// from anywhere.
type Link interface {
	// Receive waits for SRTP and SRTCP datagrams, at the latest until the given time; with
	// the zero time it takes what is there and does not wait. It writes the i-th one
	// into buffers[i], its length into sizes[i] (0: nothing for the shard), its sender into
	// peers[i], how many microseconds it lay in the kernel into ages[i], and returns how
	// many there are.
	Receive(buffers [][]byte, sizes []int, peers []uint32, ages []int64, until time.Time) int
	// Rest lets so much time pass, about a millisecond. What arrives meanwhile wakes nobody
	// and waits for the next Receive; Wake may, but need not, end it.
	Rest(d time.Duration)
	// Send sends datagrams[i] to peers[i] and returns how many left. It never blocks:
	// what does not fit into the socket's or connection's queue is dropped. What goes to one
	// peer stands together, and the longer such a run is, the less it may cost.
	Send(peers []uint32, datagrams [][]byte) int
	// Wake ends a waiting Receive.
	Wake()
}

// Config holds the settings of the packet path.
type Config struct {
	// Shards is how many goroutines move packets, each on sockets of its own; a conference
	// is served by one of them. 0 takes one for every two processors.
	Shards int `yaml:"shards"`
	// ArenaSlots is the number of packets (2 KiB each) a shard can hold at once: those
	// in flight and those kept to answer retransmission requests.
	ArenaSlots int `yaml:"arena_slots"`
	// EndpointBitrate and EndpointPackets are the most bits and datagrams one participant may
	// send in a second; what comes on top is dropped, and costs the others nothing. 0 sets no
	// limit. Another bridge may send many times as much.
	EndpointBitrate int `yaml:"endpoint_bitrate"`
	EndpointPackets int `yaml:"endpoint_packets"`
}

// SourceConfig describes a source an endpoint sends.
type SourceConfig struct {
	Kind media.Kind
	// Encodings, lowest quality first. Audio has one.
	Encodings []media.Encoding
}

// EndpointOptions are the fixed properties of an endpoint.
type EndpointOptions struct {
	// Events receives the endpoint's news. Several endpoints may share one channel. An
	// event that does not fit is dropped and counted; the shard never waits.
	Events chan<- Event
	// AudioFeedbackSSRC and VideoFeedbackSSRC are the bridge's own SSRCs (jvb-a0,
	// jvb-v0), constant in a conference.
	AudioFeedbackSSRC, VideoFeedbackSSRC uint32
	// Relay says that the peer is another bridge, which sends for many participants.
	Relay bool
}

// Forward says what a receiver gets of a source.
type Forward struct {
	Source *Source
	// Target is the best layer to send; media.LayerNone stops the source,
	// media.LayerAll is right for audio.
	Target media.Layer
	// SSRC and RTX, when set, are the receiver's slot for this source (SSRC rewriting).
	// A slot that is given to another source goes on with continuous sequence numbers and
	// timestamps. Zero means the SSRCs of the source's lowest encoding.
	SSRC, RTX uint32
	// Whole sends every encoding up to the target as it is, under its own SSRC: for another
	// bridge, which serves receivers of all kinds with it. Of a picture's only encoding the
	// layers above the target are left out.
	Whole bool
}

// EventKind says what an Event is about.
type EventKind uint8

const (
	// EventFirstPacket: the first packet of Source was accepted (once per source).
	EventFirstPacket EventKind = iota + 1
	// EventKeyframe: a keyframe of Source began; Layer tells the encoding.
	EventKeyframe
	// EventLayers: a layer of Source became active or inactive or changed its size; ask
	// Source.Layers.
	EventLayers
	// EventShown: the receiver Endpoint began to get encoding Layer of Source.
	EventShown
	// EventFeedback: transport-wide feedback of the receiver Endpoint; see Packets.
	EventFeedback
	// EventREMB: the receiver Endpoint estimates Bitrate.
	EventREMB
	// EventReport: the receiver Endpoint reported Loss and, if known, RTT. At most once a
	// second.
	EventReport
	// EventBroken: the Endpoint was closed, as its packets or timers panicked. The shard does
	// not send it: who hears of the panic does.
	EventBroken
)

// Event is news of an endpoint for the control side.
type Event struct {
	Kind     EventKind
	Endpoint *Endpoint
	Source   *Source
	Layer    media.Layer
	// At is the shard's clock when it happened.
	At time.Time
	// Packets is set with EventFeedback: one entry per packet the feedback speaks of that
	// we had sent, in order of sending. The receiver of the event owns the slice.
	Packets []PacketResult
	// Bitrate in bit/s, set with EventREMB.
	Bitrate uint64
	// Loss is the fraction of packets lost since the event before, 0 to 1, and RTT the
	// round trip time (0 = unknown); set with EventReport.
	Loss float64
	RTT  time.Duration
}

// PacketResult is the fate of one packet sent with a transport-wide sequence number.
type PacketResult struct {
	// Sent is the shard's clock when the packet was handed to the socket.
	Sent time.Time
	// Arrived is the receiver's clock on an arbitrary epoch; only differences mean
	// something. Negative if the packet is reported as not received.
	Arrived time.Duration
	// Size in bytes of the RTP packet.
	Size int
	// Probe says that the packet was padding or a retransmission sent to probe, Late that it
	// arrived after it had been reported as not received.
	Probe, Late bool
}

// Level is one audio level read from a packet: 0 is silence, 127 the loudest.
type Level struct {
	Value uint8
	// Tossed says that the packet was not forwarded because others are louder.
	Tossed bool
}

// EndpointStats is a snapshot of one endpoint's counters. Rates are of the last second.
type EndpointStats struct {
	PacketsReceived, BytesReceived uint64
	PacketsSent, BytesSent         uint64
	// BitrateReceived and BitrateSent in bit/s.
	BitrateReceived, BitrateSent int
	// PacketsLost counts holes in the endpoint's streams that were not repaired yet.
	PacketsLost uint64
	// RetransmissionsReceived counts packets the endpoint repaired by RTX,
	// RetransmissionsSent those we repaired for it.
	RetransmissionsReceived, RetransmissionsSent uint64
	// KeyframesRequested counts requests sent to the endpoint as a sender.
	KeyframesRequested uint64
	// FeedbackUnmatched counts packets the endpoint gave feedback about that we do not
	// remember having sent.
	FeedbackUnmatched uint64
	// Excess counts datagrams the endpoint sent beyond what one may, Refused its requests for
	// keyframes and repetitions beyond that.
	Excess, Refused uint64
	// LastPacket is when a packet that could be decrypted arrived last; zero if never.
	LastPacket time.Time
	// RTT to the endpoint, 0 if unknown.
	RTT time.Duration
	// UpLoss and DownLoss are fractions of the last report interval.
	UpLoss, DownLoss float64
}

// Stats is a snapshot of a shard's counters since its start.
type Stats struct {
	PacketsReceived, BytesReceived uint64
	PacketsSent, BytesSent         uint64
	// Stages counts what each stage of the pipeline took in, passed on and dropped.
	Stages [stageCount]StageStats
	// ArenaExhausted counts packets dropped because all slots were in use,
	// EventsDropped news nobody had room for.
	ArenaExhausted, EventsDropped uint64
	// Panics counts mistakes of ours that were survived.
	Panics uint64
	// Tossed counts the audio packets left out because others were louder, by how loud they
	// were: each entry stands for sixteen steps of 0 to 127.
	Tossed [128 / energyBucket]uint64
	// Recovered counts audio packets that were lost and taken from what a later one repeats.
	Recovered uint64
	// Excess and Refused are those of all endpoints, see EndpointStats.
	Excess, Refused uint64
	// Busy is the share of its time the shard worked lately, Transit how long packets took
	// through it.
	Busy      float64
	Transit   Transit
	Endpoints int
}

// energyBucket is the width of an entry of Stats.Tossed.
const energyBucket = 16

// StageStats counts the packets of one stage.
type StageStats struct {
	In, Dropped uint64
}
