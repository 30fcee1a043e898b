package jingle

import (
	"encoding/xml"
	"io"
)

// Reason says why a session ends: <reason><success/><text>…</text></reason>.
type Reason struct {
	Condition string // the element's name, e.g. "success"
	Text      string
}

// The conditions focus and clients use.
const (
	ReasonSuccess           = "success"
	ReasonExpired           = "expired"
	ReasonGeneralError      = "general-error"
	ReasonGone              = "gone"
	ReasonConnectivityError = "connectivity-error"
	ReasonSecurityError     = "security-error"
	ReasonDecline           = "decline"
)

// MarshalXML implements xml.Marshaler.
func (r Reason) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	if r.Condition != "" {
		if err := e.EncodeElement("", xml.StartElement{Name: xml.Name{Local: r.Condition}}); err != nil {
			return err
		}
	}
	if r.Text != "" {
		if err := e.EncodeElement(r.Text, xml.StartElement{Name: xml.Name{Local: "text"}}); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}

// UnmarshalXML implements xml.Unmarshaler. The first child that is not the text is
// the condition; children of other namespaces after it are skipped.
func (r *Reason) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	*r = Reason{}
	for {
		tok, err := d.Token()
		if err != nil {
			if err == io.EOF {
				return io.ErrUnexpectedEOF
			}
			return err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if err := r.child(d, t); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

func (r *Reason) child(d *xml.Decoder, t xml.StartElement) error {
	if t.Name.Local == "text" {
		return d.DecodeElement(&r.Text, &t)
	}
	if r.Condition == "" {
		r.Condition = t.Name.Local
	}
	return d.Skip()
}
