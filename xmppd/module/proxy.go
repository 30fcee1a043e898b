package module

import (
	"math/rand/v2"

	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// Proxy is the Host of a domain whose requests go to an account logged in as an
// ordinary client: web clients address the focus as focus.DOMAIN while it is the
// user focus@auth.DOMAIN (Jitsi's mod_client_proxy). It keeps no state: the
// asker's address travels in the resource.
type Proxy struct {
	router *router.Router
	addr   stanza.Addr
	target stanza.Addr // bare
}

// NewProxy makes the Host of domain; Router.Add puts it to work.
func NewProxy(r *router.Router, domain string, target stanza.Addr) (*Proxy, error) {
	addr, err := stanza.ParseAddr(domain)
	if err != nil {
		return nil, err
	}
	return &Proxy{router: r, addr: addr, target: target.Bare()}, nil
}

// HandleStanza is router.Host.HandleStanza.
func (p *Proxy) HandleStanza(st *stanza.Stanza, _ *router.Session) {
	fromTarget := st.From.Bare() == p.target
	switch {
	case st.IsReply() && fromTarget:
		p.back(st)
	case st.IsRequest() && !fromTarget:
		p.forward(st)
	case st.IsRequest(), st.Kind == stanza.Message:
		p.router.Bounce(st, stanza.Err(stanza.Cancel, stanza.FeatureNotImplemented, ""))
	case st.Kind == stanza.Presence && !fromTarget && st.Type != stanza.ErrorType:
		p.router.Bounce(st, stanza.Err(stanza.Cancel, stanza.BadRequest, ""))
	}
}

// forward sends a request to one of the target's sessions, as from DOMAIN/ASKER.
func (p *Proxy) forward(st *stanza.Stanza) {
	to, ok := p.pick()
	from, err := p.addr.WithResource(st.From.String())
	if !ok || err != nil {
		p.router.Bounce(st, stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, ""))
		return
	}
	p.router.Send(st.WithAddrs(from, to))
}

// back sends an answer to the asker. His address may hold @ and /, so only the
// first slash is a border; stanza.Addr cuts there.
func (p *Proxy) back(st *stanza.Stanza) {
	asker, err := stanza.ParseAddr(st.To.Resource())
	if err != nil {
		return
	}
	p.router.Send(st.WithAddrs(p.addr, asker))
}

func (p *Proxy) pick() (stanza.Addr, bool) {
	u, ok := p.router.Host(p.target.Domain()).(*router.Users)
	if !ok {
		return stanza.Addr{}, false
	}
	all := u.Sessions(p.target.Local())
	list := all[:0:0]
	for _, s := range all {
		if s.Available() {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		list = all // a service that never says it is available is still there
	}
	if len(list) == 0 {
		return stanza.Addr{}, false
	}
	return list[rand.IntN(len(list))].Addr(), true
}
