package xmppclient

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"runtime"
	"sort"
	"strings"

	"parley/internal/wire/ns"
)

// Identity is what an entity is (XEP-0030): client/bot, component/…
type Identity struct {
	Category string `xml:"category,attr"`
	Type     string `xml:"type,attr"`
	Name     string `xml:"name,attr,omitempty"`
}

// Info is an answer to disco#info.
type Info struct {
	XMLName    xml.Name   `xml:"http://jabber.org/protocol/disco#info query"`
	Node       string     `xml:"node,attr,omitempty"`
	Identities []Identity `xml:"identity"`
	Features   []Feature  `xml:"feature"`
	Forms      []Form     `xml:"jabber:x:data x"`
}

// Feature is one feature of an Info.
type Feature struct {
	Var string `xml:"var,attr"`
}

// Has says whether the feature is in the list.
func (i *Info) Has(feature string) bool {
	for _, f := range i.Features {
		if f.Var == feature {
			return true
		}
	}
	return false
}

// Field is the first value of the named field of any form in the answer.
func (i *Info) Field(name string) (string, bool) {
	for _, f := range i.Forms {
		if v, ok := f.Field(name); ok {
			return v, true
		}
	}
	return "", false
}

// Form is a data form (XEP-0004), as far as rooms and disco need it.
type Form struct {
	XMLName xml.Name    `xml:"jabber:x:data x"`
	Type    string      `xml:"type,attr"`
	Fields  []FormField `xml:"field"`
}

// FormField is a field of a Form.
type FormField struct {
	Var    string   `xml:"var,attr"`
	Type   string   `xml:"type,attr,omitempty"`
	Values []string `xml:"value"`
}

// Field is the first value of the named field.
func (f *Form) Field(name string) (string, bool) {
	for _, x := range f.Fields {
		if x.Var == name && len(x.Values) > 0 {
			return x.Values[0], true
		}
	}
	return "", false
}

type discoQuery struct {
	XMLName xml.Name `xml:"http://jabber.org/protocol/disco#info query"`
	Node    string   `xml:"node,attr,omitempty"`
}

type pingElement struct {
	XMLName xml.Name `xml:"urn:xmpp:ping ping"`
}

type versionAnswer struct {
	XMLName xml.Name `xml:"jabber:iq:version query"`
	Name    string   `xml:"name"`
	Version string   `xml:"version"`
	OS      string   `xml:"os,omitempty"`
}

// Caps is the presence element that names our capabilities (XEP-0115).
type Caps struct {
	XMLName xml.Name `xml:"http://jabber.org/protocol/caps c"`
	Hash    string   `xml:"hash,attr"`
	Node    string   `xml:"node,attr"`
	Ver     string   `xml:"ver,attr"`
}

// Info asks an entity what it is and can do.
func (c *Client) Info(ctx context.Context, to, node string) (*Info, error) {
	st, err := c.IQ(ctx, IQ{Type: TypeGet, To: to, Payload: discoQuery{Node: node}})
	if err != nil {
		return nil, err
	}
	info := &Info{}
	if err := st.DecodePayload(info); err != nil {
		return nil, err
	}
	return info, nil
}

// Caps is our own capabilities element, nil if Options.Node is empty.
func (c *Client) Caps() any {
	if c.opts.Node == "" {
		return nil
	}
	return Caps{Hash: "sha-1", Node: c.opts.Node, Ver: CapsVer(c.ownInfo())}
}

// CapsVer is the verification string of XEP-0115 §5.1, for an Info without forms.
func CapsVer(i *Info) string {
	var parts []string
	for _, id := range i.Identities {
		parts = append(parts, id.Category+"/"+id.Type+"//"+id.Name+"<")
	}
	sort.Strings(parts)
	var features []string
	for _, f := range i.Features {
		features = append(features, f.Var+"<")
	}
	sort.Strings(features)
	sum := sha1.Sum([]byte(strings.Join(parts, "") + strings.Join(features, "")))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (c *Client) ownInfo() *Info {
	i := &Info{Identities: []Identity{c.opts.Identity}}
	seen := map[string]bool{}
	for _, list := range [][]string{{ns.DiscoInfo, ns.Ping, ns.Version}, c.opts.Features} {
		for _, f := range list {
			if !seen[f] {
				seen[f] = true
				i.Features = append(i.Features, Feature{Var: f})
			}
		}
	}
	return i
}

func (c *Client) handleBuiltins() {
	c.HandleIQ(ns.DiscoInfo, "query", func(r *Request) {
		var q discoQuery
		if err := r.DecodePayload(&q); err != nil {
			r.Fail(NewError(BadRequest, ""))
			return
		}
		info := c.ownInfo()
		if q.Node != "" && (c.opts.Node == "" || q.Node != c.opts.Node+"#"+CapsVer(info)) {
			r.Fail(NewError(ItemNotFound, "no such node"))
			return
		}
		info.Node = q.Node
		r.Reply(info)
	})
	c.HandleIQ(ns.Ping, "ping", func(r *Request) { r.Reply(nil) })
	c.HandleIQ(ns.Version, "query", func(r *Request) {
		sw := c.opts.Software
		setDefault(&sw.OS, runtime.GOOS)
		r.Reply(versionAnswer{Name: sw.Name, Version: sw.Version, OS: sw.OS})
	})
}

// pingIQ goes to the account's host. A component asks its own address: the way there
// leads through the server and back to us.
func (s *session) pingIQ() IQ {
	return IQ{Type: TypeGet, To: s.c.cfg.Domain, Payload: pingElement{}}
}
