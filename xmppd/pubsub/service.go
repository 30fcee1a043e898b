package pubsub

import (
	"context"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/sirupsen/logrus"

	"parley/internal/logx"
	"parley/internal/loop"
	"parley/internal/store"
	"parley/internal/wire/ns"
	"parley/xmppd/dataform"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// Service keeps the nodes of all accounts and of the pubsub hosts. Its methods may
// be called from any goroutine.
type Service struct {
	cfg   Config
	rt    *router.Router
	db    *nodes
	log   *logrus.Entry
	now   func() time.Time
	seed  maphash.Seed
	loops []*loop.Loop
	caps  *capsCache

	published []func(account stanza.Addr, node, id string, payload []byte)
}

// New opens the nodes. The caller calls Close.
func New(ctx context.Context, cfg Config, db *store.Store, rt *router.Router, log *logrus.Entry) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d, err := openNodes(ctx, db)
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, rt: rt, db: d, log: log, now: time.Now, seed: maphash.MakeSeed(), caps: newCapsCache()}
	for range shards {
		s.loops = append(s.loops, loop.New(mailbox, func(p any) {
			log.WithField(logx.Reason, fmt.Sprint(p)).Error("a request to a node was lost by a fault in the server")
		}))
	}
	return s, nil
}

// Close ends the loops; what was taken is done before.
func (s *Service) Close() {
	for _, l := range s.loops {
		l.Stop()
	}
}

// OnPublished is told, on a loop, of each item an account publishes itself, before
// the publisher hears that it was taken, and with a nil payload of each it retracts.
// It is set up before the first stanza.
func (s *Service) OnPublished(f func(account stanza.Addr, node, id string, payload []byte)) {
	s.published = append(s.published, f)
}

func (s *Service) loop(service stanza.Addr) *loop.Loop {
	return s.loops[maphash.String(s.seed, service.String())%shards]
}

// Account answers a pubsub request to a bare address (XEP-0163). u is the host of
// the account.
func (s *Service) Account(u *router.Users, st *stanza.Stanza, from *router.Session) {
	s.post(&request{s: s, st: st, session: from, service: st.To.Bare(), users: u, who: st.From.Bare()})
}

// post has a request done on its loop.
func (s *Service) post(r *request) {
	if !s.loop(r.service).Post(r.run) {
		s.rt.Bounce(r.st, errBusy)
	}
}

// request is one iq. It is confined to the loop of its service.
type request struct {
	s       *Service
	st      *stanza.Stanza
	session *router.Session // nil for components
	service stanza.Addr
	users   *router.Users // host of the account, nil on a pubsub host
	who     stanza.Addr   // bare
	in      pubsubXML
	after   []func() // what is told to others once the sender was answered
}

func (r *request) pep() bool { return r.users != nil }

// own says that the sender asks his own account.
func (r *request) own() bool { return r.pep() && r.who == r.service }

// itemXML is an item, or what names one.
type itemXML struct {
	ID    string `xml:"id,attr"`
	Inner []byte `xml:",innerxml"`
}

type nodeXML struct {
	Node  string        `xml:"node,attr"`
	JID   string        `xml:"jid,attr"`
	SubID string        `xml:"subid,attr"`
	Form  *dataform.XML `xml:"jabber:x:data x"`
}

// pubsubXML is any request of XEP-0060; exactly one of the verbs is there.
type pubsubXML struct {
	Create    *nodeXML `xml:"create"`
	Configure *nodeXML `xml:"configure"`
	Publish   *struct {
		Node  string    `xml:"node,attr"`
		Items []itemXML `xml:"item"`
	} `xml:"publish"`
	Options *nodeXML `xml:"publish-options"`
	Retract *struct {
		Node   string    `xml:"node,attr"`
		Notify string    `xml:"notify,attr"`
		Items  []itemXML `xml:"item"`
	} `xml:"retract"`
	Items *struct {
		Node  string    `xml:"node,attr"`
		SubID string    `xml:"subid,attr"`
		Max   string    `xml:"max_items,attr"`
		Items []itemXML `xml:"item"`
	} `xml:"items"`
	Subscribe     *nodeXML         `xml:"subscribe"`
	Unsubscribe   *nodeXML         `xml:"unsubscribe"`
	SubOptions    *nodeXML         `xml:"options"`
	Default       *nodeXML         `xml:"default"`
	Set           *dataform.SetXML `xml:"http://jabber.org/protocol/rsm set"`
	Subscriptions *struct {
		Node string `xml:"node,attr"`
		List []struct {
			JID   string `xml:"jid,attr"`
			State string `xml:"subscription,attr"`
			SubID string `xml:"subid,attr"`
		} `xml:"subscription"`
	} `xml:"subscriptions"`
	Affiliations *struct {
		Node string `xml:"node,attr"`
		List []struct {
			JID  string `xml:"jid,attr"`
			Rank string `xml:"affiliation,attr"`
		} `xml:"affiliation"`
	} `xml:"affiliations"`
	Delete *struct {
		Node     string `xml:"node,attr"`
		Redirect *struct {
			URI string `xml:"uri,attr"`
		} `xml:"redirect"`
	} `xml:"delete"`
	Purge *nodeXML `xml:"purge"`
}

// answer makes the content of a result.
type answer func(r *request) ([]byte, *stanza.Error)

// verbs are the requests there are: by the type of the iq, the namespace of the
// query, and the first element in it that names one.
var verbs = []struct {
	typ, space string
	is         func(*pubsubXML) bool
	do         answer
}{
	{stanza.Set, ns.PubSub, func(x *pubsubXML) bool { return x.Publish != nil }, (*request).publish},
	{stanza.Set, ns.PubSub, func(x *pubsubXML) bool { return x.Create != nil }, (*request).create},
	{stanza.Set, ns.PubSub, func(x *pubsubXML) bool { return x.Retract != nil }, (*request).retract},
	{stanza.Set, ns.PubSub, func(x *pubsubXML) bool { return x.Subscribe != nil }, (*request).subscribe},
	{stanza.Set, ns.PubSub, func(x *pubsubXML) bool { return x.Unsubscribe != nil }, (*request).unsubscribe},
	{stanza.Set, ns.PubSub, func(x *pubsubXML) bool { return x.SubOptions != nil }, (*request).setOptions},
	{stanza.Get, ns.PubSub, func(x *pubsubXML) bool { return x.SubOptions != nil }, (*request).options},
	{stanza.Get, ns.PubSub, func(x *pubsubXML) bool { return x.Items != nil }, (*request).items},
	{stanza.Get, ns.PubSub, func(x *pubsubXML) bool { return x.Subscriptions != nil }, (*request).subscriptions},
	{stanza.Get, ns.PubSub, func(x *pubsubXML) bool { return x.Affiliations != nil }, (*request).affiliations},
	{stanza.Get, ns.PubSub, func(x *pubsubXML) bool { return x.Default != nil }, (*request).defaultOptions},
	{stanza.Get, ns.PubSubOwner, func(x *pubsubXML) bool { return x.Default != nil }, (*request).defaultConfig},
	{stanza.Get, ns.PubSubOwner, func(x *pubsubXML) bool { return x.Configure != nil }, (*request).config},
	{stanza.Set, ns.PubSubOwner, func(x *pubsubXML) bool { return x.Configure != nil }, (*request).configure},
	{stanza.Set, ns.PubSubOwner, func(x *pubsubXML) bool { return x.Delete != nil }, (*request).delete},
	{stanza.Set, ns.PubSubOwner, func(x *pubsubXML) bool { return x.Purge != nil }, (*request).purge},
	{stanza.Get, ns.PubSubOwner, func(x *pubsubXML) bool { return x.Affiliations != nil }, (*request).ownerAffiliations},
	{stanza.Set, ns.PubSubOwner, func(x *pubsubXML) bool { return x.Affiliations != nil }, (*request).setAffiliations},
	{stanza.Get, ns.PubSubOwner, func(x *pubsubXML) bool { return x.Subscriptions != nil }, (*request).ownerSubscriptions},
	{stanza.Set, ns.PubSubOwner, func(x *pubsubXML) bool { return x.Subscriptions != nil }, (*request).setSubscriptions},
}

// run answers the request and then tells the others.
func (r *request) run() {
	content, e := r.dispatch()
	if e != nil {
		r.s.rt.Bounce(r.st, e)
		return
	}
	r.s.rt.Reply(r.st, content)
	for _, f := range r.after {
		f()
	}
}

func (r *request) dispatch() ([]byte, *stanza.Error) {
	payload, ok := r.st.Payload()
	if !ok {
		return nil, errBadRequest
	}
	if r.pep() && !r.own() && !r.users.HasAccount(r.service.Local()) {
		return nil, errService
	}
	switch payload.Space {
	case ns.DiscoInfo:
		return r.discoInfo(r.st.ChildAttr(payload, "node"))
	case ns.DiscoItems:
		return r.discoItems(r.st.ChildAttr(payload, "node"))
	}
	if err := r.st.Decode(payload, &r.in); err != nil {
		return nil, errBadRequest
	}
	for _, v := range verbs {
		if v.typ == r.st.Type && v.space == payload.Space && v.is(&r.in) {
			return v.do(r)
		}
	}
	if r.in.Create != nil || r.in.Publish != nil || r.in.Items != nil || r.in.Delete != nil {
		return nil, errBadRequest
	}
	return nil, stanza.Err(stanza.Cancel, stanza.FeatureNotImplemented, "")
}

// broken logs what the store says and hides it from the peer.
func (s *Service) broken(err error) *stanza.Error {
	s.log.WithError(err).Error("nodes cannot be used")
	return errStore
}

// find gets the node a request names.
func (r *request) find(name string) (*node, *stanza.Error) {
	if name == "" {
		return nil, errNodeRequired
	}
	n, err := r.s.db.node(r.service, name)
	switch {
	case err != nil:
		return nil, r.s.broken(err)
	case n == nil:
		return nil, errNoNode
	}
	return n, nil
}

// rank is the sender's affiliation with a node.
func (r *request) rank(n *node) (affiliation, *stanza.Error) {
	if r.own() || !r.pep() && r.s.rt.IsAdmin(r.who) {
		return owner, nil
	}
	a, err := r.s.db.affiliation(n, r.who)
	if err != nil {
		return none, r.s.broken(err)
	}
	return a, nil
}

// owned gets a node the sender owns.
func (r *request) owned(name string) (*node, *stanza.Error) {
	n, e := r.find(name)
	if e != nil {
		return nil, e
	}
	a, e := r.rank(n)
	if e != nil {
		return nil, e
	}
	if a != owner {
		return nil, errForbidden
	}
	return n, nil
}

// mayRead says why an account may not subscribe or read (XEP-0060, 4.5); nil if it
// may. authorize is left to the caller.
func (r *request) mayRead(n *node, a affiliation) *stanza.Error {
	switch a {
	case owner, publisher, member:
		return nil
	case outcast, publishOnly:
		return errForbidden
	}
	switch n.config.Access {
	case accessOpen, accessAuthorize:
		return nil
	case accessWhitelist:
		return errClosed
	}
	// Presence and contact groups are those of the account, or on a host of the owners.
	owners := []stanza.Addr{r.service}
	if !r.pep() {
		owners = nil
		list, err := r.s.db.standings(n.service, n.name, "")
		if err != nil {
			return r.s.broken(err)
		}
		for _, x := range list {
			if addr, err := stanza.ParseAddr(x.addr); err == nil && x.rank == owner {
				owners = append(owners, addr)
			}
		}
	}
	for _, o := range owners {
		u, ok := r.s.rt.Host(o.Domain()).(*router.Users)
		if !ok {
			continue
		}
		c, ok := u.Contact(o, r.who)
		if ok && (n.config.Access == accessPresence && c.Subscription.From() || n.config.Access == accessRoster && share(c.Groups, n.config.Groups)) {
			return nil
		}
	}
	if n.config.Access == accessRoster {
		return errRosterGroup
	}
	return errPresence
}

func share(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return true
			}
		}
	}
	return false
}
