// Package estimate tells how many bits per second a receiver can take.
//
// An Estimator follows Google congestion control (draft-ietf-rmcat-gcc-02): a
// trend line over the queueing delay of groups of packets detects that the path
// fills up before anything is lost, an additive-increase, multiplicative-decrease
// controller turns that into a rate, and a second controller reacts to loss.
// Input is the transport-wide feedback of the receiver, or, for receivers without
// it, their REMB and receiver reports.
//
// Three things differ from the draft, because a bridge usually sends far less than the path
// could carry, to people whose machines are busy. A growing delay counts only while a queue
// stands, that is, while even the luckiest packet waits. Loss counts only if a limit of the
// path explains it better than a path that loses at any rate. And growth is bounded by what
// has been proved by packets that arrived, so that probes (see Try) open the next layer.
//
// Everything is a function of what is handed in; there is no clock. An Estimator
// belongs to the goroutine of its conference.
package estimate
