// Package conference runs one meeting: who is invited, who sends what, who is told.
//
// A Conference is a loop. It owns the room as the focus sees it (focus/chatroom), a
// Jingle session per participant (focus/jinglesession), a COLIBRI session per bridge
// (focus/colibrisession) and the sources of everybody (internal/source); all of them
// are confined to it. What arrives from outside, answers and timers included, is
// posted to its mailbox; nothing here waits for an answer. A participant that does
// not answer therefore holds up nobody.
//
// The mailbox is bounded. When it is full an IQ is refused; if a presence or an
// answer cannot be taken the conference can no longer know what is going on and
// ends, to be asked for anew.
//
// What was agreed is kept, and a conference may begin with what an earlier focus kept
// (kept.go).
//
// Recorders, SIP gateways and visitors are left out; moderation of audio and video and
// the sender limits are here.
package conference
