// Package signal speaks COLIBRI 2 with the focus: it judges who may ask, reads
// conference-modify and health checks, turns them into calls of conference, and turns
// what comes back into answers and stanza errors.
//
// It is the only room of the bridge that sees XML. It has no state: order within
// a conference is kept by the conference's mailbox, and answers may come from
// its goroutine. Requests about exports are refused as not implemented.
package signal
