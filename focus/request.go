package focus

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"parley/focus/conference"
	"parley/internal/logx"
	"parley/internal/wire/jitsimeet"
	"parley/internal/xmppclient"
)

// errNoRoom says that a request names no room.
var errNoRoom = errors.New("no 'room' specified")

// maxRoomName bounds the address of a room; the parts of an address have at most 1023
// bytes (RFC 7622 §3).
const maxRoomName = 2047

// handleConference answers a conference request, and always does: a client that gets
// an error gives up, so that all that can pass by itself is answered "not ready".
func (s *Service) handleConference(r *xmppclient.Request) {
	var q jitsimeet.Conference
	if r.Type != xmppclient.TypeSet || r.DecodePayload(&q) != nil {
		r.Fail(xmppclient.NewError(xmppclient.BadRequest, "malformed conference request"))
		return
	}
	room, err := s.room(q.Room)
	if err != nil {
		r.Fail(xmppclient.NewError(xmppclient.BadRequest, err.Error()))
		return
	}
	s.log.WithField(logx.Room, room).WithField(logx.Address, logx.JID(s.sender(r.From))).Debug("Conference request.")
	s.ask(xmppclient.Bare(s.sender(r.From)), room, wishes(q.Property), func(ready bool) {
		r.Reply(s.answer(room, ready))
	})
}

// handleProxied takes conference requests that came to the user through the client proxy,
// where the server lets its own rules speak first: whoever knows the user's address, as
// occupants of a room may, must not come around them.
func (s *Service) handleProxied(r *xmppclient.Request) {
	if xmppclient.Domain(r.From) != s.cfg.ClientProxy {
		r.Fail(xmppclient.NewError(xmppclient.NotAllowed, "send conference requests to "+s.cfg.ClientProxy))
		return
	}
	s.handleConference(r)
}

// sender is who sent a request: behind the client proxy, and only there, the original
// sender stands in the resource.
func (s *Service) sender(from string) string {
	if s.cfg.ClientProxy != "" && xmppclient.Domain(from) == s.cfg.ClientProxy {
		return xmppclient.Resource(from)
	}
	return from
}

// room checks the name of a room. Only rooms of our own hosts are entered: a request
// must not send us into somebody else's.
func (s *Service) room(name string) (string, error) {
	switch {
	case name == "":
		return "", errNoRoom
	case len(name) > maxRoomName:
		return "", errors.New("the name of the room is too long")
	}
	addr, err := jid.Parse(name)
	if err != nil || addr.Localpart() == "" || addr.Resourcepart() != "" {
		return "", fmt.Errorf("%.100q is not the address of a room", name)
	}
	if !slices.Contains(s.cfg.RoomDomains, addr.Domainpart()) && !s.tenanted(addr) {
		return "", fmt.Errorf("no conferences on %.100q here", addr.Domainpart())
	}
	return addr.String(), nil
}

// tenanted says whether an address is that of a tenant's room: X@conference.TENANT.DOMAIN,
// where rooms without one are X@conference.DOMAIN. TENANT is one label.
func (s *Service) tenanted(addr jid.JID) bool {
	for _, d := range s.cfg.RoomDomains {
		if _, ok := tenantOf(addr.Domainpart(), d); ok {
			return !strings.HasPrefix(addr.Localpart(), "[")
		}
	}
	return false
}

// tenantOf is TENANT of LABEL.TENANT.BASE, given LABEL.BASE.
func tenantOf(domain, host string) (tenant string, ok bool) {
	label, base, _ := strings.Cut(host, ".")
	tenant, prefixed := strings.CutPrefix(domain, label+".")
	tenant, suffixed := strings.CutSuffix(tenant, "."+base)
	return tenant, prefixed && suffixed && tenant != "" && !strings.ContainsAny(tenant, ".]")
}

// key is what a room's conference is kept under. A tenant's room has two addresses, and
// which of them the server uses towards us is its own choice: X@conference.TENANT.DOMAIN,
// as clients know it, and [TENANT]X@conference.DOMAIN.
func (s *Service) key(room string) string {
	local, domain, _ := strings.Cut(room, "@")
	for _, d := range s.cfg.RoomDomains {
		if tenant, ok := tenantOf(domain, d); ok {
			return "[" + tenant + "]" + local + "@" + d
		}
	}
	return room
}

// wishes reads the properties of a request that are acted on.
func wishes(property func(string) (string, bool)) conference.Request {
	number := func(name string) int {
		v, _ := property(name)
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return -1
		}
		return n
	}
	stats, _ := property(jitsimeet.PropRTCStats)
	return conference.Request{
		StartAudioMuted: number(jitsimeet.PropStartAudioMuted),
		StartVideoMuted: number(jitsimeet.PropStartVideoMuted),
		RTCStats:        stats != "false",
	}
}

// answer is what a requester hears.
func (s *Service) answer(room string, ready bool) *jitsimeet.Conference {
	a := &jitsimeet.Conference{Room: room, Ready: &ready, FocusJID: xmppclient.Bare(s.user.Addr())}
	a.SetProperty(jitsimeet.PropAuthentication, "false")
	a.SetProperty(jitsimeet.PropVisitorsSupported, "false")
	return a
}

// ask sees to it that there is a conference in the room and reports whether one can
// go there. The wishes of the first request count. who is the person that asks, ""
// for ourselves.
func (s *Service) ask(who, room string, q conference.Request, answer func(ready bool)) {
	if !s.user.Connected() {
		answer(false)
		return
	}
	s.mu.Lock()
	c := s.conferences[s.key(room)]
	if c == nil || c.Over() {
		if who == "" || s.begun.allow(who, time.Now()) {
			c = s.beginLocked(room, q)
		} else {
			c = nil
			s.log.WithField(logx.Room, room).WithField(logx.Address, logx.JID(who)).Debug("Too many conferences are asked for.")
		}
		if c == nil {
			s.mu.Unlock()
			answer(false)
			return
		}
	}
	s.mu.Unlock()
	c.Ready(answer)
}

// beginLocked starts a conference, nil if there may be no more, or not yet.
func (s *Service) beginLocked(room string, q conference.Request) *conference.Conference {
	if s.running == nil || len(s.conferences) >= s.cfg.MaxConferences {
		return nil
	}
	l, key := link{s}, s.key(room)
	if !s.returned && s.memory.expects(key) {
		return nil // it goes on as soon as its bridges are known, and would begin anew now
	}
	before := s.memory.take(key)
	c := conference.New(room, &s.cfg.Conference, q, conference.Deps{
		Link: l, Bridges: s.bridges,
		Features: func(occupant, capsNode string, done func([]string)) { s.features.learn(l, occupant, capsNode, done) },
		Trusted:  func(domain string) bool { return slices.Contains(s.cfg.TrustedDomains, domain) },
		Nick:     s.cfg.Client.Username, Version: s.version, Caps: s.user.Caps(),
		Counters: s.counters, Ended: s.conferenceEnded,
		Keep: s.keeper(key, room, before), Kept: before,
	}, s.log)
	s.conferences[key] = c
	ctx := s.running
	s.done.Go(func() { c.Run(ctx) })
	return c
}

// keeper remembers the room, its conference as it was before, and returns what remembers
// changes of that; nil if nothing is remembered.
func (s *Service) keeper(key, room string, before []byte) func([]byte) {
	if s.memory.dir == "" {
		return nil
	}
	s.memory.put(key, room, before)
	return func(state []byte) { s.memory.put(key, room, state) }
}

// conferenceEnded forgets a conference, unless another has taken its place.
func (s *Service) conferenceEnded(c *conference.Conference) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key := s.key(c.Addr()); s.conferences[key] == c {
		delete(s.conferences, key)
		// A focus that is stopped returns to its rooms too. It may not have got that far yet,
		// but then what conferences run under is over.
		if s.running != nil && s.running.Err() == nil {
			s.memory.remove(key)
		}
	}
}
