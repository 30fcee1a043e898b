package jingle

import (
	"encoding/xml"
	"strings"
)

// JSONMessage carries the sources of an offer or a change as JSON text. Package source
// reads and writes the text.
type JSONMessage struct {
	Text string `xml:",chardata"`
}

// MarshalXML implements xml.Marshaler. It escapes only what XML text needs: every
// quotation mark as &#34; would make offers of large meetings half as long again.
func (m JSONMessage) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	return e.EncodeElement(struct {
		Raw string `xml:",innerxml"`
	}{escapeText.Replace(m.Text)}, start)
}

var escapeText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")
