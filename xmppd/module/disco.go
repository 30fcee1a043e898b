package module

import (
	"crypto/sha1"
	"encoding/base64"
	"maps"
	"slices"
	"sort"
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// Identity is what a domain says it is (XEP-0030). On the main domain the name
// carries the address of a service (Jitsi's mod_features_identity).
type Identity struct{ Category, Type, Name string }

// Item is an entry of disco#items.
type Item struct{ Addr, Name string }

// Disco is what a domain tells about itself, and about its accounts.
type Disco struct {
	Identities []Identity
	Features   []string
	// Items lists what belongs to the domain; may be nil.
	Items func() []Item
	// Node is the caps node, an address of the software.
	Node string
	// Contacts are addresses of those who run the server, by the kind of concern
	// (XEP-0157): abuse, admin, feedback, sales, security, status, support.
	Contacts map[string][]string

	// Account are further identities of accounts.
	Account []Identity
	// Known says whether somebody else may know an account; nil: nobody.
	Known func(r *Request) bool
	// Nodes answers disco#items of accounts, and all that names a node of one; nil: there
	// is nothing.
	Nodes Answer
}

// contactForm is the form of XEP-0157, empty without contacts.
func (d *Disco) contactForm() []byte {
	if len(d.Contacts) == 0 {
		return nil
	}
	var b stanza.Builder
	b.Start(ns.Data, "x", "type", "result")
	b.Start("", "field", "var", "FORM_TYPE", "type", "hidden").Leaf("", "value", ns.ServerInfo).End()
	for _, kind := range slices.Sorted(maps.Keys(d.Contacts)) {
		b.Start("", "field", "var", kind+"-addresses", "type", "list-multi")
		for _, a := range d.Contacts[kind] {
			b.Leaf("", "value", a)
		}
		b.End()
	}
	return b.Bytes()
}

func (s *Service) hostFeatures(d Disco) []string {
	return unique(slices.Concat([]string{ns.DiscoInfo, ns.DiscoItems, ns.Caps}, s.features, d.Features))
}

// Disco answers disco#info and disco#items (XEP-0030, XEP-0115). It is called
// last: the features of all answers given before are told too.
func (s *Service) Disco(d Disco) {
	features, form := s.hostFeatures(d), d.contactForm()
	node := d.Node + "#" + capsHash(d, features)
	s.OnHost(stanza.Get, ns.DiscoInfo, "query", "", func(r *Request) ([]byte, *stanza.Error) {
		asked := r.Attr("node")
		if asked != "" && asked != node {
			return nil, stanza.Err(stanza.Cancel, stanza.ItemNotFound, "")
		}
		return infoQuery(asked, d.Identities, features, form), nil
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
		node := r.Attr("node")
		if node != "" && d.Nodes != nil {
			return d.Nodes(r)
		}
		if !r.Own() && (d.Known == nil || !d.Known(r)) {
			// RFC 6121, 8.5.2.3: strangers learn nothing about an account.
			return nil, stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "")
		}
		kind := "registered"
		if r.Session != nil && r.Own() && r.Session.Info().Anonymous {
			kind = "anonymous"
		}
		return infoQuery(node, append([]Identity{{"account", kind, ""}}, d.Account...), account, nil), nil
	})
	s.OnAccount(stanza.Get, ns.DiscoItems, "query", "", func(r *Request) ([]byte, *stanza.Error) {
		if d.Nodes != nil {
			return d.Nodes(r)
		}
		if !r.Own() {
			return nil, stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "")
		}
		var b stanza.Builder
		return b.Empty(ns.DiscoItems, "query", "node", r.Attr("node")).Bytes(), nil
	})
}

// Caps is the stream feature that saves clients a disco query (XEP-0115).
func (s *Service) Caps(d Disco) []byte {
	var b stanza.Builder
	return b.Empty(ns.Caps, "c", "hash", "sha-1", "node", d.Node, "ver", capsHash(d, s.hostFeatures(d))).Bytes()
}

func infoQuery(node string, ids []Identity, features []string, form []byte) []byte {
	var b stanza.Builder
	b.Start(ns.DiscoInfo, "query", "node", node)
	for _, i := range ids {
		b.Empty("", "identity", "category", i.Category, "type", i.Type, "name", i.Name)
	}
	for _, f := range features {
		b.Empty("", "feature", "var", f)
	}
	return b.Raw(form).End().Bytes()
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
func capsHash(d Disco, features []string) string {
	var parts []string
	for _, i := range d.Identities {
		parts = append(parts, i.Category+"/"+i.Type+"//"+i.Name)
	}
	sort.Strings(parts)
	parts = append(parts, features...)
	if len(d.Contacts) > 0 {
		parts = append(parts, ns.ServerInfo)
		for _, kind := range slices.Sorted(maps.Keys(d.Contacts)) {
			parts = append(parts, kind+"-addresses")
			parts = append(parts, slices.Sorted(slices.Values(d.Contacts[kind]))...)
		}
	}
	sum := sha1.Sum([]byte(strings.Join(parts, "<") + "<"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
