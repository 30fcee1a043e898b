package meeting

import (
	"net/netip"
	"sync"
	"time"

	"parley/internal/network"
	"parley/internal/wire/ns"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// FocusGate puts the rules that conference requests have to pass before the host of
// the focus.
func (m *Rules) FocusGate(focus router.Host) router.Host { return &gate{Host: focus, rules: m} }

// gate is the host of the focus as everybody else reaches it.
type gate struct {
	router.Host
	rules *Rules
}

// Deliver implements router.Deliverer.
func (g *gate) Deliver(to stanza.Addr, e *stanza.Encoded) bool {
	if d, ok := g.Host.(router.Deliverer); ok {
		return d.Deliver(to, e)
	}
	g.Host.HandleStanza(e.Stanza().WithTo(to), nil)
	return true
}

// HandleStanza implements router.Host.
func (g *gate) HandleStanza(st *stanza.Stanza, from *router.Session) {
	m := g.rules
	p, _ := st.Payload()
	if st.Kind != stanza.IQ || st.Type != stanza.Set || !p.Is(ns.Focus, "conference") || m.rt.IsAdmin(st.From) {
		g.Host.HandleStanza(st, from)
		return
	}
	room, err := stanza.ParseAddr(st.ChildAttr(p, "room"))
	node, addr, ok := m.host.Locate(room)
	if err != nil || !ok || node == "" || isHealthNode(node) {
		g.Host.HandleStanza(st, from) // no meeting of ours, such as a breakout room
		return
	}
	if from != nil && !m.mayBegin(addr, from.Info().Client) {
		// As the focus answers when it has too much to do: clients ask again later.
		var b stanza.Builder
		m.rt.Reply(st, b.Empty(ns.Focus, "conference", "room", room.String(), "ready", "false").Bytes())
		return
	}
	if m.reservations == nil {
		g.Host.HandleStanza(st, from)
		return
	}
	m.reservations.ask(node, addr, st.From.Bare(), func(refusal *stanza.Error) {
		if refusal != nil {
			m.rt.Bounce(st, refusal)
			return
		}
		g.Host.HandleStanza(st, from)
	})
}

// mayBegin counts who asks for a meeting that is not there, by address: the focus counts
// by person, and a guest is somebody new with each log-in. Clients of this machine are
// not counted, as they may all be behind a proxy on it.
func (m *Rules) mayBegin(room stanza.Addr, client netip.Addr) bool {
	if !client.IsValid() || client.Unmap().IsLoopback() || m.host.Exists(room) {
		return true
	}
	return m.beginnings.take(network.Of(client), room, time.Now(), m.cfg.ConferencesPerAddress)
}

// maxBeginnings bounds the meetings that are asked for within a minute by all together:
// more than a server can begin.
const maxBeginnings = 1 << 16

// beginnings counts the meetings each network asks for within a minute. Who asks again for
// the same one is not counted again: when the server has begun anew, everybody asks until
// the focus is back. The zero value is ready.
type beginnings struct {
	mu    sync.Mutex // guards what follows; leaf lock
	since time.Time
	seen  map[beginning]bool
	by    map[netip.Prefix]int // how many of seen
}

type beginning struct {
	from netip.Prefix
	room stanza.Addr
}

// take counts one, unless there were most already; 0 is any number.
func (b *beginnings) take(from netip.Prefix, room stanza.Addr, now time.Time, most int) bool {
	if most == 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.since) >= time.Minute {
		b.since, b.seen, b.by = now, make(map[beginning]bool), make(map[netip.Prefix]int)
	}
	x := beginning{from, room}
	if b.seen[x] {
		return true
	}
	if b.by[from] >= most || len(b.seen) >= maxBeginnings {
		return false
	}
	b.seen[x] = true
	b.by[from]++
	return true
}
