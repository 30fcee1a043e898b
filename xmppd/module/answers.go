package module

import (
	"strconv"
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

func empty(*Request) ([]byte, *stanza.Error) { return nil, nil }

// Ping answers urn:xmpp:ping (XEP-0199) to the domain and to accounts.
func (s *Service) Ping() {
	s.OnHost(stanza.Get, ns.Ping, "ping", ns.Ping, empty)
	s.OnAccount(stanza.Get, ns.Ping, "ping", "", func(r *Request) ([]byte, *stanza.Error) {
		if !r.Own() {
			return nil, stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "")
		}
		return nil, nil
	})
}

// Version answers jabber:iq:version (XEP-0092).
func (s *Service) Version(name, version string) {
	var b stanza.Builder
	b.Start(ns.Version, "query").Leaf("", "name", name).Leaf("", "version", version).End()
	content := b.Bytes()
	s.OnHost(stanza.Get, ns.Version, "query", ns.Version, func(*Request) ([]byte, *stanza.Error) {
		return content, nil
	})
}

// Time answers urn:xmpp:time (XEP-0202).
func (s *Service) Time(now func() time.Time) {
	s.OnHost(stanza.Get, ns.Time, "time", ns.Time, func(*Request) ([]byte, *stanza.Error) {
		var b stanza.Builder
		t := now()
		b.Start(ns.Time, "time").Leaf("", "tzo", t.Format("-07:00")).Leaf("", "utc", t.UTC().Format("2006-01-02T15:04:05Z")).End()
		return b.Bytes(), nil
	})
}

// LastActivity answers jabber:iq:last with the server's uptime (XEP-0012).
func (s *Service) LastActivity(start time.Time, now func() time.Time) {
	s.OnHost(stanza.Get, ns.LastActive, "query", ns.LastActive, func(*Request) ([]byte, *stanza.Error) {
		var b stanza.Builder
		return b.Empty(ns.LastActive, "query", "seconds", strconv.Itoa(int(now().Sub(start).Seconds()))).Bytes(), nil
	})
}

// ExternalService is a STUN or TURN server (XEP-0215).
type ExternalService struct {
	Type, Host, Port, Transport string
	Username, Password          string
	Expires                     time.Time
	Restricted                  bool
}

// ExternalServices answers urn:xmpp:extdisco in both versions, in the namespace
// that was asked (XEP-0215). list is called for each session that asks, with
// the wanted type or "".
func (s *Service) ExternalServices(list func(r *Request, typ string) []ExternalService) {
	for _, space := range []string{ns.ExtDisco2, ns.ExtDisco1} {
		s.OnHost(stanza.Get, space, "services", space, func(r *Request) ([]byte, *stanza.Error) {
			if r.Session == nil {
				return nil, stanza.Err(stanza.Auth, stanza.Forbidden, "")
			}
			want := r.Attr("type")
			var b stanza.Builder
			b.Start(space, "services", "type", want)
			for _, x := range list(r, want) {
				x.append(&b)
			}
			return b.End().Bytes(), nil
		})
		s.OnHost(stanza.Get, space, "credentials", "", func(r *Request) ([]byte, *stanza.Error) {
			return credentials(r, space, list)
		})
	}
}

// credentials answers for one service, which may need none (XEP-0215, 3.3; Jitsi's
// mod_short_lived_token).
func credentials(r *Request, space string, list func(r *Request, typ string) []ExternalService) ([]byte, *stanza.Error) {
	if r.Session == nil {
		return nil, stanza.Err(stanza.Auth, stanza.Forbidden, "")
	}
	var q struct {
		Services []struct {
			Type string `xml:"type,attr"`
			Host string `xml:"host,attr"`
			Port string `xml:"port,attr"`
		} `xml:"service"`
	}
	if r.Decode(r.Payload, &q) != nil || len(q.Services) != 1 || q.Services[0].Type == "" || q.Services[0].Host == "" {
		return nil, stanza.Err(stanza.Modify, stanza.BadRequest, "Name the type and the host of one service")
	}
	want, found := q.Services[0], false
	var b stanza.Builder
	b.Start(space, "credentials")
	for _, x := range list(r, want.Type) {
		if x.Host == want.Host && (want.Port == "" || want.Port == x.Port) {
			x.append(&b)
			found = true
		}
	}
	if !found {
		return nil, stanza.Err(stanza.Cancel, stanza.ItemNotFound, "")
	}
	return b.Bytes(), nil
}

func (x ExternalService) append(b *stanza.Builder) {
	expires, restricted := "", ""
	if !x.Expires.IsZero() {
		expires = x.Expires.UTC().Format("2006-01-02T15:04:05Z")
	}
	if x.Restricted {
		restricted = "1"
	}
	b.Empty("", "service", "type", x.Type, "host", x.Host, "port", x.Port, "transport", x.Transport,
		"username", x.Username, "password", x.Password, "expires", expires, "restricted", restricted)
}

// Gone answers what ordinary clients ask at start and can live without: an empty
// private store, no vcard.
func (s *Service) Gone() {
	s.OnAccount(stanza.Get, ns.VCardTemp, "vCard", "", func(r *Request) ([]byte, *stanza.Error) {
		if !r.Own() {
			return nil, stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "")
		}
		return nil, stanza.Err(stanza.Cancel, stanza.ItemNotFound, "")
	})
	s.OnAccount(stanza.Get, ns.Private, "query", "", func(r *Request) ([]byte, *stanza.Error) {
		if !r.Own() {
			return nil, stanza.Err(stanza.Auth, stanza.Forbidden, "")
		}
		return r.Raw(r.Payload), nil
	})
}
