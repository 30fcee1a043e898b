package bridge

import (
	"context"
	"math"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"parley/bridge/conference"
	"parley/bridge/rtp"
	"parley/bridge/transport"
	"parley/internal/metrics"
	"parley/internal/wire/colibri"
)

const (
	stressJump     = 0.1 // a change of the load the focus hears of at once
	sampleInterval = time.Second
)

// collector turns the bridge's counters into statistics.
type collector struct {
	s           *Service
	participant participantLoad // of the goroutine that samples

	mu   sync.Mutex // guards what follows
	last sample
	rate rates
}

// sample is what rates are differences of.
type sample struct {
	at      time.Time
	cpu     time.Duration
	network transport.Stats
	// relayDown and relayUp are the packets that came from and went to other bridges.
	relayDown, relayUp uint64
	// busy and total are those of the whole machine, told says whether they are known.
	busy, total time.Duration
	told        bool
}

// rates are per second, over the time between two samples.
type rates struct {
	bitsDown, bitsUp, packetsDown, packetsUp float64
	relayDown, relayUp                       float64
	stress, participant                      float64
	used                                     usage
}

func newCollector(s *Service) *collector {
	return &collector{s: s, last: takeSample(transport.Stats{}), rate: rates{participant: defaultParticipant}}
}

func takeSample(n transport.Stats) sample {
	now := sample{at: time.Now(), cpu: processorTime(), network: n}
	now.busy, now.total, now.told = machineTime()
	return now
}

// usageSince is what was used between two samples.
func (now sample) usageSince(last sample, path float64) usage {
	wall := now.at.Sub(last.at).Seconds()
	u := usage{machine: -1, process: processors(now.cpu-last.cpu, wall), path: path}
	if total := now.total - last.total; now.told && last.told && total > 0 {
		u.machine = float64(now.busy-last.busy) / float64(total)
	}
	return u
}

// sample measures the load and the rates since the last call.
func (c *collector) sample() rates {
	now := takeSample(c.s.transport.Stats())
	counters := c.s.conferences.Counters()
	now.relayDown, now.relayUp = counters.RelayPacketsReceived.Value(), counters.RelayPacketsSent.Value()
	endpoints := c.s.endpointCount()
	path := c.s.network.Stats().Busy
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := now.at.Sub(c.last.at).Seconds(); d > 0 {
		before := c.last.network
		c.rate = rates{
			bitsDown:    float64(now.network.BytesReceived-before.BytesReceived) * 8 / d,
			bitsUp:      float64(now.network.BytesSent-before.BytesSent) * 8 / d,
			packetsDown: float64(now.network.DatagramsReceived-before.DatagramsReceived) / d,
			packetsUp:   float64(now.network.DatagramsSent-before.DatagramsSent) / d,
			relayDown:   float64(now.relayDown-c.last.relayDown) / d,
			relayUp:     float64(now.relayUp-c.last.relayUp) / d,
			used:        now.usageSince(c.last, path),
		}
		load, u := c.s.cfg.Load, &c.rate.used
		u.packets = c.rate.packetsDown + c.rate.packetsUp
		c.rate.stress = load.stress(*u)
		c.rate.participant = c.participant.add(max(u.process, u.path)/load.CPULimit, endpoints)
		c.last = now
	}
	return c.rate
}

func (c *collector) rates() rates {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rate
}

// publish sends the statistics to every brewery from time to time, and at once when the
// load jumps.
func (s *Service) publish(ctx context.Context) {
	ticker := time.NewTicker(min(sampleInterval, s.cfg.StatsInterval))
	defer ticker.Stop()
	var published time.Time
	var stress float64
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		r := s.stats.sample()
		s.shed(r)
		if time.Since(published) < s.cfg.StatsInterval && math.Abs(r.stress-stress) <= stressJump {
			continue
		}
		published, stress = time.Now(), r.stress
		s.announce()
	}
}

// shed takes pictures away while the packet path has no time left.
func (s *Service) shed(r rates) {
	forwarded := 0
	for _, c := range s.conferences.List() {
		forwarded = max(forwarded, c.Summary().Forwarded)
	}
	before := s.reducer.limit
	limit := s.reducer.next(r.used.ownPath(), forwarded, time.Now())
	if limit == before {
		return
	}
	s.reduced.Store(int32(limit))
	s.conferences.Reduce(limit)
	s.log.WithFields(logrus.Fields{"last_n": limit, "busy": round(r.used.path)}).Warn("pictures are limited for the load; -1 is no limit")
}

// announce sends the statistics to every brewery now.
func (s *Service) announce() {
	for _, c := range s.connections.all() {
		if c.quiet.Load() {
			continue
		}
		for _, r := range c.rooms {
			if err := r.SetPresence(s.stats.presence()); err != nil {
				s.log.WithError(err).Debug("statistics not sent")
			}
		}
	}
}

// stat is one statistic: a bool, int64, float64 or string.
type stat struct {
	name  string
	value any
}

// presence is the statistics as the focus reads them.
func (c *collector) presence() *colibri.Stats {
	p := &colibri.Stats{}
	for _, s := range c.all() {
		switch v := s.value.(type) {
		case bool:
			p.AddBool(s.name, v)
		case int64:
			p.AddInt(s.name, v)
		case float64:
			p.Add(s.name, strconv.FormatFloat(v, 'f', -1, 64))
		case string:
			p.Add(s.name, v)
		}
	}
	return p
}

// all lists every statistic. What decides about the bridge comes first.
func (c *collector) all() []stat {
	var total conference.Summary
	list := c.s.conferences.List()
	largest, inactive := 0, 0
	for _, conf := range list {
		s := conf.Summary()
		largest = max(largest, s.Endpoints)
		if s.SendingAudio+s.SendingVideo == 0 {
			inactive++
		}
		total.Add(s)
	}
	stats := c.state()
	stats = append(stats, conferenceStats(total, len(list), largest, inactive)...)
	stats = append(stats, c.totals()...)
	stats = append(stats, c.relayStats(total)...)
	return append(stats, c.xmpp()...)
}

func (c *collector) state() []stat {
	r, s := c.rates(), c.s
	stats := []stat{
		{colibri.StatHealthy, s.Healthy() == nil},
		{colibri.StatDrain, s.drain.Load()},
		{colibri.StatGraceful, s.shutdown.now() == gracefulShutdown},
		{colibri.StatShuttingDown, s.shutdown.now() == shuttingDown},
		{colibri.StatVersion, s.opts.Version},
		{colibri.StatTimestamp, time.Now().UTC().Format("2006-01-02 15:04:05.000")},
		{colibri.StatColibri2, true},
		{colibri.StatStress, round(r.stress)},
		{colibri.StatMeanStress, round(r.participant)},
		{"threads", int64(runtime.NumGoroutine())},
		{"bit_rate_download", int64(r.bitsDown / 1000)},
		{"bit_rate_upload", int64(r.bitsUp / 1000)},
		{"packet_rate_download", int64(r.packetsDown)},
		{"packet_rate_upload", int64(r.packetsUp)},
	}
	if s.cfg.Region != "" {
		stats = append(stats, stat{colibri.StatRegion, s.cfg.Region})
	}
	if s.cfg.RelayID != "" {
		stats = append(stats, stat{colibri.StatRelayID, s.cfg.RelayID})
	}
	return stats
}

func round(f float64) float64 { return math.Round(f*10000) / 10000 }

func conferenceStats(t conference.Summary, conferences, largest, inactive int) []stat {
	local := int64(t.Endpoints - t.Visitors)
	mean := func(sum float64, n int) float64 {
		if n == 0 {
			return 0
		}
		return round(sum / float64(n))
	}
	in, out := mean(t.UpLossSum, t.LossCount), mean(t.DownLossSum, t.LossCount)
	return []stat{
		{"conferences", int64(conferences)},
		{"inactive_conferences", int64(inactive)},
		{"largest_conference", int64(largest)},
		{"p2p_conferences", int64(0)},
		{"endpoints", int64(t.Endpoints)},
		{"participants", int64(t.Endpoints)},
		{"local_endpoints", local},
		{"local_active_endpoints", int64(t.Active)},
		{"inactive_endpoints", int64(t.Inactive)},
		{"receive_only_endpoints", int64(t.ReceiveOnly)},
		{"endpoints_sending_audio", int64(t.SendingAudio)},
		{"endpoints_sending_video", int64(t.SendingVideo)},
		{"visitors", int64(t.Visitors)},
		{"num_eps_oversending", int64(t.Oversending)},
		{"endpoints_with_suspended_sources", int64(t.Suspended)},
		{"endpoints_with_high_outgoing_loss", int64(t.HighDownLoss)},
		{"incoming_loss", in},
		{"outgoing_loss", out},
		{"overall_loss", round((in + out) / 2)},
		{"rtt_aggregate", mean(float64(t.RTTSum)/float64(time.Millisecond), t.RTTCount)},
		{"endpoints_with_spurious_remb", int64(t.SpuriousREMB)},
	}
}

// relayStats lists what goes between bridges.
func (c *collector) relayStats(t conference.Summary) []stat {
	m := c.s.conferences.Counters()
	return []stat{
		{"octo_conferences", int64(t.Linked)},
		{"octo_endpoints", int64(t.Remote)},
		{"octo_receive_bitrate", int64(t.RelayDown)},
		{"octo_send_bitrate", int64(t.RelayUp)},
		{"octo_receive_packet_rate", int64(c.rates().relayDown)},
		{"octo_send_packet_rate", int64(c.rates().relayUp)},
		{"total_relays", int64(m.Relays.Value())},
		{"relays_ice_failed", int64(m.RelaysFailed.Value())},
		{"num_relays_no_msg_transport_after_delay", int64(m.RelaysNoChannel.Value())},
		{"dtls_failed_relays", int64(0)},
		{"total_packets_received_octo", int64(m.RelayPacketsReceived.Value())},
		{"total_packets_sent_octo", int64(m.RelayPacketsSent.Value())},
		{"total_bytes_received_octo", int64(m.RelayBytesReceived.Value())},
		{"total_bytes_sent_octo", int64(m.RelayBytesSent.Value())},
	}
}

// totals lists what is counted since the start.
func (c *collector) totals() []stat {
	n, m, w := c.s.transport.Stats(), c.s.conferences.Counters(), c.s.channels.Counters()
	p := c.s.network.Stats()
	num := func(k *metrics.Counter) int64 { return int64(k.Value()) }
	return []stat{
		{"total_conferences_created", num(&m.ConferencesCreated)},
		{"total_conferences_completed", num(&m.ConferencesCompleted)},
		{"total_conference_seconds", num(&m.ConferenceSeconds)},
		{"total_participants", num(&m.Participants)},
		{"total_visitors", num(&m.Visitors)},
		{"total_ice_succeeded", int64(n.ICESucceeded)},
		{"total_ice_succeeded_relayed", int64(0)},
		{"total_ice_restarts", int64(n.Restarts)},
		{"total_ice_restarts_succeeded", int64(n.RestartsSucceeded)},
		{"total_ice_failed", int64(n.ICEFailed)},
		{"endpoints_ice_failed", int64(n.ICEFailed)},
		{"dtls_failed_endpoints", int64(n.DTLSFailed)},
		{"num_eps_no_msg_transport_after_delay", num(&m.NoChannel)},
		{"endpoints_disconnected", num(&m.Disconnected)},
		{"endpoints_reconnected", num(&m.Reconnected)},
		{"total_packets_received", int64(p.PacketsReceived)},
		{"total_packets_sent", int64(p.PacketsSent)},
		{"total_bytes_received", int64(p.BytesReceived)},
		{"total_bytes_sent", int64(p.BytesSent)},
		{"total_data_channel_messages_received", num(&w.DataReceived)},
		{"total_data_channel_messages_sent", num(&w.DataSent)},
		{"total_colibri_web_socket_messages_received", num(&w.SocketReceived)},
		{"total_colibri_web_socket_messages_sent", num(&w.SocketSent)},
		{"total_video_stream_milliseconds_received", num(&m.VideoMilliseconds)},
		{"tcc_unmatched_feedback", num(&m.Unmatched)},
		{"total_keyframes_received", num(&m.Keyframes)},
		{"total_layering_changes_received", num(&m.LayerChanges)},
		{"total_dominant_speaker_changes", num(&m.SpeakerChanges)},
		{"preemptive_kfr_sent", num(&m.KeyframesAhead)},
		{"preemptive_kfr_suppressed", num(&m.KeyframesAheadSkipped)},
	}
}

func (c *collector) xmpp() []stat {
	var clients, connected, rooms, joined int64
	for _, x := range c.s.connections.all() {
		clients++
		if x.client.Connected() {
			connected++
		}
		for _, r := range x.rooms {
			rooms++
			if r.Joined() {
				joined++
			}
		}
	}
	return []stat{
		{"muc_clients_configured", clients}, {"muc_clients_connected", connected},
		{"mucs_configured", rooms}, {"mucs_joined", joined},
	}
}

// attach shows the numbers as metrics.
func (c *collector) attach(set *metrics.Set) {
	m, w := c.s.conferences.Counters(), c.s.channels.Counters()
	counters := []struct {
		k          *metrics.Counter
		name, help string
		labels     []string
	}{
		{&m.ConferencesCreated, "conferences_created", "Conferences created.", nil},
		{&m.ConferencesCompleted, "conferences_completed", "Conferences that ended.", nil},
		{&m.ConferenceSeconds, "conference_seconds", "Time all ended conferences lasted.", nil},
		{&m.Participants, "endpoints_created", "Endpoints created.", nil},
		{&m.TransportFailed, "endpoints_failed", "Endpoints whose transport failed.", nil},
		{&m.NoChannel, "endpoints_without_channel", "Endpoints that did not open a bridge channel.", nil},
		{&m.Disconnected, "endpoints_disconnected", "Times an endpoint went silent.", nil},
		{&m.SpeakerChanges, "dominant_speaker_changes", "Changes of the dominant speaker.", nil},
		{&m.Keyframes, "keyframes_received", "Keyframes received.", nil},
		{&m.EventsDropped, "events_dropped", "News of the packet path a conference had no room for.", nil},
		{&m.BadMessages, "channel_messages_bad", "Bridge channel messages that could not be read.", nil},
		{&m.UnknownMessages, "channel_messages_unknown", "Bridge channel messages of an unknown class.", nil},
		{&w.SocketReceived, "channel_messages_received", "Bridge channel messages received.", []string{"carrier", "websocket"}},
		{&w.DataReceived, "channel_messages_received", "Bridge channel messages received.", []string{"carrier", "datachannel"}},
		{&w.SocketSent, "channel_messages_sent", "Bridge channel messages sent.", []string{"carrier", "websocket"}},
		{&w.DataSent, "channel_messages_sent", "Bridge channel messages sent.", []string{"carrier", "datachannel"}},
		{&w.SocketRefused, "channel_refused", "WebSockets refused for a wrong path or password.", nil},
		{&w.SocketClosedBadly, "channel_closed_abnormally", "WebSockets that ended without a proper close.", nil},
	}
	for _, x := range counters {
		set.AttachCounter(x.k, "parley_bridge_"+x.name+"_total", x.help, x.labels...)
	}
	c.attachPackets(set)
	set.GaugeFunc(func() float64 { return c.rates().stress }, "parley_bridge_stress", "Load of the bridge; 1 is full.")
	set.GaugeFunc(func() float64 { return c.rates().used.path }, "parley_bridge_packet_path_busy", "Share of its time the busiest part of the packet path works.")
	set.GaugeFunc(func() float64 { return float64(c.s.reduced.Load()) }, "parley_bridge_last_n", "Pictures anybody gets at most, for the load; -1 is no limit.")
	set.GaugeFunc(func() float64 { return float64(len(c.s.conferences.List())) }, "parley_bridge_conferences", "Conferences now.")
	set.GaugeFunc(func() float64 {
		n := 0
		for _, conf := range c.s.conferences.List() {
			n += conf.Summary().Endpoints
		}
		return float64(n)
	}, "parley_bridge_endpoints", "Endpoints now.")
}

func (c *collector) attachPackets(set *metrics.Set) {
	shards, sockets := c.s.network, c.s.transport
	for _, x := range []struct {
		name, help string
		value      func(rtp.Stats) uint64
	}{
		{"packets_received", "RTP and RTCP packets received.", func(s rtp.Stats) uint64 { return s.PacketsReceived }},
		{"packets_sent", "RTP and RTCP packets sent.", func(s rtp.Stats) uint64 { return s.PacketsSent }},
		{"received_bytes", "Bytes of RTP and RTCP received.", func(s rtp.Stats) uint64 { return s.BytesReceived }},
		{"sent_bytes", "Bytes of RTP and RTCP sent.", func(s rtp.Stats) uint64 { return s.BytesSent }},
		{"excess_packets", "Packets participants sent beyond what one may.", func(s rtp.Stats) uint64 { return s.Excess }},
		{"refused_requests", "Requests for keyframes and repetitions beyond what one may ask.", func(s rtp.Stats) uint64 { return s.Refused }},
		{"audio_recovered", "Audio packets recovered from redundancy.", func(s rtp.Stats) uint64 { return s.Recovered }},
		{"panics", "Mistakes in the packet path that cost a packet or an endpoint.", func(s rtp.Stats) uint64 { return s.Panics }},
		{"arena_exhausted", "Packets dropped for want of memory slots.", func(s rtp.Stats) uint64 { return s.ArenaExhausted }},
	} {
		set.CounterFunc(func() float64 { return float64(x.value(shards.Stats())) }, "parley_bridge_"+x.name+"_total", x.help)
	}
	for _, x := range []struct {
		name, help string
		value      func(transport.Stats) uint64
	}{
		{"datagrams_sent", "Datagrams sent over UDP and TCP.", func(s transport.Stats) uint64 { return s.DatagramsSent }},
		{"messages_sent", "What the kernel was given for those over UDP; one carries several to one receiver.", func(s transport.Stats) uint64 { return s.MessagesSent }},
		{"garbage_received", "Datagrams that were none of ours.", func(s transport.Stats) uint64 { return s.Garbage }},
		{"send_dropped", "Datagrams a socket had no room for.", func(s transport.Stats) uint64 { return s.SendDropped }},
		{"ice_succeeded", "ICE sessions that connected.", func(s transport.Stats) uint64 { return s.ICESucceeded }},
		{"ice_failed", "ICE sessions that failed.", func(s transport.Stats) uint64 { return s.ICEFailed }},
		{"ice_restarts", "ICE restarts in place that began.", func(s transport.Stats) uint64 { return s.Restarts }},
		{"ice_restarts_succeeded", "ICE restarts in place that found a way.", func(s transport.Stats) uint64 { return s.RestartsSucceeded }},
		{"ice_roamed", "Times a peer went on from another address.", func(s transport.Stats) uint64 { return s.Roamed }},
		{"dtls_failed", "DTLS handshakes that failed.", func(s transport.Stats) uint64 { return s.DTLSFailed }},
	} {
		set.CounterFunc(func() float64 { return float64(x.value(sockets.Stats())) }, "parley_bridge_"+x.name+"_total", x.help)
	}
}
