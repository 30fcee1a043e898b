package pubsub

import (
	"crypto/sha1"
	"encoding/base64"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/dataform"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

const (
	maxCaps     = 5000 // versions remembered; then others are forgotten at random
	maxInterest = 200  // nodes one client may want to hear of
	capsTime    = 30 * time.Second
	plusNotify  = "+notify"
)

// capsCache knows which nodes each session wants to hear of.
type capsCache struct {
	mu       sync.Mutex // guards the maps; leaf lock
	versions map[string][]string
	sessions map[stanza.Addr]interest
}

type interest struct {
	version string
	nodes   []string
}

func newCapsCache() *capsCache {
	return &capsCache{versions: make(map[string][]string), sessions: make(map[stanza.Addr]interest)}
}

func (c *capsCache) wants(full stanza.Addr, node string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.sessions[full].nodes, node)
}

func (c *capsCache) nodes(full stanza.Addr) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessions[full].nodes
}

func (c *capsCache) drop(full stanza.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, full)
}

// begin notes the version a session shows. known is false if the client has to be
// asked what it means; fresh are the nodes it did not want before.
func (c *capsCache) begin(full stanza.Addr, version string) (fresh []string, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.sessions[full]
	if was.version == version {
		return nil, true
	}
	nodes, known := c.versions[version]
	if !known {
		c.sessions[full] = interest{version, was.nodes}
		return nil, false
	}
	c.sessions[full] = interest{version, nodes}
	return without(nodes, was.nodes), true
}

// learn takes a client's answer. verified says that it fits the version, so that it
// is true for all who show it.
func (c *capsCache) learn(full stanza.Addr, version string, nodes []string, verified bool) (fresh []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if verified {
		for k := range c.versions {
			if len(c.versions) < maxCaps {
				break
			}
			delete(c.versions, k)
		}
		c.versions[version] = nodes
	}
	was := c.sessions[full]
	if was.version != version {
		return nil // it went, or shows another one by now
	}
	c.sessions[full] = interest{version, nodes}
	return without(nodes, was.nodes)
}

func without(list, minus []string) (out []string) {
	for _, x := range list {
		if !slices.Contains(minus, x) {
			out = append(out, x)
		}
	}
	return out
}

// Presence is told of each presence a session broadcasts (router.Hooks.OnPresence).
func (s *Service) Presence(u *router.Users, x *router.Session, st *stanza.Stanza) {
	if x.Info().Anonymous {
		return
	}
	full := x.Addr()
	if st.Type != "" {
		s.caps.drop(full)
		s.offline(full)
		return
	}
	c, ok := st.Child(ns.Caps, "c")
	if !ok {
		return
	}
	hash, node, ver := st.ChildAttr(c, "hash"), st.ChildAttr(c, "node"), st.ChildAttr(c, "ver")
	if node == "" || ver == "" || len(node)+len(ver) > maxName {
		return
	}
	version := hash + " " + node + "#" + ver
	fresh, known := s.caps.begin(full, version)
	if known {
		s.lastTo(u, full, fresh)
		return
	}
	var b stanza.Builder
	b.Empty(ns.DiscoInfo, "query", "node", node+"#"+ver)
	ask := stanza.New(stanza.IQ, stanza.Get, full.Host(), full, "").WithContent(b.Bytes())
	s.rt.Call(ask, capsTime, func(reply *stanza.Stanza) {
		q, ok := reply.Child(ns.DiscoInfo, "query")
		if reply.Type != stanza.ResultType || !ok {
			return
		}
		var info infoXML
		if reply.Decode(q, &info) != nil {
			return
		}
		s.lastTo(u, full, s.caps.learn(full, version, info.interest(), hash == "sha-1" && info.hash() == ver))
	})
	// It may have gone while we asked.
	if u.Session(full) != x {
		s.caps.drop(full)
	}
}

// infoXML is the answer to a disco#info.
type infoXML struct {
	Identities []struct {
		Category string `xml:"category,attr"`
		Type     string `xml:"type,attr"`
		Lang     string `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
		Name     string `xml:"name,attr"`
	} `xml:"identity"`
	Features []struct {
		Var string `xml:"var,attr"`
	} `xml:"feature"`
	Forms []dataform.XML `xml:"jabber:x:data x"`
}

func (i *infoXML) interest() (nodes []string) {
	for _, f := range i.Features {
		if n, ok := strings.CutSuffix(f.Var, plusNotify); ok && n != "" && len(nodes) < maxInterest {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// hash is the version such an answer must have (XEP-0115, 5.1).
func (i *infoXML) hash() string {
	var ids, features, forms []string
	for _, x := range i.Identities {
		ids = append(ids, x.Category+"/"+x.Type+"/"+x.Lang+"/"+x.Name+"<")
	}
	for _, f := range i.Features {
		features = append(features, f.Var+"<")
	}
	for _, x := range i.Forms {
		name, fields := "", []string(nil)
		for _, f := range x.Fields {
			if f.Var == "FORM_TYPE" {
				name = strings.Join(f.Values, "")
				continue
			}
			values := slices.Sorted(slices.Values(f.Values))
			fields = append(fields, f.Var+"<"+strings.Join(append(values, ""), "<"))
		}
		sort.Strings(fields)
		forms = append(forms, name+"<"+strings.Join(fields, ""))
	}
	sort.Strings(ids)
	sort.Strings(features)
	sort.Strings(forms)
	sum := sha1.Sum([]byte(strings.Join(ids, "") + strings.Join(features, "") + strings.Join(forms, "")))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// lastTo sends the newest items of the nodes a session has begun to want, from its
// own account and from all it hears the presence of (XEP-0163, 4.3.4).
func (s *Service) lastTo(u *router.Users, full stanza.Addr, fresh []string) {
	if len(fresh) == 0 {
		return
	}
	s.lastFrom(u, full.Bare(), full, fresh)
	for _, c := range u.Contacts(full) {
		if cu, ok := s.rt.Host(c.Addr.Domain()).(*router.Users); ok && c.Subscription.To() {
			s.lastFrom(cu, c.Addr.Bare(), full, fresh)
		}
	}
}

// lastFrom does so for one account. A full loop loses it: the next publishing tells as well.
func (s *Service) lastFrom(u *router.Users, service, to stanza.Addr, names []string) {
	s.loop(service).Post(func() {
		all, err := s.db.list(service)
		if err != nil {
			s.broken(err)
			return
		}
		r := &request{s: s, service: service, users: u}
		for _, n := range all {
			q := *r
			q.who = to.Bare()
			if n.config.SendLast == lastPresence && slices.Contains(names, n.name) && (q.own() || r.lets(n, to)) {
				s.sendLast(n, to)
			}
		}
	})
}

// Subscribed is told when a contact begins or ceases to hear an account's presence
// (router.Hooks.OnSubscribed).
func (s *Service) Subscribed(u *router.Users, account, contact stanza.Addr, from bool) {
	if from {
		if cu, ok := s.rt.Host(contact.Domain()).(*router.Users); ok {
			for _, x := range cu.Sessions(contact.Local()) {
				if nodes := s.caps.nodes(x.Addr()); len(nodes) > 0 {
					s.lastFrom(u, account.Bare(), x.Addr(), nodes)
				}
			}
		}
		return
	}
	// XEP-0060, 4.5: who no longer hears the presence loses what depends on it.
	s.loop(account.Bare()).Post(func() {
		list, err := s.db.subscriptions(account.Bare(), "", contact.Bare().String())
		if err != nil {
			s.broken(err)
			return
		}
		for _, x := range list {
			n, err := s.db.node(account.Bare(), x.node)
			if err == nil && n != nil && (n.config.Access == accessPresence || n.config.Access == accessRoster) {
				x.state = noSub
				if err := s.db.setSubscription(n, x); err != nil {
					s.broken(err)
				}
			}
		}
	})
}

// offline removes what is only kept while its publisher is there.
func (s *Service) offline(full stanza.Addr) {
	if s.online(full.Bare()) {
		return
	}
	service := full.Bare()
	s.loop(service).Post(func() {
		all, err := s.db.list(service)
		if err != nil {
			s.broken(err)
		}
		for _, n := range all {
			if n.config.PurgeOffline {
				if err := s.db.purge(n); err != nil {
					s.broken(err)
				}
			}
		}
	})
}

// Forget removes what belonged to an account that is gone.
func (s *Service) Forget(account stanza.Addr) {
	s.loop(account.Bare()).Post(func() {
		if err := s.db.forget(account.Bare()); err != nil {
			s.broken(err)
		}
	})
}
