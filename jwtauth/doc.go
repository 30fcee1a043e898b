// Package jwtauth is about room tokens: what they claim, whether they are
// genuine, which room they open, and how ours are minted.
//
// A room token is a JWT (RFC 7519) in the form Jitsi deployments use: the claim
// room names what may be entered, sub the XMPP domain or tenant, context.user
// who holds it. Verifier checks signature, times, issuer and audience in the
// order in which web clients know the answers, Verifier.AllowRoom asks whether
// verified claims open one room, and Mint makes tokens for links and tests.
// Keys come from the configuration (a shared secret, one public key, or a static
// key set), or by HTTP: a key set, or single keys from a key server (remote.go says
// when, fetch.go how). What a stranger's token makes us fetch is bounded.
//
// Nothing here changes after NewVerifier but fetched keys, which stand under a small
// lock, so a Verifier may be used by any number of goroutines. Sessions and rooms
// belong to xmppd; this package neither stores nor logs tokens.
package jwtauth
