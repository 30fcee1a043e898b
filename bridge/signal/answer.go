package signal

import (
	"strconv"

	"parley/bridge/conference"
	"parley/bridge/transport"
	"parley/internal/wire/colibri"
	"parley/internal/wire/jingle"
)

// Names of the bridge's own sources.
const (
	feedbackAudio = "jvb-a0"
	feedbackVideo = "jvb-v0"
)

// modified is the answer as the focus reads it.
func modified(r conference.Response) *colibri.Modified {
	m := &colibri.Modified{}
	for _, e := range r.Endpoints {
		m.Endpoints = append(m.Endpoints, colibri.Endpoint{
			ID: e.ID, Expire: e.Expired, Transport: transportAnswer(e.Transport),
		})
	}
	for _, x := range r.Relays {
		m.Relays = append(m.Relays, colibri.Relay{ID: x.ID, Expire: x.Expired, Transport: transportAnswer(x.Transport)})
	}
	if r.Feedback != nil {
		m.Sources = &colibri.Sources{Media: []colibri.MediaSource{
			feedback("audio", feedbackAudio, r.Feedback.Audio),
			feedback("video", feedbackVideo, r.Feedback.Video),
		}}
	}
	return m
}

func feedback(kind, name string, ssrc uint32) colibri.MediaSource {
	return colibri.MediaSource{Type: kind, ID: name, Sources: []jingle.Source{{SSRC: ssrc, Name: name}}}
}

func transportAnswer(r *conference.TransportResponse) *colibri.Transport {
	if r == nil {
		return nil
	}
	ice := &jingle.Transport{Ufrag: r.Local.Ufrag, Pwd: r.Local.Pwd, RTCPMux: &jingle.Empty{}}
	if g := uint32(r.Local.Generation); g > 0 {
		ice.ICEGeneration = &g
	}
	for i, c := range r.Local.Candidates {
		ice.Candidates = append(ice.Candidates, candidateAnswer(i, c))
	}
	for _, f := range r.Local.Fingerprints {
		ice.Fingerprints = append(ice.Fingerprints, jingle.Fingerprint{
			Hash: f.Hash, Value: f.Value, Setup: string(r.Local.Setup),
		})
	}
	for _, url := range r.WebSockets {
		ice.WebSockets = append(ice.WebSockets, jingle.WebSocket{URL: url})
	}
	t := &colibri.Transport{ICE: ice}
	if r.SCTP {
		t.SCTP = &colibri.SCTP{Port: conference.SCTPPort, Role: r.Role}
	}
	return t
}

func candidateAnswer(i int, c transport.Candidate) jingle.Candidate {
	out := jingle.Candidate{
		Foundation: c.Foundation, Component: uint8(c.Component), Protocol: string(c.Protocol),
		Priority: c.Priority, IP: c.Addr.Addr().String(), Port: c.Addr.Port(), Type: c.Type,
		TCPType: c.TCPType, ID: "c" + strconv.Itoa(i+1), Network: "0",
	}
	if c.Related.IsValid() {
		out.RelAddr, out.RelPort = c.Related.Addr().String(), c.Related.Port()
	}
	return out
}
