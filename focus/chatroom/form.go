package chatroom

import (
	"encoding/xml"

	"parley/internal/wire/ns"
	"parley/internal/xmppclient"
)

// ownerQuery carries the configuration form of a room, both ways.
type ownerQuery struct {
	XMLName xml.Name         `xml:"http://jabber.org/protocol/muc#owner query"`
	Form    *xmppclient.Form `xml:"jabber:x:data x"`
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

// field is the value of a field, "" if there is no form or no such field.
func (q *ownerQuery) field(name string) string {
	if q.Form == nil {
		return ""
	}
	v, _ := q.Form.Field(name)
	return v
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
	return &ownerQuery{Form: &xmppclient.Form{Type: "submit", Fields: []xmppclient.FormField{
		{Var: fieldFormType, Values: []string{ns.MUCRoomConfig}},
		{Var: fieldWhois, Values: []string{"anyone"}},
	}}}
}
