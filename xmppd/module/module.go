// Package module holds the small answers of the server, a file each: disco, ping,
// version, time, last activity, external services, private storage, roster, and
// the client proxy.
//
// A Service is the router.Host behind a domain's own address: a table from what an
// iq asks to who answers. Nothing here keeps state beyond what was configured, but
// the proxy's. Rooms answer for themselves (xmppd/muc).
package module

import (
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// Request is an iq to be answered.
type Request struct {
	*stanza.Stanza
	Payload stanza.Child
	// Session is the local session that asks, nil if a component does.
	Session *router.Session
	// Account is true for requests to a bare address: the server answers for it.
	Account bool
}

// Attr is an attribute of the payload.
func (r *Request) Attr(name string) string { return r.ChildAttr(r.Payload, name) }

// Own says that a session asks about its own account.
func (r *Request) Own() bool {
	return r.Session != nil && (r.To.IsZero() || r.To == r.Session.Addr().Bare())
}

// Answer makes the content of the result, or says why there is none.
type Answer func(r *Request) (content []byte, e *stanza.Error)

type question struct {
	typ, space, name string
}

// Answered is returned by an Answer that has sent its answer itself.
var Answered = &stanza.Error{}

// Service answers for a domain and the accounts on it.
type Service struct {
	router   *router.Router
	host     map[question]Answer
	account  map[question]Answer
	features []string // of the domain
	accounts []string // features of accounts
}

// NewService makes a Service without answers.
func NewService(r *router.Router) *Service {
	return &Service{router: r, host: make(map[question]Answer), account: make(map[question]Answer)}
}

// OnHost answers requests to the domain. feature is advertised unless empty.
func (s *Service) OnHost(typ, space, name, feature string, a Answer) {
	s.host[question{typ, space, name}] = a
	if feature != "" {
		s.features = append(s.features, feature)
	}
}

// OnAccount answers requests to bare addresses, which include those without a to.
func (s *Service) OnAccount(typ, space, name, feature string, a Answer) {
	s.account[question{typ, space, name}] = a
	if feature != "" {
		s.accounts = append(s.accounts, feature)
	}
}

// HandleStanza is router.Host.HandleStanza. Set-up ends before it is called first.
func (s *Service) HandleStanza(st *stanza.Stanza, from *router.Session) {
	account := st.To.Local() != ""
	if !st.IsRequest() {
		if st.Kind == stanza.Message {
			s.router.Bounce(st, stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, ""))
		}
		return
	}
	payload, ok := st.Payload()
	if !ok {
		s.router.Bounce(st, stanza.Err(stanza.Modify, stanza.BadRequest, ""))
		return
	}
	table := s.host
	if account {
		table = s.account
	}
	answer := table[question{st.Type, payload.Space, payload.Name}]
	if answer == nil || st.To.IsFull() {
		s.router.Bounce(st, stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, ""))
		return
	}
	content, e := answer(&Request{Stanza: st, Payload: payload, Session: from, Account: account})
	switch {
	case e == Answered:
	case e != nil:
		s.router.Bounce(st, e)
	default:
		s.router.Reply(st, content)
	}
}

// Feature tells of something accounts can do that is answered elsewhere.
func (s *Service) Feature(name string) { s.accounts = append(s.accounts, name) }
