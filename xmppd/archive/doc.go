// Package archive keeps messages of accounts and rooms, and finds them again.
//
// It covers XEP-0313 (urn:xmpp:mam:2 with #extended) with result pages (XEP-0059),
// preferences and metadata, and gives messages the ids of XEP-0359. Which messages
// of a room are kept, and who may read them, is the room's business; for accounts
// both are decided in account.go.
//
// One goroutine writes. Append puts a message into its bounded queue and waits until it
// is on disk, as a message that names its place in an archive has to be there, also when
// the process is killed the moment after; what waits together is written in one
// transaction. When the queue is full, or the disk takes longer than two seconds, the
// message is delivered without that name, and that is logged. Old messages go by
// number, per archive, and by age.
package archive
