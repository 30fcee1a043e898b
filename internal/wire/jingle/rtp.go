package jingle

// Description is the RTP description of a content (XEP-0167).
type Description struct {
	Media    string `xml:"media,attr"` // audio, video or application
	MaxPtime string `xml:"maxptime,attr,omitempty"`

	PayloadTypes     []PayloadType `xml:"payload-type"`
	HdrExts          []HdrExt      `xml:"urn:xmpp:jingle:apps:rtp:rtp-hdrext:0 rtp-hdrext"`
	ExtmapAllowMixed *Empty        `xml:"urn:xmpp:jingle:apps:rtp:rtp-hdrext:0 extmap-allow-mixed"`
	Sources          []Source      `xml:"urn:xmpp:jingle:apps:rtp:ssma:0 source"`
	Groups           []SSRCGroup   `xml:"urn:xmpp:jingle:apps:rtp:ssma:0 ssrc-group"`
	RTCPMux          *Empty        `xml:"rtcp-mux"`
}

// PayloadType is a codec under its number. Inside a description it has the
// description's namespace; COLIBRI writes the namespace on it (by the field's tag).
type PayloadType struct {
	ID        uint8  `xml:"id,attr"`
	Name      string `xml:"name,attr,omitempty"`
	Clockrate uint32 `xml:"clockrate,attr,omitempty"`
	Channels  uint8  `xml:"channels,attr,omitempty"`
	Ptime     string `xml:"ptime,attr,omitempty"`
	MaxPtime  string `xml:"maxptime,attr,omitempty"`

	Parameters []Parameter `xml:"parameter"`
	Feedback   []Feedback  `xml:"urn:xmpp:jingle:apps:rtp:rtcp-fb:0 rtcp-fb"`
}

// Parameter returns the value of the format parameter of that name.
func (p *PayloadType) Parameter(name string) (string, bool) {
	for _, q := range p.Parameters {
		if q.Name == name {
			return q.Value, true
		}
	}
	return "", false
}

// Parameter is a format parameter or an attribute of a source. The name may be empty:
// RED has a nameless one.
type Parameter struct {
	Name  string `xml:"name,attr,omitempty"`
	Value string `xml:"value,attr"`
}

// Feedback is one kind of RTCP feedback (XEP-0293), e.g. nack pli.
type Feedback struct {
	Type    string `xml:"type,attr"`
	Subtype string `xml:"subtype,attr,omitempty"`
}

// HdrExt maps an RTP header extension to its number (XEP-0294).
type HdrExt struct {
	ID  uint16 `xml:"id,attr"`
	URI string `xml:"uri,attr"`
}

// Source is one SSRC (XEP-0339) with Jitsi's attributes. A source without SSRC (RID
// style) decodes with SSRC 0, which is valid nowhere.
type Source struct {
	SSRC uint32 `xml:"ssrc,attr"`
	// Name is the source name, e.g. a1b2c3d4-v0; empty from clients of 2021.
	Name      string `xml:"name,attr,omitempty"`
	VideoType string `xml:"videoType,attr,omitempty"` // camera or desktop
	RID       string `xml:"rid,attr,omitempty"`

	Info       *SSRCInfo   `xml:"http://jitsi.org/jitmeet ssrc-info"`
	Parameters []Parameter `xml:"parameter"`
}

// MSID is the value of the parameter msid, "" if there is none.
func (s *Source) MSID() string {
	for _, p := range s.Parameters {
		if p.Name == "msid" {
			return p.Value
		}
	}
	return ""
}

// SSRCInfo tells a client whose source it is.
type SSRCInfo struct {
	Owner string `xml:"owner,attr"`
}

// SSRCGroup ties SSRCs together: FID is (primary, retransmission), SIM the layers of a
// simulcast in rising order.
type SSRCGroup struct {
	Semantics string     `xml:"semantics,attr"`
	Sources   []GroupRef `xml:"source"`
}

// Semantics of an SSRCGroup.
const (
	SemanticsFID = "FID"
	SemanticsSIM = "SIM"
)

// GroupRef is an SSRC inside an SSRCGroup.
type GroupRef struct {
	SSRC uint32 `xml:"ssrc,attr"`
}
