package transport

import "errors"

// Errors callers ask for with errors.Is.
var (
	// ErrClosed: the session or transport is closed.
	ErrClosed = errors.New("closed")
	// ErrNoChannel: the peer has not opened a data channel.
	ErrNoChannel = errors.New("no data channel")
	// ErrChannelFull: the peer does not read its data channel fast enough.
	ErrChannelFull = errors.New("data channel queue is full")
	// ErrICE: no working pair, or consent was lost.
	ErrICE = errors.New("ICE failed")
	// ErrDTLS: the handshake did not succeed.
	ErrDTLS = errors.New("DTLS failed")
	// ErrLeft: the peer ended DTLS, as browsers do when they leave.
	ErrLeft = errors.New("the peer hung up")
	// ErrFingerprint: the peer's certificate is not the one it announced.
	ErrFingerprint = errors.New("certificate does not match the fingerprint")
	// ErrInternal: a mistake of ours in what the peer said.
	ErrInternal = errors.New("internal error")
	// ErrBadRemote: the peer's description makes no sense.
	ErrBadRemote = errors.New("bad remote description")
)
