// Package meetweb is the front people's browsers talk to: it serves the page of
// the meeting, tells it where to connect, and passes its signalling on.
//
// It owns the HTTPS and HTTP listeners, the built page (embedded from ui/dist),
// config.js, the form of room addresses, and the proxies: /http-bind,
// /xmpp-websocket and /upload/ to the XMPP server, /colibri-ws/SERVER/… and
// /colibri-relay-ws/SERVER/… to bridges the settings name (never to a name taken
// from the address), /conference-request/v1 to the focus. Left out are the
// embedding script, ACME and several tenants with settings of their own; a tenant
// in the address only reaches the XMPP server as its prefix.
//
// A Server's settings and assets do not change after New. What is said inside the
// proxied connections is xmppd's and the bridge's business; the client itself lives
// in ui.
package meetweb
