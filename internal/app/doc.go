// Package app assembles Parley: it turns one configuration into running
// services and ties them together.
//
// It owns what the services share and none of them can own: the data directory
// with its secrets and certificate, the in-process links (the same protocol
// bytes as over the network), the order of start and stop, the control socket,
// the listener for metrics and health, and the text a person sees at the start.
// It imports the front of every service and is imported by the doors alone.
//
// An instance belongs to the goroutine in Run; each service runs on goroutines
// of its own, which Run waits for. What a service does is its own business.
package app
