// Package jinglesession is the Jingle dialogue with one participant (XEP-0166) as a
// state machine.
//
// A Session makes the stanzas we send, judges whether one we got may be acted on,
// and collects changes of other participants' sources until they can be told. What
// an accepted request means for the meeting is focus/conference's. A Session sends
// nothing, keeps no time and has no goroutine: it is confined to the loop of its
// conference.
//
// One session is one sid. A participant that restarts gets a new Session; the old
// one stays ended for ever.
package jinglesession
