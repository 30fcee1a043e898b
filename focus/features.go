package focus

import (
	"encoding/xml"
	"slices"
	"strings"
	"sync"

	"parley/internal/wire/ns"
	"parley/internal/xmppclient"
)

// maxKnownFeatures bounds the cache. A handful of client versions meet on a server;
// when it is full it is emptied, which costs one question per version.
const maxKnownFeatures = 1000

// assumedFeatures are those of a member that does not answer: an old client.
var assumedFeatures = []string{ns.FeatureAudio, ns.FeatureVideo, ns.FeatureSCTP}

// features remembers what clients can do, by the capabilities they announce
// (XEP-0115). What a member says about itself is shared with others only if it
// agrees with the announced hash, or one member could speak for all.
type features struct {
	mu    sync.Mutex // guards known; its slices are never changed
	known map[string][]string
}

func newFeatures() *features { return &features{known: make(map[string][]string)} }

func (f *features) lookup(capsNode string) ([]string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list, ok := f.known[capsNode]
	return list, ok
}

func (f *features) store(capsNode string, list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.known) >= maxKnownFeatures {
		clear(f.known)
	}
	f.known[capsNode] = list
}

// requester is the part of the connection that asks.
type requester interface {
	Request(iq xmppclient.IQ, done func(*xmppclient.Stanza, error))
}

// learn finds out what the occupant can do: from memory at once, or by asking.
// capsNode is NODE#VER as announced, or empty.
func (f *features) learn(link requester, occupant, capsNode string, done func([]string)) {
	if capsNode != "" {
		if list, ok := f.lookup(capsNode); ok {
			done(list)
			return
		}
	}
	q := discoQuery{Node: capsNode}
	link.Request(xmppclient.IQ{Type: xmppclient.TypeGet, To: occupant, Payload: &q}, func(answer *xmppclient.Stanza, err error) {
		var info xmppclient.Info
		if err == nil {
			err = answer.DecodePayload(&info)
		}
		if err != nil {
			done(assumedFeatures)
			return
		}
		list := make([]string, 0, len(info.Features))
		for _, f := range info.Features {
			list = append(list, f.Var)
		}
		if capsNode != "" && verified(&info, capsNode) {
			f.store(capsNode, list)
		}
		done(list)
	})
}

// discoQuery is a disco#info question.
type discoQuery struct {
	XMLName xml.Name `xml:"http://jabber.org/protocol/disco#info query"`
	Node    string   `xml:"node,attr,omitempty"`
}

// verified recomputes the hash of XEP-0115 §5.1. Answers with forms are not judged: no
// meeting client has any. Nor are those with the separator inside a word, by which
// two different lists can be made to have one hash.
func verified(info *xmppclient.Info, capsNode string) bool {
	if len(info.Forms) > 0 || slices.ContainsFunc(info.Features, func(f xmppclient.Feature) bool { return strings.Contains(f.Var, "<") }) {
		return false
	}
	for _, id := range info.Identities {
		if strings.Contains(id.Category+id.Type+id.Name, "<") {
			return false
		}
	}
	_, ver, ok := strings.Cut(capsNode, "#")
	return ok && ver == xmppclient.CapsVer(info)
}
