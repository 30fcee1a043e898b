package jingle

// Transport is an ICE-UDP transport (XEP-0176) with its DTLS fingerprints and, in
// Jitsi, the address of the bridge channel.
type Transport struct {
	Ufrag string `xml:"ufrag,attr,omitempty"`
	Pwd   string `xml:"pwd,attr,omitempty"`
	// ICEGeneration counts in-place ICE restarts; nil where none happened.
	ICEGeneration *uint32 `xml:"ice-generation,attr,omitempty"`

	Candidates   []Candidate   `xml:"candidate"`
	WebSockets   []WebSocket   `xml:"http://jitsi.org/protocol/colibri web-socket"`
	RTCPMux      *Empty        `xml:"rtcp-mux"`
	Fingerprints []Fingerprint `xml:"urn:xmpp:jingle:apps:dtls:0 fingerprint"`
	SCTPMap      *SCTPMap      `xml:"urn:xmpp:jingle:transports:dtls-sctp:1 sctpmap"`
}

// Candidate is an ICE candidate.
type Candidate struct {
	Foundation string `xml:"foundation,attr"`
	Component  uint8  `xml:"component,attr"`
	Protocol   string `xml:"protocol,attr"` // udp, tcp (older: ssltcp)
	Priority   uint32 `xml:"priority,attr"`
	IP         string `xml:"ip,attr"`
	Port       uint16 `xml:"port,attr"`
	Type       string `xml:"type,attr"` // host, srflx, prflx, relay
	RelAddr    string `xml:"rel-addr,attr,omitempty"`
	RelPort    uint16 `xml:"rel-port,attr,omitempty"`
	TCPType    string `xml:"tcptype,attr,omitempty"` // active, passive, so
	Generation uint32 `xml:"generation,attr"`
	ID         string `xml:"id,attr,omitempty"`
	Network    string `xml:"network,attr,omitempty"`
}

// WebSocket is the address of the bridge channel.
type WebSocket struct {
	URL    string `xml:"url,attr,omitempty"`
	Active bool   `xml:"active,attr,omitempty"` // between bridges: the other side connects
}

// Fingerprint is a certificate's fingerprint and the DTLS role (XEP-0320).
type Fingerprint struct {
	Hash     string `xml:"hash,attr"`
	Setup    string `xml:"setup,attr,omitempty"` // actpass, active, passive
	Required string `xml:"required,attr,omitempty"`
	Cryptex  string `xml:"cryptex,attr,omitempty"`
	Value    string `xml:",chardata"`
}

// Values of Fingerprint.Setup.
const (
	SetupActpass = "actpass"
	SetupActive  = "active"
	SetupPassive = "passive"
)

// SCTPMap offers data channels over the transport.
type SCTPMap struct {
	Number   uint16 `xml:"number,attr"`
	Protocol string `xml:"protocol,attr"`
	Streams  uint16 `xml:"streams,attr,omitempty"`
}

// Clone is a deep copy: the same transport stands in several contents, some of which
// are changed afterwards.
func (t *Transport) Clone() *Transport {
	if t == nil {
		return nil
	}
	c := *t
	c.Candidates = append([]Candidate(nil), t.Candidates...)
	c.WebSockets = append([]WebSocket(nil), t.WebSockets...)
	c.Fingerprints = append([]Fingerprint(nil), t.Fingerprints...)
	if t.ICEGeneration != nil {
		g := *t.ICEGeneration
		c.ICEGeneration = &g
	}
	if t.RTCPMux != nil {
		c.RTCPMux = &Empty{}
	}
	if t.SCTPMap != nil {
		m := *t.SCTPMap
		c.SCTPMap = &m
	}
	return &c
}
