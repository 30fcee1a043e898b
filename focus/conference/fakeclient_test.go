package conference_test

import (
	"fmt"
	"slices"
	"sync"

	"parley/internal/source"
	"parley/internal/wire/jingle"
	"parley/internal/wire/ns"
	"parley/internal/xmppclient"
)

// headFeatures are those of lib-jitsi-meet of August 2026, as recorded.
var headFeatures = []string{
	ns.Caps, ns.FeatureJSONSources, ns.FeatureReceiveMultiple, ns.FeatureREMB, ns.FeatureSourceName,
	ns.FeatureStartMutedMeta, ns.FeatureTCC, ns.FeatureVisitors, ns.FeatureRTX, ns.Jingle, ns.DTLS, ns.RTP,
	ns.FeatureAudio, ns.FeatureVideo, ns.FeatureSCTP, ns.ICEUDP, ns.FeatureRayo,
}

// client is one occupant. What it gets is judged as lib-jitsi-meet does.
type client struct {
	w        *world
	nick     string
	real     string
	features []string
	affil    string
	extra    string // further children of its presence
	manual   bool   // does not accept by itself
	deaf     bool   // does not answer at all

	mu       sync.Mutex
	refuse   string // error it answers session-initiate with
	offers   []*jingle.Jingle
	sid      string
	heard    []string // actions, in order
	sources  map[string]source.Set
	mutes    []string // NAMESPACE=TEXT by ACTOR
	reasons  []string
	raw      []string
	set      source.Set // what it sends
	accepted int
	errs     []string
}

// enter makes a client enter the room. number makes its SSRCs.
func (w *world) enter(nick string, number uint32, change ...func(*client)) *client {
	c := &client{w: w, nick: nick, real: "user-" + nick + "@example/res", features: headFeatures, affil: "none"}
	c.set = twoSources(nick, number)
	for _, f := range change {
		f(c)
	}
	w.mu.Lock()
	w.clients[nick] = c
	if w.inside {
		w.showLocked(c)
	}
	w.mu.Unlock()
	w.settle()
	return c
}

// twoSources is a microphone and a camera of three layers with retransmission.
func twoSources(nick string, n uint32) source.Set {
	a, v := nick+"-audio-0-1 a", nick+"-video-0-1 v"
	s := source.Set{Sources: []source.Source{{Media: "audio", SSRC: n, Name: nick + "-a0", MSID: a}}}
	var layers []uint32
	for i := range uint32(3) {
		p, r := n+10+i, n+20+i
		layers = append(layers, p)
		for _, ssrc := range []uint32{r, p} { // the order means nothing
			s.Sources = append(s.Sources, source.Source{Media: "video", SSRC: ssrc, Name: nick + "-v0", MSID: v, VideoType: "camera"})
		}
		s.Groups = append(s.Groups, source.Group{Media: "video", Semantics: "FID", SSRCs: []uint32{p, r}})
	}
	s.Groups = append(s.Groups, source.Group{Media: "video", Semantics: "SIM", SSRCs: layers})
	return s
}

func (w *world) showLocked(c *client) {
	role := "participant"
	if c.affil == "owner" {
		role = "moderator"
	}
	w.deliver(`<presence from="%s"><stats-id>S-%s</stats-id><c xmlns="%s" hash="sha-1" node="n" ver="v"/>%s<x xmlns="%s"><item affiliation="%s" role="%s" jid="%s"/></x></presence>`,
		c.addr(), c.nick, ns.Caps, c.extra, ns.MUCUser, c.affil, role, c.real)
}

// show sends the client's presence again.
func (c *client) show() {
	c.w.mu.Lock()
	c.w.showLocked(c)
	c.w.mu.Unlock()
	c.w.settle()
}

// leave makes the client leave the room.
func (c *client) leave() {
	c.w.mu.Lock()
	delete(c.w.clients, c.nick)
	c.w.mu.Unlock()
	c.w.deliver(`<presence type="unavailable" from="%s"><x xmlns="%s"><item affiliation="none" role="none"/></x></presence>`, c.addr(), ns.MUCUser)
	c.w.settle()
}

func (c *client) addr() string { return room + "/" + c.nick }

// handle takes an IQ of the focus.
func (c *client) handle(st *xmppclient.Stanza, reply func(string, bool)) {
	if c.deaf {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = append(c.raw, string(st.Raw))
	if st.Payload.Local == "mute" {
		var m struct {
			Actor string `xml:"actor,attr"`
			Text  string `xml:",chardata"`
		}
		_ = st.DecodePayload(&m)
		c.mutes = append(c.mutes, fmt.Sprintf("%s=%s by %s", st.Payload.Space, m.Text, m.Actor))
		reply("", false)
		return
	}
	j := new(jingle.Jingle)
	if err := st.DecodePayload(j); err != nil {
		c.w.t.Errorf("client got %s: %v", st.Raw, err)
		return
	}
	c.heard = append(c.heard, string(j.Action))
	if j.Action == jingle.SessionInitiate {
		if c.refuse != "" {
			reply(stanzaError(c.refuse, ""), true)
			return
		}
		if c.sid == j.SID {
			c.errs = append(c.errs, "sid used twice")
		}
		c.offers = append(c.offers, j)
		c.sid, c.sources = j.SID, make(map[string]source.Set)
		c.learn(j)
		reply("", false)
		if !c.manual {
			go c.accept()
		}
		return
	}
	if j.SID != c.sid {
		c.errs = append(c.errs, "unknown sid in "+string(j.Action))
		reply(stanzaError("item-not-found", ""), true)
		return
	}
	switch j.Action {
	case jingle.SourceAdd, jingle.SourceRemove:
		c.learn(j)
	case jingle.SessionTerminate:
		c.reasons = append(c.reasons, j.Reason.Condition+": "+j.Reason.Text)
	}
	reply("", false)
}

// learn applies sources; what a client could not make sense of is noted.
func (c *client) learn(j *jingle.Jingle) {
	sets := make(map[string]source.Set)
	if j.JSONSources != nil {
		var err error
		if sets, err = source.DecodeJSON(j.JSONSources.Text); err != nil {
			c.errs = append(c.errs, err.Error())
		}
	}
	for _, k := range j.Contents {
		if k.Description == nil {
			continue
		}
		for _, x := range k.Description.Sources {
			if j.JSONSources != nil {
				c.errs = append(c.errs, "both forms of sources")
			}
			owner := x.Info.Owner
			sets[owner] = sets[owner].Union(source.Set{Sources: []source.Source{{Media: k.Description.Media, SSRC: x.SSRC, Name: x.Name, MSID: x.MSID()}}})
		}
	}
	for owner, set := range sets {
		have := c.sources[owner]
		for _, x := range set.Sources {
			if x.MSID == "" {
				c.errs = append(c.errs, fmt.Sprintf("source %d without msid", x.SSRC))
			}
			if known := have.Has(x.SSRC); known == (j.Action != jingle.SourceRemove) {
				c.errs = append(c.errs, fmt.Sprintf("%s of %d of %s", j.Action, x.SSRC, owner))
			}
		}
		if j.Action == jingle.SourceRemove {
			c.sources[owner] = have.Minus(set)
		} else {
			c.sources[owner] = have.Union(set)
		}
	}
}

// accept sends the session-accept and reports the answer.
func (c *client) accept() string { return c.call(c.acceptance()) }

func (c *client) acceptance() *jingle.Jingle {
	c.mu.Lock()
	defer c.mu.Unlock()
	j := &jingle.Jingle{Action: jingle.SessionAccept, SID: c.sid, Initiator: room + "/focus", Responder: c.real}
	for _, media := range []string{"audio", "video"} {
		d := &jingle.Description{Media: media}
		c.set.AppendTo(d, media, "")
		j.Contents = append(j.Contents, jingle.Content{Creator: "responder", Name: media, Senders: "both", Description: d,
			Transport: &jingle.Transport{Ufrag: "cu", Pwd: "cp", Fingerprints: []jingle.Fingerprint{{Hash: "sha-256", Setup: "active", Value: "AB"}}}})
	}
	c.accepted++
	return j
}

// answers collects the answer to one request.
type answers struct {
	once sync.Once
	got  chan string
}

func (a *answers) Reply(any) { a.once.Do(func() { a.got <- "ok" }) }
func (a *answers) Fail(err error) {
	a.once.Do(func() { a.got <- err.Error() })
}

// call sends a request to the focus and waits for its answer: "ok" or the error.
func (c *client) call(payload any) string {
	return c.w.callAs(c.addr(), xmppclient.TypeSet, encode(c.w.t, payload))
}

func (w *world) callAs(from, kind, payload string) string {
	a := &answers{got: make(chan string, 1)}
	st := parse(w.t, fmt.Sprintf(`<iq type="%s" id="q" from="%s" to="%s">%s</iq>`, kind, from, focus, payload))
	w.conf.HandleRequest(st, a)
	return <-a.got
}

// jingle is a request of the given action in the current session.
func (c *client) jingle(a jingle.Action, fill func(*jingle.Jingle)) *jingle.Jingle {
	c.mu.Lock()
	defer c.mu.Unlock()
	j := &jingle.Jingle{Action: a, SID: c.sid, Initiator: room + "/focus"}
	if fill != nil {
		fill(j)
	}
	return j
}

// bridgeSession is the id of the newest offer.
func (c *client) bridgeSession() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offers[len(c.offers)-1].BridgeSession.ID
}

// sees is the SSRCs the client knows of an owner, sorted.
func (c *client) sees(owner string) []uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []uint32{}
	for _, x := range c.sources[owner].Sources {
		out = append(out, x.SSRC)
	}
	slices.Sort(out)
	return out
}

// log is what the focus sent: actions, in order.
func (c *client) log() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.heard)
}

// check reports what the client could not make sense of.
func (c *client) check() {
	c.w.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.errs {
		c.w.t.Errorf("%s could not use what it got: %s", c.nick, e)
	}
}
