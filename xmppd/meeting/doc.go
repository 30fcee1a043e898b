// Package meeting holds the rules only Jitsi knows about a room, a file each; they
// join in through the Hooks of xmppd/muc.
//
// On the room itself: which token opens which room and who moderates (token.go,
// affiliation.go, allowners.go, caritas.go), that the focus comes first
// (focuslock.go) and is called for people with a password account (open.go),
// health-check rooms, the meeting's id and age, the identity and the permissions in
// presence, and what clients may not do to the focus.
//
// Beside it Jitsi's services, each a desk: a domain of its own, announced by the main
// domain, that occupants write to and that answers from its own address. Lobbies and
// breakout rooms are rooms of further hosts, with rules of their own. In front of the
// focus's domain stands the gate that asks another server for reservations. Visitors and
// federated rooms are left out.
//
// Where a comment names a mod_…, that is the plug-in which does the same for Prosody, in
// resources/prosody-plugins of github.com/jitsi/jitsi-meet unless it says another place:
// what it puts on the wire is what clients, focus and recorders rely on.
//
// The rules keep their state in the room (muc.Room.Value, stateOf), so it belongs to
// the room's goroutine and ends with the room. Only what rooms know of each other
// stands under small locks: whereabouts (which rooms a session is in) and family (a
// main room and its breakout rooms). No room waits for another: it posts a question,
// and the answer is posted back. The focus itself is another service; the server
// talks to it like any client, with the conference request.
package meeting
