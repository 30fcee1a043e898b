package pubsub

import (
	"strconv"

	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Host is the router.Host of a pubsub domain.
type Host struct{ s *Service }

// Host makes the Host of a domain; Router.Add puts it to work.
func (s *Service) Host() *Host { return &Host{s} }

// HandleStanza is router.Host.HandleStanza.
func (h *Host) HandleStanza(st *stanza.Stanza, from *router.Session) {
	r := &request{s: h.s, st: st, session: from, service: st.To.Bare(), who: st.From.Bare()}
	switch {
	case st.IsReply() || st.Type == stanza.ErrorType || st.Kind == stanza.Presence:
		return
	case st.To.Local() != "" || st.To.IsFull():
		h.s.rt.Bounce(st, errService)
	case st.Kind == stanza.Message:
		if !h.s.loop(r.service).Post(r.approve) {
			h.s.rt.Bounce(st, errBusy)
		}
	case st.Type == stanza.Get && st.Has(ns.Ping, "ping"):
		h.s.rt.Reply(st, nil)
	case st.Has(ns.PubSub, "pubsub"), st.Has(ns.PubSubOwner, "pubsub"),
		st.Type == stanza.Get && (st.Has(ns.DiscoInfo, "query") || st.Has(ns.DiscoItems, "query")):
		h.s.post(r)
	default:
		h.s.rt.Bounce(st, errService)
	}
}
