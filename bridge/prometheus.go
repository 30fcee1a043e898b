package bridge

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
)

// mirrored maps our statistics to the names the dashboards made for Jitsi's bridge ask for,
// without their prefix. A name that ends in _total is a counter, others are gauges.
var mirrored = []struct{ name, stat, help string }{
	{"stress", "stress_level", "Load; 1 is full."},
	{"healthy", "healthy", "Whether the bridge can serve."},
	{"drain_mode", "drain", "Whether the bridge asks not to be chosen."},
	{"graceful_shutdown", "graceful_shutdown", "Whether the bridge waits for its conferences to end."},
	{"shutting_down", "shutting_down", "Whether the bridge goes."},
	{"thread_count", "threads", "Goroutines."},
	{"conferences", "conferences", "Conferences now."},
	{"conferences_created_total", "total_conferences_created", "Conferences created."},
	{"conferences_completed_total", "total_conferences_completed", "Conferences that ended."},
	{"conference_seconds_total", "total_conference_seconds", "Time all ended conferences lasted."},
	{"conferences_inactive", "inactive_conferences", "Conferences in which nobody sends."},
	{"conferences_p2p", "p2p_conferences", "Conferences whose two people talk directly."},
	{"conferences_with_relay", "octo_conferences", "Conferences that span several bridges."},
	{"largest_conference", "largest_conference", "Endpoints of the largest conference."},
	{"endpoints_total", "total_participants", "Endpoints created."},
	{"current_endpoints", "endpoints", "Endpoints now."},
	{"local_endpoints", "local_endpoints", "Endpoints of this bridge."},
	{"active_endpoints", "local_active_endpoints", "Endpoints that were heard lately."},
	{"endpoints_inactive", "inactive_endpoints", "Endpoints that were not."},
	{"endpoints_recvonly", "receive_only_endpoints", "Endpoints that send nothing."},
	{"endpoints_sending_audio", "endpoints_sending_audio", "Endpoints that send audio."},
	{"endpoints_sending_video", "endpoints_sending_video", "Endpoints that send video."},
	{"endpoints_relayed", "octo_endpoints", "Endpoints of other bridges."},
	{"endpoints_oversending", "num_eps_oversending", "Endpoints that get more than their path takes."},
	{"endpoints_with_suspended_sources", "endpoints_with_suspended_sources", "Endpoints that get less than they want."},
	{"endpoints_with_high_outgoing_loss", "endpoints_with_high_outgoing_loss", "Endpoints that lose a tenth of what they get."},
	{"endpoints_with_spurious_remb", "endpoints_with_spurious_remb", "Endpoints that estimate although we do."},
	{"endpoints_disconnected_total", "endpoints_disconnected", "Times an endpoint went silent."},
	{"endpoints_reconnected_total", "endpoints_reconnected", "Times one came back."},
	{"endpoints_ice_failed_total", "endpoints_ice_failed", "Endpoints whose ICE failed."},
	{"endpoints_dtls_failed_total", "dtls_failed_endpoints", "Endpoints whose DTLS failed."},
	{"endpoints_no_message_transport_after_delay_total", "num_eps_no_msg_transport_after_delay", "Endpoints that did not open a bridge channel."},
	{"visitors_total", "total_visitors", "Visitors created."},
	{"current_visitors", "visitors", "Visitors now."},
	{"packets_received_total", "total_packets_received", "RTP and RTCP packets received."},
	{"packets_sent_total", "total_packets_sent", "RTP and RTCP packets sent."},
	{"bytes_received_total", "total_bytes_received", "Bytes of RTP and RTCP received."},
	{"bytes_sent_total", "total_bytes_sent", "Bytes of RTP and RTCP sent."},
	{"relay_packets_received_total", "total_packets_received_octo", "Packets received from other bridges."},
	{"relay_packets_sent_total", "total_packets_sent_octo", "Packets sent to other bridges."},
	{"relay_bytes_received_total", "total_bytes_received_octo", "Bytes received from other bridges."},
	{"relay_bytes_sent_total", "total_bytes_sent_octo", "Bytes sent to other bridges."},
	{"incoming_bitrate", "bit_rate_download", "Received, kbit/s."},
	{"outgoing_bitrate", "bit_rate_upload", "Sent, kbit/s."},
	{"incoming_packet_rate", "packet_rate_download", "Packets received a second."},
	{"outgoing_packet_rate", "packet_rate_upload", "Packets sent a second."},
	{"incoming_loss_fraction", "incoming_loss", "Share lost on the way to us."},
	{"outgoing_loss_fraction", "outgoing_loss", "Share lost on the way from us."},
	{"loss_fraction", "overall_loss", "Share lost both ways."},
	{"average_rtt", "rtt_aggregate", "Mean round trip time, milliseconds."},
	{"tcc_unmatched_feedback_total", "tcc_unmatched_feedback", "Feedback about packets we do not remember."},
	{"ice_failed_total", "total_ice_failed", "ICE sessions that failed."},
	{"ice_succeeded_total", "total_ice_succeeded", "ICE sessions that connected."},
	{"ice_succeeded_relayed_total", "total_ice_succeeded_relayed", "ICE sessions that connected over a relay."},
	{"ice_restarts_total", "total_ice_restarts", "ICE restarts in place that began."},
	{"ice_restarts_succeeded_total", "total_ice_restarts_succeeded", "ICE restarts in place that found a way."},
	{"keyframes_received_total", "total_keyframes_received", "Keyframes received."},
	{"layering_changes_received_total", "total_layering_changes_received", "Changes of what senders offer."},
	{"dominant_speaker_changes_total", "total_dominant_speaker_changes", "Changes of the dominant speaker."},
	{"preemptive_keyframe_requests_sent_total", "preemptive_kfr_sent", "Keyframes asked for ahead."},
	{"preemptive_keyframe_requests_suppressed_total", "preemptive_kfr_suppressed", "Keyframes not asked for ahead."},
	{"data_channel_messages_received_total", "total_data_channel_messages_received", "Messages received over data channels."},
	{"data_channel_messages_sent_total", "total_data_channel_messages_sent", "Messages sent over data channels."},
	{"colibri_web_socket_messages_received_total", "total_colibri_web_socket_messages_received", "Messages received over WebSockets."},
	{"colibri_web_socket_messages_sent_total", "total_colibri_web_socket_messages_sent", "Messages sent over WebSockets."},
	{"relays_total", "total_relays", "Links to other bridges created."},
	{"relays_ice_failed_total", "relays_ice_failed", "Links whose ICE failed."},
	{"relays_dtls_failed_total", "dtls_failed_relays", "Links whose DTLS failed."},
	{"relays_no_message_transport_after_delay_total", "num_relays_no_msg_transport_after_delay", "Links without a channel."},
}

// mirrorPrefix begins the names of Jitsi's bridge.
const mirrorPrefix = "jitsi_jvb_"

// serveMetrics writes the statistics under the names of Jitsi's bridge, in the Prometheus
// text format. Our own names are served with those of the other parts.
func (s *Service) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	values := make(map[string]float64)
	for _, st := range s.stats.all() {
		if v, ok := number(st.value); ok {
			values[st.name] = v
		}
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	out := bufio.NewWriter(w)
	defer func() { _ = out.Flush() }() // the client is gone if this fails
	for _, m := range mirrored {
		v, known := values[m.stat]
		if !known {
			continue
		}
		kind := "gauge"
		if len(m.name) > 6 && m.name[len(m.name)-6:] == "_total" {
			kind = "counter"
		}
		fmt.Fprintf(out, "# HELP %s%s %s\n# TYPE %[1]s%[2]s %[4]s\n%[1]s%[2]s %[5]s\n",
			mirrorPrefix, m.name, m.help, kind, strconv.FormatFloat(v, 'g', -1, 64))
	}
	s.writeHistograms(out)
}

// writeHistograms writes how long packets stay, and how loud the audio was that is left out.
func (s *Service) writeHistograms(out *bufio.Writer) {
	stats := s.network.Stats()
	name := mirrorPrefix + "forward_latency_seconds"
	fmt.Fprintf(out, "# HELP %s How long packets take through the bridge.\n# TYPE %[1]s histogram\n", name)
	var seen uint64
	var sum float64
	for i, n := range stats.Transit {
		if seen += n; n == 0 {
			continue
		}
		bound := stats.Transit.Bound(i).Seconds()
		sum += bound * float64(n)
		fmt.Fprintf(out, "%s_bucket{le=\"%g\"} %d\n", name, bound, seen)
	}
	fmt.Fprintf(out, "%s_bucket{le=\"+Inf\"} %d\n%[1]s_sum %[3]g\n%[1]s_count %[2]d\n", name, seen, sum)

	name = mirrorPrefix + "tossed_packets_energy"
	fmt.Fprintf(out, "# HELP %s How loud the audio was that is left out for louder one.\n# TYPE %[1]s histogram\n", name)
	seen, sum = 0, 0
	width := 128 / len(stats.Tossed)
	for i, n := range stats.Tossed {
		seen += n
		sum += float64(n) * (float64(i) + 0.5) * float64(width)
		fmt.Fprintf(out, "%s_bucket{le=\"%d\"} %d\n", name, (i+1)*width-1, seen)
	}
	fmt.Fprintf(out, "%s_bucket{le=\"+Inf\"} %d\n%[1]s_sum %[3]g\n%[1]s_count %[2]d\n", name, seen, sum)
}

// number is a statistic as a number; false for texts.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}
