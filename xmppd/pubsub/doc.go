// Package pubsub keeps nodes: what somebody publishes under a name, and who hears
// of it.
//
// It covers XEP-0060 on a host of its own, with collections where each node is in one
// at most (XEP-0248, a tree), and XEP-0163, where each account is such a service,
// without collections, to those who hear its presence. Several subscriptions of one
// address to one node, delivery by time and subscriptions by keyword are left out.
//
// A service (the host, or one account) belongs to one of a few loops, chosen by
// its address; everything that reads or changes its nodes runs there, so that
// notices go out in the order of publishing. The loops write to the store before
// they answer. Mailboxes are bounded: when one is full the request is refused with
// wait/resource-constraint.
//
// Who has which account and contact is asked of xmppd/router; what a client wants
// to hear of is read from its entity capabilities (XEP-0115), see interest.go.
package pubsub
