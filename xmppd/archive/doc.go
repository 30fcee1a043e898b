// Package archive keeps messages of accounts and rooms, and finds them again.
//
// It covers XEP-0313 (urn:xmpp:mam:2 with #extended) with result pages (XEP-0059),
// preferences and metadata, and gives messages the ids of XEP-0359. Which messages
// of a room are kept, and who may read them, is the room's business; for accounts
// both are decided in account.go.
//
// One goroutine writes. Append puts a message into its bounded queue and returns at
// once; what waits together is written in one transaction. When the queue is full
// a message is delivered without being archived, and that is logged. A query first
// waits until what was appended before it is written. Old messages go by number,
// per archive, and by age.
package archive
