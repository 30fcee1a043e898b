//go:build linux

// Command load measures the XMPP server from outside: what a log-in, a join and a
// delivery cost it, beside Prosody and beside a floor, all in the same run.
//
// It starts bin/parley and Prosody itself, each with a configuration of its own on
// loopback, in a temporary folder. The floor is a child process that writes the
// same number of bytes to the same number of sockets and does nothing else: one
// write a delivery, or what has gathered in one write. A figure counts only if every
// delivery was right: the sender, the receiver, the number, and the same order for
// everybody in the room; else the run ends with an error.
//
// All clients of one server live on one thread around epoll (loop.go), so that
// measuring takes little of the CPU that the server needs. Linux only.
//
//	go run ./test/load -parley bin/parley            # everything
//	go run ./test/load -parley bin/parley -short     # two minutes
package main
