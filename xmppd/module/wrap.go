package module

import "parley/xmppd/stanza"

// Wrap puts f before the answers to one request: to the domain, and to accounts. f
// calls next for what is not its business. It is called after the answers it wraps
// were given.
func (s *Service) Wrap(typ, space, name string, f func(r *Request, next Answer) ([]byte, *stanza.Error)) {
	q := question{typ, space, name}
	for _, table := range []map[question]Answer{s.host, s.account} {
		next := table[q]
		if next == nil {
			next = func(*Request) ([]byte, *stanza.Error) {
				return nil, stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "")
			}
		}
		table[q] = func(r *Request) ([]byte, *stanza.Error) { return f(r, next) }
	}
}
