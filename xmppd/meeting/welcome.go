package meeting

import (
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// Welcome is what web clients are told of the services as soon as they are logged
// in, so that they need not ask (mod_jiconop); nil for others.
func (m *Rules) Welcome(s *router.Session) *stanza.Stanza {
	if s.Info().Transport == "tcp" || m.rt.IsAdmin(s.Addr()) {
		return nil
	}
	var b stanza.Builder
	b.Start(ns.DiscoInfo, "query")
	var features []string
	for _, x := range m.cfg.List() {
		b.Empty("", "identity", "category", "component", "type", x.Type, "name", x.Addr)
		switch x.Type {
		case typeLobby:
			features = append(features, m.lobbyFeatures(s)...)
		case typeBreakout:
			if urlRoom(s) != "" {
				features = append(features, featureRename)
			}
		}
	}
	for _, f := range features {
		b.Empty("", "feature", "var", f)
	}
	from := stanza.MustAddr(m.cfg.Domain)
	return stanza.New(stanza.Message, "", from, s.Addr(), "").WithContent(b.Bytes())
}
