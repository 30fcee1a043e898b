// Package focus decides who meets whom: it answers conference requests, sits in
// every room, and offers each participant a media session on a bridge.
//
// It is Jicofo's part. It speaks XEP-0045 and Jingle (XEP-0166 and family) to
// participants and COLIBRI 2 to bridges; media never passes here. Recorders, SIP
// gateways, visitors and logins of its own are left out; the login is the server's
// matter.
//
// Service owns the two connections and knows which conferences exist. Each
// conference is a loop of its own in focus/conference and owns everything about
// one meeting; the room as we see it is focus/chatroom, the dialogue with one
// participant focus/jinglesession, that with one bridge focus/colibrisession, and
// the choice among bridges focus/selector.
package focus
