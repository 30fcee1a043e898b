// Package speaker finds out who of a conference is talking.
//
// Identifier ranks the participants by speech activity over three spans of time (a
// packet, a tenth of a second, a second) after Volfin and Cohen, "Dominant speaker
// identification for multipoint videoconferencing" (2012); the numbers are those of Jitsi
// (jitsi-utils, DominantSpeakerIdentification), so that a meeting behaves as people know
// it. Recent keeps the order in which endpoints were dominant, which is the order last-N
// counts in.
//
// Everything here is a function of numbers and the time handed in. Nothing
// locks: the values belong to the goroutine of the conference that made them.
package speaker
