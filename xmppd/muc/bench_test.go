package muc

import (
	"strconv"
	"testing"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// mute is a sink that takes everything and does nothing, as a queue would.
type mute struct{}

func (mute) Deliver(stanza.Addr, *stanza.Encoded) bool { return true }
func (mute) Kick(string, string)                       {}

func crowd(b *testing.B, n int) (*Room, []*router.Session) {
	rt := router.New(logx.Discard())
	cfg := DefaultConfig()
	cfg.RestrictCreation = false
	h, err := NewHost("rooms.example", cfg, rt, nil, logx.Discard())
	if err != nil {
		b.Fatal(err)
	}
	r := newRoom(h, "demo", stanza.MustAddr("demo@rooms.example"))
	var all []*router.Session
	for i := range n {
		name := strconv.Itoa(i + 10000000)
		full := stanza.MustAddr(name + "@users.example/x")
		s := router.NewSession(full, mute{}, &router.Info{})
		p, err := stanza.Parse([]byte(`<presence from="`+full.String()+`" to="demo@rooms.example/`+name+`"><x xmlns="`+ns.MUC+`"/>`+profile+`</presence>`), nil)
		if err != nil {
			b.Fatal(err)
		}
		r.handleStanza(p, s)
		all = append(all, s)
	}
	return r, all
}

const profile = `<stats-id>Ann-X1y</stats-id><c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="https://jitsi.org/jitsi-meet" ver="dtzK/3xhISaXUMVg59IpXxdvKyQ="/>` +
	`<SourceInfo>{"aa11bb22-a0":{"muted":false},"aa11bb22-v0":{"muted":false}}</SourceInfo><jitsi_participant_codecList>av1,vp9,vp8,h264</jitsi_participant_codecList>` +
	`<nick xmlns="http://jabber.org/protocol/nick">Ann</nick>`

// BenchmarkPresence is one update of presence in a room of a hundred.
func BenchmarkPresence(b *testing.B) {
	r, all := crowd(b, 100)
	st, err := stanza.Parse([]byte(`<presence from="`+all[0].Addr().String()+`" to="demo@rooms.example/10000000">`+profile+`</presence>`), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.handleStanza(st, all[0])
	}
}

// BenchmarkChat is one message to a room of a hundred.
func BenchmarkChat(b *testing.B) {
	r, all := crowd(b, 100)
	st, err := stanza.Parse([]byte(`<message type="groupchat" id="m" from="`+all[0].Addr().String()+`" to="demo@rooms.example"><body>hello</body></message>`), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.handleStanza(st, all[0])
	}
}

// BenchmarkRequest is one Jingle request between two occupants.
func BenchmarkRequest(b *testing.B) {
	r, all := crowd(b, 100)
	st, err := stanza.Parse([]byte(`<iq type="set" id="m" from="`+all[0].Addr().String()+`" to="demo@rooms.example/10000001"><jingle xmlns="urn:xmpp:jingle:1" action="transport-info"/></iq>`), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.handleStanza(st, all[0])
	}
}
