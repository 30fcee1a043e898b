package bridge

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"parley/bridge/signal"
	"parley/internal/wire/ns"
	"parley/internal/xmppclient"
)

// resumeTime is how long the server holds us for present after our connection broke: enough
// to come back, so that nobody is moved to another bridge for a cut of the signalling, and
// little, since for as long a bridge that died keeps its people waiting.
const resumeTime = 2 * time.Second

// connection is one way to an XMPP server: a login, and the brewery rooms in it.
type connection struct {
	id     string
	cfg    XMPPConfig
	client *xmppclient.Client
	rooms  []*xmppclient.Room
	cancel context.CancelFunc // ends the client's Run; nil before; connections.mu guards it
	quiet  atomic.Bool        // says nothing of itself yet, see settle
}

// settleTime is how long a bridge that came back keeps quiet before Jicofo, which invites
// the people of a bridge that went, and of one that came, each for itself: if little time
// lies between, some are invited twice at once, and then have no media at all.
const settleTime = 2 * time.Second

// ownFocus begins the name by which Parley's focus tells itself from Jicofo, with which it
// shares all else.
const ownFocus = "Parley"

// settle waits when there was a focus in the room before us that is not Parley's.
func (c *connection) settle(ctx context.Context, focus string) {
	if focus == "" {
		return
	}
	c.quiet.Store(true)
	defer c.quiet.Store(false)
	if info, err := c.client.Info(ctx, focus, ""); err == nil {
		for _, id := range info.Identities {
			if strings.HasPrefix(id.Name, ownFocus) {
				return
			}
		}
	}
	select {
	case <-time.After(settleTime):
	case <-ctx.Done():
	}
}

// isFocus tells the focus from other bridges by what it runs on.
func isFocus(st *xmppclient.Stanza) bool {
	var caps xmppclient.Caps
	found, err := st.DecodeChild(ns.Caps, "c", &caps)
	return found && err == nil && caps.Node == ns.JicofoNode
}

// connect prepares a connection; its client's Run makes it.
func (s *Service) connect(x XMPPConfig, random string) (*connection, error) {
	identity := xmppclient.Identity{Category: "client", Type: "bot", Name: "Parley bridge"}
	if x.Component {
		identity = xmppclient.Identity{Category: "component", Type: "generic", Name: "Parley bridge"}
	}
	client, err := xmppclient.New(x.Config, s.log, xmppclient.Options{
		Dial: s.opts.Dial, Identity: identity, Features: signal.Features(), Resume: resumeTime,
		Software: xmppclient.Software{Name: "Parley bridge", Version: s.opts.Version},
	})
	if err != nil {
		return nil, err
	}
	c := &connection{cfg: x, client: client}
	if x.Component {
		s.handler.Register(client, signal.FromList(x.Allow))
		return c, nil
	}
	s.handler.Register(client, signal.FromRooms(x.Rooms))
	nick := x.Nick
	if nick == "" {
		nick = uniqueName(random)
	}
	for _, addr := range x.Rooms {
		var focus atomic.Value // a string: its address in this room
		focus.Store("")
		room, err := client.Keep(addr+"/"+nick, xmppclient.RoomOptions{
			OnPresence: func(st *xmppclient.Stanza) {
				switch {
				case st.Type == "" && isFocus(st):
					focus.Store(st.From)
				case st.Type == xmppclient.TypeUnavailable:
					focus.CompareAndSwap(st.From, "")
				}
			},
			OnLost: func(error) { focus.Store("") },
			OnJoined: func(ctx context.Context, r *xmppclient.Room) {
				c.settle(ctx, focus.Load().(string))
				s.joined(ctx, r)
			},
		})
		if err != nil {
			return nil, err
		}
		c.rooms = append(c.rooms, room)
	}
	return c, nil
}

// joined: we entered a brewery. The first statistics follow at once, without the load
// that is not known yet, so that the focus may use the bridge.
func (s *Service) joined(ctx context.Context, r *xmppclient.Room) {
	if r.Created() {
		// The focus must see who the members are.
		if err := r.Configure(ctx, map[string]string{"muc#roomconfig_whois": "anyone"}); err != nil {
			s.log.WithError(err).Warn("brewery room cannot be configured")
		}
	}
	if err := r.SetPresence(s.stats.presence()); err != nil {
		s.log.WithError(err).Debug("statistics not sent")
	}
}

// up tells whether we are logged in and in all rooms.
func (c *connection) up() bool {
	if !c.client.Connected() {
		return false
	}
	for _, r := range c.rooms {
		if !r.Joined() {
			return false
		}
	}
	return true
}

// leave leaves the rooms, so that the focus knows at once.
func (c *connection) leave(ctx context.Context) {
	for _, r := range c.rooms {
		_ = r.Leave(ctx) // if it does not work the server notices the closed stream
	}
}
