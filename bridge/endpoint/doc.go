// Package endpoint is one participant on the bridge: what it sends (Source), what
// it gets of others (Receive), and the three legs it stands on: the transport
// session, the media leg of the packet path, and the bridge channel.
//
// An Endpoint is confined to the goroutine of its conference; nothing in here
// locks, and nothing here talks XML. Who gets what is decided by the conference,
// which sees all endpoints. How packets are moved is the business of bridge/rtp,
// behind Leg; how datagrams travel that of bridge/transport, behind Session.
package endpoint
