package module

import (
	"crypto/sha1"
	"encoding/base64"
	"sort"
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// Identity is what a domain says it is (XEP-0030). On the main domain the name
// carries the address of a service (xmpp.md §5.2).
type Identity struct{ Category, Type, Name string }

// Item is an entry of disco#items.
type Item struct{ Addr, Name string }

// Disco is what a domain tells about itself.
type Disco struct {
	Identities []Identity
	Features   []string
	// Items lists what belongs to the domain; may be nil.
	Items func() []Item
	// Node is the caps node, an address of the software.
	Node string
}

// Disco answers disco#info and disco#items (XEP-0030, XEP-0115). It is called
// last: the features of all answers given before are told too.
func (s *Service) Disco(d Disco) {
	features := append([]string{ns.DiscoInfo, ns.DiscoItems}, s.features...)
	features = unique(append(features, d.Features...))
	node := d.Node + "#" + capsHash(d.Identities, features)
	s.OnHost(stanza.Get, ns.DiscoInfo, "query", "", func(r *Request) ([]byte, *stanza.Error) {
		asked := r.Attr("node")
		if asked != "" && asked != node {
			return nil, stanza.Err(stanza.Cancel, stanza.ItemNotFound, "")
		}
		return infoQuery(asked, d.Identities, features), nil
	})
	s.OnHost(stanza.Get, ns.DiscoItems, "query", "", func(r *Request) ([]byte, *stanza.Error) {
		if r.Attr("node") != "" {
			return nil, stanza.Err(stanza.Cancel, stanza.ItemNotFound, "")
		}
		var b stanza.Builder
		b.Start(ns.DiscoItems, "query")
		if d.Items != nil {
			for _, i := range d.Items() {
				b.Empty("", "item", "jid", i.Addr, "name", i.Name)
			}
		}
		return b.End().Bytes(), nil
	})
	account := unique(append([]string{ns.DiscoInfo, ns.DiscoItems}, s.accounts...))
	s.OnAccount(stanza.Get, ns.DiscoInfo, "query", "", func(r *Request) ([]byte, *stanza.Error) {
		if !r.Own() {
			return nil, stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "")
		}
		kind := "registered"
		if r.Session.Info().Anonymous {
			kind = "anonymous"
		}
		return infoQuery(r.Attr("node"), []Identity{{"account", kind, ""}}, account), nil
	})
	s.OnAccount(stanza.Get, ns.DiscoItems, "query", "", func(r *Request) ([]byte, *stanza.Error) {
		if !r.Own() {
			return nil, stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "")
		}
		var b stanza.Builder
		return b.Empty(ns.DiscoItems, "query", "node", r.Attr("node")).Bytes(), nil
	})
}

// Caps is the stream feature that saves clients a disco query (XEP-0115).
func (s *Service) Caps(d Disco) []byte {
	features := append([]string{ns.DiscoInfo, ns.DiscoItems}, s.features...)
	features = unique(append(features, d.Features...))
	var b stanza.Builder
	return b.Empty(ns.Caps, "c", "hash", "sha-1", "node", d.Node, "ver", capsHash(d.Identities, features)).Bytes()
}

func infoQuery(node string, ids []Identity, features []string) []byte {
	var b stanza.Builder
	b.Start(ns.DiscoInfo, "query", "node", node)
	for _, i := range ids {
		b.Empty("", "identity", "category", i.Category, "type", i.Type, "name", i.Name)
	}
	for _, f := range features {
		b.Empty("", "feature", "var", f)
	}
	return b.End().Bytes()
}

func unique(in []string) []string {
	sort.Strings(in)
	out := in[:0]
	for i, f := range in {
		if i == 0 || f != in[i-1] {
			out = append(out, f)
		}
	}
	return out
}

// capsHash is XEP-0115 §5.1.
func capsHash(ids []Identity, features []string) string {
	var parts []string
	for _, i := range ids {
		parts = append(parts, i.Category+"/"+i.Type+"//"+i.Name)
	}
	sort.Strings(parts)
	parts = append(parts, features...)
	sum := sha1.Sum([]byte(strings.Join(parts, "<") + "<"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
