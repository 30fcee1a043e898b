package chatroom

import (
	"encoding/xml"

	"parley/internal/wire/ns"
)

// ownerQuery carries the configuration form of a room, both ways.
type ownerQuery struct {
	XMLName xml.Name `xml:"http://jabber.org/protocol/muc#owner query"`
	Form    *form    `xml:"jabber:x:data x"`
}

// adminQuery changes an affiliation.
type adminQuery struct {
	XMLName xml.Name  `xml:"http://jabber.org/protocol/muc#admin query"`
	Item    adminItem `xml:"item"`
}

type adminItem struct {
	Affiliation string `xml:"affiliation,attr"`
	JID         string `xml:"jid,attr"`
}

// joinMarker tells a service that a presence is an entrance and not an update.
type joinMarker struct {
	XMLName xml.Name `xml:"http://jabber.org/protocol/muc x"`
}

type form struct {
	Type   string  `xml:"type,attr"`
	Fields []field `xml:"field"`
}

type field struct {
	Var    string   `xml:"var,attr,omitempty"`
	Values []string `xml:"value"`
}

func (f *form) value(name string) string {
	if f == nil {
		return ""
	}
	for _, fd := range f.Fields {
		if fd.Var == name && len(fd.Values) > 0 {
			return fd.Values[0]
		}
	}
	return ""
}

// Fields of the form that are read or written.
const (
	fieldFormType  = "FORM_TYPE"
	fieldWhois     = "muc#roomconfig_whois"
	fieldMeetingID = "muc#roominfo_meetingId"
	fieldBreakout  = "muc#roominfo_isbreakout"
	fieldMainRoom  = "muc#roominfo_breakout_main_room"
)

// openAddresses is the only setting a focus makes: everybody sees real addresses.
// Clients do not recognise the focus without it.
func openAddresses() *ownerQuery {
	return &ownerQuery{Form: &form{Type: "submit", Fields: []field{
		{Var: fieldFormType, Values: []string{ns.MUCRoomConfig}},
		{Var: fieldWhois, Values: []string{"anyone"}},
	}}}
}
