// Package chatroom is the focus's view of one room: who is in it, as what, and
// whether we are in ourselves.
//
// It covers the occupant's half of XEP-0045 a focus needs: entering and creating a
// room, making real addresses visible, publishing our presence, reading that of
// others, granting ownership. Chat, subjects and invitations are left out, and so
// is what a member's presence means for media: that is focus/conference's.
//
// A Room is confined to the loop of its conference: the conference feeds it
// presences and the answers to its requests, and acts on the events it returns.
package chatroom
