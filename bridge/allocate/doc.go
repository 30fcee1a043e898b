// Package allocate decides which layer of which video source a receiver gets.
//
// Given the sources in the order last-N counts them, what the receiver asked for
// and how many bits per second it can take, Allocate returns a target layer
// for each source. It is the algorithm every Jitsi client was tuned against:
// sources on stage are served up to a preferred height before anybody else gets
// anything, then everybody is improved one layer at a time.
//
// All of it is pure: no clock, no state, no lock. The conference calls it; the
// packet path only sees the resulting layer indexes.
package allocate
