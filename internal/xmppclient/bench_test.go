package xmppclient

import (
	"bytes"
	"io"
	"testing"
)

// A presence as an occupant of a meeting sends it, about 900 bytes.
var benchPresence = []byte(`<presence xml:lang='en' from='demo@conference.meet.example.com/97635f21' to='focus@auth.meet.example.com/focus'><stats-id>Filiberto-q34</stats-id><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' ver='dtzK/3xhISaXUMVg59IpXxdvKyQ=' node='https://jitsi.org/jitsi-meet'/><jitsi_participant_codecList>av1,vp9,vp8,h264</jitsi_participant_codecList><nick xmlns='http://jabber.org/protocol/nick'>Bob</nick><SourceInfo>{&quot;97635f21-a0&quot;:{&quot;muted&quot;:false},&quot;97635f21-v0&quot;:{&quot;muted&quot;:false}}</SourceInfo><occupant-id xmlns='urn:xmpp:occupant-id:0' id='gqdojEE04MU8MJMoLKf5adZJbvsip6zbSBEjvO99OSo='/><x xmlns='http://jabber.org/protocol/muc#user'><item role='participant' jid='97635f21-196b-412f-8fca-8a692ca3b70a@meet.example.com/34YgKFYCHOJX' affiliation='none'/></x></presence>`)

func BenchmarkRead(b *testing.B) {
	stream := bytes.Repeat(benchPresence, b.N)
	r := newStanzaReader(bytes.NewReader(stream), DefaultMaxStanza, DefaultMaxDepth)
	b.SetBytes(int64(len(benchPresence)))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := r.next(); err != nil && err != io.EOF {
			b.Fatal(err)
		}
	}
}
