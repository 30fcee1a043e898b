// Package estimate tells how many bits per second a receiver can take.
//
// An Estimator follows Google congestion control (draft-ietf-rmcat-gcc-02): a
// trend line over the queueing delay of groups of packets detects that the path
// fills up before anything is lost, an additive-increase, multiplicative-decrease
// controller turns that into a rate, and a second controller reacts to loss.
// Input is the transport-wide feedback of the receiver, or, for receivers without
// it, their REMB and receiver reports.
//
// Two things differ from the draft, both because a bridge usually sends far less
// than the path could carry. An overuse signal while the receiver got what was
// sent at the pace it was sent lowers the estimate a little instead of to the
// measured rate. And growth is bounded by what has been proved by packets that
// arrived, so that padding (see Probe in bridge/rtp) is what opens the next layer.
//
// Everything is a function of what is handed in; there is no clock. An Estimator
// belongs to the goroutine of its conference.
package estimate
