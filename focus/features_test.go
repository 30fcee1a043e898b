package focus

import (
	"errors"
	"slices"
	"testing"

	"parley/internal/wire/ns"
	"parley/internal/xmppclient"
)

// answerer answers disco#info with the given content, or with an error.
type answerer struct {
	t     *testing.T
	inner string
	err   error
	asked int
}

func (a *answerer) Request(iq xmppclient.IQ, done func(*xmppclient.Stanza, error)) {
	a.asked++
	if a.err != nil {
		done(nil, a.err)
		return
	}
	st, err := xmppclient.Parse([]byte(`<iq type="result" id="1" from="` + iq.To + `">` + a.inner + `</iq>`))
	if err != nil {
		a.t.Fatal(err)
	}
	done(st, nil)
}

// recorded is what lib-jitsi-meet of August 2026 answers, and recordedVer the hash it
// announces for that.
const (
	recorded = `<query xmlns="http://jabber.org/protocol/disco#info"><feature var="http://jabber.org/protocol/caps"/><feature var="http://jitsi.org/json-encoded-sources"/><feature var="http://jitsi.org/receive-multiple-video-streams"/><feature var="http://jitsi.org/remb"/><feature var="http://jitsi.org/source-name"/><feature var="http://jitsi.org/start-muted-room-metadata"/><feature var="http://jitsi.org/tcc"/><feature var="http://jitsi.org/visitors-1"/><feature var="urn:ietf:rfc:4588"/><feature var="urn:xmpp:jingle:1"/><feature var="urn:xmpp:jingle:apps:dtls:0"/><feature var="urn:xmpp:jingle:apps:rtp:1"/><feature var="urn:xmpp:jingle:apps:rtp:audio"/><feature var="urn:xmpp:jingle:apps:rtp:video"/><feature var="urn:xmpp:jingle:transports:dtls-sctp:1"/><feature var="urn:xmpp:jingle:transports:ice-udp:1"/><feature var="urn:xmpp:rayo:client:1"/></query>`
	caps     = "https://jitsi.org/jitsi-meet#dtzK/3xhISaXUMVg59IpXxdvKyQ="
)

func TestFeaturesAreAskedOnce(t *testing.T) {
	f, link := newFeatures(), &answerer{t: t, inner: recorded}
	for range 3 {
		f.learn(link, "r@c/kim", caps, func(list []string) {
			if len(list) != 17 || !slices.Contains(list, ns.FeatureTCC) {
				t.Errorf("features %v", list)
			}
		})
	}
	if link.asked != 1 {
		t.Errorf("asked %d times", link.asked)
	}
}

func TestFeaturesOfALiarAreItsOwn(t *testing.T) {
	f := newFeatures()
	for _, lie := range []string{
		`<query xmlns="http://jabber.org/protocol/disco#info"><feature var="x"/></query>`,
		// One word that hashes like two.
		`<query xmlns="http://jabber.org/protocol/disco#info"><feature var="a&lt;b"/></query>`,
		`<query xmlns="http://jabber.org/protocol/disco#info"><identity category="client/" type="a&lt;" name="x"/></query>`,
	} {
		link := &answerer{t: t, inner: lie}
		f.learn(link, "r@c/liar", caps, func([]string) {})
	}
	honest := &answerer{t: t, inner: recorded}
	f.learn(honest, "r@c/kim", caps, func(list []string) {
		if len(list) != 17 {
			t.Errorf("believed the liar: %v", list)
		}
	})
}

func TestFeaturesOfTheSilent(t *testing.T) {
	f, link := newFeatures(), &answerer{t: t, err: errors.New("no answer")}
	f.learn(link, "r@c/kim", caps, func(list []string) {
		if !slices.Equal(list, assumedFeatures) {
			t.Errorf("features %v", list)
		}
	})
	if _, known := f.lookup(caps); known {
		t.Error("a guess was remembered")
	}
	f.learn(&answerer{t: t, inner: recorded}, "r@c/kim", "", func([]string) {}) // announces nothing: asked each time
	for i := range maxKnownFeatures + 1 {
		f.store(string(rune(i)), nil)
	}
	if len(f.known) > maxKnownFeatures {
		t.Errorf("%d entries", len(f.known))
	}
}

func FuzzRoom(f *testing.F) {
	for _, s := range []string{"", "demo@conference.meet.localhost", "a@b/c", "@", "x@conference.meet.localhost/", "Ä@conference.meet.localhost"} {
		f.Add(s)
	}
	cfg := DefaultConfig().withNames()
	f.Fuzz(func(t *testing.T, name string) {
		s := &Service{cfg: cfg}
		room, err := s.room(name)
		if err != nil {
			return
		}
		if again, err := s.room(room); err != nil || again != room {
			t.Errorf("%q became %q, then %q, %v", name, room, again, err)
		}
	})
}
