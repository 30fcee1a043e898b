// Package e2e tests the product as a whole, as a stranger meets it: by its ports.
//
// Plays (plays/*.play) are dialogues taken from recordings of a real Jitsi: named persons
// send what unmodified clients sent, and must receive what the real stack answered. How a
// play is written stands at the top of playfile_test.go; where Parley deviates on
// purpose, the play says so with the reason. A recording is named by its scene; the
// parties were Prosody 0.12 with Jitsi's plug-ins, Jicofo, Jitsi Videobridge and
// lib-jitsi-meet of summer 2026, or, where it says so, a client of 2023. A mod_… named in
// a play is the plug-in, in resources/prosody-plugins of github.com/jitsi/jitsi-meet,
// that does the same for Prosody.
//
// Without further words the tests start Parley inside the test process, on free ports.
// PARLEY_E2E_WEBSOCKET=ws://HOST:PORT/xmpp-websocket with PARLEY_E2E_DOMAIN and
// PARLEY_E2E_TOKEN_SECRET points them at a running server instead.
package e2e
