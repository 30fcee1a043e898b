package signal

import (
	"math"
	"net/netip"
	"strconv"
	"strings"

	"mellium.im/xmpp/jid"

	"parley/bridge/allocate"
	"parley/bridge/conference"
	"parley/bridge/endpoint"
	"parley/bridge/media"
	"parley/bridge/transport"
	"parley/internal/wire/colibri"
	"parley/internal/wire/jingle"
)

// maxMeetingID bounds the focus's name of a conference.
const maxMeetingID = 256

// request judges the whole of a conference-modify and turns it into a request.
func request(m *colibri.Modify) (conference.Request, error) {
	req := conference.Request{
		MeetingID: m.MeetingID, Name: m.Name, Create: m.Create, Expire: m.Expire,
		Lenient: len(m.Endpoints) > 1,
	}
	switch {
	case strings.TrimSpace(m.MeetingID) == "" || len(m.MeetingID) > maxMeetingID:
		return req, badRequest("a meeting-id is needed")
	case m.Name != "" && !bareRoom(m.Name):
		return req, badRequest("the name must be the address of a room")
	case len(m.Endpoints) > 0 && len(m.Relays) > 0:
		return req, notImplemented("endpoints and relays in one request", colibri.FeatureNotImplemented)
	case len(m.Relays) > 1 && !onlyExpire(m.Relays):
		return req, notImplemented("more than one relay in one request", colibri.FeatureNotImplemented)
	case m.Connects != nil && len(m.Connects.Connects) > 0:
		return req, notImplemented("this bridge exports no media", "")
	case full(m.Endpoints) > 1:
		return req, notImplemented("more than one endpoint created or changed in one request", colibri.FeatureNotImplemented)
	}
	for i := range m.Endpoints {
		e, err := endpointRequest(&m.Endpoints[i])
		if err != nil {
			return req, err
		}
		req.Endpoints = append(req.Endpoints, e)
	}
	for i := range m.Relays {
		r, err := relayRequest(&m.Relays[i])
		if err != nil {
			return req, err
		}
		req.Relays = append(req.Relays, r)
	}
	return req, nil
}

func bareRoom(name string) bool {
	j, err := jid.Parse(name)
	return err == nil && j.Localpart() != "" && j.Resourcepart() == ""
}

// full counts the endpoints that are more than expired or muted.
func full(endpoints []colibri.Endpoint) int {
	n := 0
	for i := range endpoints {
		e := &endpoints[i]
		if e.Create || len(e.Media) > 0 || e.Transport != nil || e.Sources != nil {
			n++
		}
	}
	return n
}

func endpointRequest(e *colibri.Endpoint) (conference.EndpointRequest, error) {
	r := conference.EndpointRequest{
		ID: e.ID, Create: e.Create, Expire: e.Expire, StatsID: e.StatsID,
		Visitor:     strings.EqualFold(e.MUCRole, colibri.RoleVisitor),
		SourceNames: e.HasCapability(colibri.CapSourceNames),
		Capabilities: endpoint.Capabilities{
			SSRCRewriting:    e.HasCapability(colibri.CapSSRCRewriting),
			PrivateAddresses: e.HasCapability(colibri.CapPrivateAddr),
		},
	}
	for i := range e.Media {
		types, extensions, err := readMedia(&e.Media[i])
		if err != nil {
			return r, err
		}
		r.PayloadTypes, r.Extensions = append(r.PayloadTypes, types...), append(r.Extensions, extensions...)
	}
	if e.Transport != nil {
		t, err := transportRequest(e.Transport)
		if err != nil {
			return r, err
		}
		r.Transport = t
	}
	if e.Sources != nil {
		specs, err := sources(e.Sources)
		if err != nil {
			return r, err
		}
		r.Sources = &specs
	}
	if e.ForceMute != nil {
		r.ForceMute = &conference.ForceMute{Audio: e.ForceMute.Audio, Video: e.ForceMute.Video}
	}
	if e.InitialLastN != nil {
		r.InitialLastN = &e.InitialLastN.Value
	}
	return r, nil
}

func kind(word string) (media.Kind, error) {
	switch strings.ToLower(word) {
	case "audio":
		return media.Audio, nil
	case "video":
		return media.Video, nil
	}
	return 0, badRequest("media type %q is neither audio nor video", word)
}

// readMedia reads payload types and header extensions; those we do not know are left out.
func readMedia(m *colibri.Media) (types []media.PayloadType, extensions []media.Extension, err error) {
	k, err := kind(m.Type)
	if err != nil {
		return nil, nil, err
	}
	for i := range m.PayloadTypes {
		p := &m.PayloadTypes[i]
		if p.ID > 127 {
			return nil, nil, badRequest("payload type %d does not exist", p.ID)
		}
		codec := media.CodecByName(p.Name)
		if codec == media.CodecUnknown {
			continue
		}
		types = append(types, payloadType(k, codec, p))
	}
	for _, x := range m.HdrExts {
		ext := media.ExtensionByURI(x.URI)
		if ext == media.ExtUnknown || x.ID < 1 || x.ID > 255 {
			continue
		}
		extensions = append(extensions, media.Extension{ID: uint8(x.ID), Kind: ext})
	}
	return types, extensions, nil
}

func payloadType(k media.Kind, codec media.Codec, p *jingle.PayloadType) media.PayloadType {
	t := media.PayloadType{Number: p.ID, Kind: k, Codec: codec, ClockRate: p.Clockrate}
	if apt, ok := p.Parameter("apt"); ok {
		if n, err := strconv.ParseUint(apt, 10, 7); err == nil {
			t.Apt = uint8(n)
		}
	}
	for _, f := range p.Feedback {
		switch strings.ToLower(strings.TrimSpace(f.Type + " " + f.Subtype)) {
		case "nack":
			t.NACK = true
		case "nack pli":
			t.PLI = true
		case "ccm fir":
			t.FIR = true
		case "transport-cc":
			t.TransportCC = true
		case "goog-remb":
			t.REMB = true
		}
	}
	return t
}

func transportRequest(t *colibri.Transport) (*conference.TransportRequest, error) {
	r := &conference.TransportRequest{Controlling: t.ICEControlling, ICERestart: t.ICERestart, UniquePort: t.UseUniquePort}
	if t.SCTP != nil {
		r.SCTP = &conference.SCTPRequest{Role: strings.ToLower(t.SCTP.Role), Port: t.SCTP.Port}
	}
	if t.ICE == nil {
		return r, nil
	}
	d := &transport.Description{Ufrag: t.ICE.Ufrag, Pwd: t.ICE.Pwd}
	if g := t.ICE.ICEGeneration; g != nil {
		d.Generation = int(min(*g, math.MaxInt32))
	}
	for i := range t.ICE.Candidates {
		if c, ok := candidate(&t.ICE.Candidates[i]); ok {
			d.Candidates = append(d.Candidates, c)
		}
	}
	for _, f := range t.ICE.Fingerprints {
		d.Fingerprints = append(d.Fingerprints, transport.Fingerprint{
			Hash: strings.ToLower(f.Hash), Value: strings.ToUpper(strings.TrimSpace(f.Value)),
		})
		setup, err := setup(f.Setup)
		if err != nil {
			return nil, err
		}
		if setup != "" {
			d.Setup = setup
		}
	}
	r.Remote = d
	for _, w := range t.ICE.WebSockets {
		if w.URL != "" {
			r.WebSocket = w.URL
			break
		}
	}
	return r, nil
}

func setup(word string) (transport.Setup, error) {
	switch s := transport.Setup(strings.ToLower(word)); s {
	case "", transport.SetupActive, transport.SetupPassive:
		return s, nil
	}
	return "", badRequest("setup %q is neither active nor passive", word)
}

// candidate reads a candidate of a client. What we could not reach anyway is left out:
// host names (mDNS), TCP candidates (clients connect to ours), other components.
func candidate(c *jingle.Candidate) (transport.Candidate, bool) {
	addr, err := netip.ParseAddr(c.IP)
	if err != nil || c.Port == 0 || c.Component != 1 || !strings.EqualFold(c.Protocol, "udp") {
		return transport.Candidate{}, false
	}
	out := transport.Candidate{
		Foundation: c.Foundation, Component: uint16(c.Component), Protocol: transport.UDP,
		Priority: c.Priority, Addr: netip.AddrPortFrom(addr.WithZone(""), c.Port), Type: c.Type,
	}
	switch c.Type {
	case transport.TypeHost, transport.TypeSrflx, transport.TypePrflx, transport.TypeRelay:
	default:
		return transport.Candidate{}, false
	}
	if rel, err := netip.ParseAddr(c.RelAddr); err == nil {
		out.Related = netip.AddrPortFrom(rel.WithZone(""), c.RelPort)
	}
	return out, true
}

// sources reads the complete list of an endpoint's sources.
func sources(list *colibri.Sources) ([]endpoint.SourceSpec, error) {
	specs := make([]endpoint.SourceSpec, 0, len(list.Media))
	seen := make(map[uint32]bool)
	for i := range list.Media {
		s, err := source(&list.Media[i])
		if err != nil {
			return nil, err
		}
		for _, e := range s.Encodings {
			for _, ssrc := range []uint32{e.SSRC, e.RTX} {
				if ssrc != 0 && seen[ssrc] {
					return nil, badRequest("SSRC %d stands in two sources", ssrc)
				}
				seen[ssrc] = true
			}
		}
		specs = append(specs, s)
	}
	return specs, nil
}

func source(m *colibri.MediaSource) (endpoint.SourceSpec, error) {
	k, err := kind(m.Type)
	if err != nil {
		return endpoint.SourceSpec{}, err
	}
	spec := endpoint.SourceSpec{Name: m.ID, Kind: k, Type: allocate.Camera, Synthetic: m.Synthetic}
	if len(m.Sources) == 0 || spec.Name == "" {
		return spec, badRequest("a source needs an id and at least one SSRC")
	}
	repairs := make(map[uint32]uint32) // primary to RTX
	isRepair := make(map[uint32]bool)
	var simulcast []uint32
	for _, g := range m.Groups {
		switch {
		case strings.EqualFold(g.Semantics, jingle.SemanticsFID) && len(g.Sources) == 2:
			repairs[g.Sources[0].SSRC] = g.Sources[1].SSRC
			isRepair[g.Sources[1].SSRC] = true
		case strings.EqualFold(g.Semantics, jingle.SemanticsSIM):
			simulcast = simulcast[:0]
			for _, s := range g.Sources {
				simulcast = append(simulcast, s.SSRC)
			}
		}
	}
	if len(simulcast) == 0 {
		for _, s := range m.Sources {
			if !isRepair[s.SSRC] {
				simulcast = append(simulcast, s.SSRC)
				break
			}
		}
	}
	for _, ssrc := range simulcast {
		if ssrc == 0 {
			return spec, badRequest("source %s has a part without an SSRC", m.ID)
		}
		spec.Encodings = append(spec.Encodings, media.Encoding{SSRC: ssrc, RTX: repairs[ssrc]})
	}
	if len(spec.Encodings) == 0 || len(spec.Encodings) > media.MaxEncodings {
		return spec, badRequest("source %s has %d encodings", m.ID, len(spec.Encodings))
	}
	if strings.EqualFold(m.Sources[0].VideoType, "desktop") {
		spec.Type = allocate.Desktop
	}
	return spec, nil
}
