package conference

import (
	"slices"
	"time"

	"parley/bridge/endpoint"
	"parley/bridge/media"
	"parley/bridge/relay"
)

// RelayRequest creates, changes or expires the link to another bridge.
type RelayRequest struct {
	ID     string
	MeshID string
	Create bool
	Expire bool

	PayloadTypes []media.PayloadType
	Extensions   []media.Extension
	Transport    *TransportRequest
	// Endpoints are changes of who is behind it.
	Endpoints []RemoteRequest
}

// RemoteRequest creates, changes or expires a participant behind a relay.
type RemoteRequest struct {
	ID      string
	StatsID string
	Create  bool
	Expire  bool
	Sources []endpoint.SourceSpec // all it sends
}

// RelayResponse is the part of the answer about one relay.
type RelayResponse struct {
	ID        string
	Expired   bool
	Transport *TransportResponse
}

// maxRemote bounds the participants behind one relay, and those one request may name.
const maxRemote = 4096

func (r *RelayRequest) check() error {
	switch {
	case r.ID == "" || len(r.ID) > maxID || len(r.MeshID) > maxID:
		return badRequest("a relay needs an id of at most %d bytes", maxID)
	case r.Transport != nil && r.Transport.Remote != nil && len(r.Transport.Remote.Candidates) > maxCandidates:
		return badRequest("more than %d candidates", maxCandidates)
	case len(r.Endpoints) > maxRemote:
		return badRequest("more than %d endpoints behind a relay", maxRemote)
	}
	for i := range r.Endpoints {
		switch e := &r.Endpoints[i]; {
		case e.ID == "" || len(e.ID) > maxID:
			return badRequest("an endpoint needs an id of at most %d bytes", maxID)
		case len(e.Sources) > maxSources:
			return badRequest("more than %d sources", maxSources)
		}
	}
	return nil
}

// checkCreate judges what only the creation of a relay needs.
func (c *Conference) checkCreate(r *RelayRequest) error {
	switch {
	case c.cfg.RelayID == "":
		return ErrNoRelays
	case r.ID == c.cfg.RelayID:
		return badRequest("relay %s is this bridge itself", r.ID)
	case r.Transport == nil:
		return badRequest("relay %s cannot be created without a transport", r.ID)
	case r.Transport.SCTP == nil && !c.cfg.WebSocket:
		return ErrNoRelayChannel
	case r.Transport.SCTP == nil:
		return nil
	case !c.cfg.SCTP:
		return ErrNoSCTP
	case r.Transport.SCTP.Port != 0 && r.Transport.SCTP.Port != SCTPPort:
		return badRequest("the SCTP port must be %d", SCTPPort)
	}
	return nil
}

func (c *Conference) modifyRelay(r *RelayRequest, now time.Time) (*RelayResponse, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	known := c.relays[r.ID]
	switch {
	case r.Expire:
		if known != nil {
			c.removeRelay(known, "asked by the focus")
		}
		return &RelayResponse{ID: r.ID, Expired: true}, nil
	case r.Create && known != nil:
		return nil, ErrRelayExists
	case r.Create:
		return c.createRelay(r, now)
	case known == nil:
		// Not item-not-found, which the focus takes for the word of the room.
		return nil, badRequest("unknown relay %s", r.ID)
	}
	if err := c.updateRelay(known, r, now); err != nil {
		return nil, err
	}
	return &RelayResponse{ID: r.ID}, nil
}

func (c *Conference) createRelay(r *RelayRequest, now time.Time) (*RelayResponse, error) {
	if err := c.checkCreate(r); err != nil {
		return nil, err
	}
	known, err := c.openRelay(r, now)
	if err != nil {
		return nil, err
	}
	if err := c.updateRelay(known, r, now); err != nil {
		c.removeRelay(known, "its creation failed")
		return nil, err
	}
	t := &TransportResponse{Local: known.Session.Local(), SCTP: known.SCTP, Role: "server"}
	switch {
	case !known.SCTP:
		t.WebSockets = c.relayChannels[known].URLs()
	case r.Transport.SCTP.Role != roleClient:
		t.Role = roleClient
	}
	return &RelayResponse{ID: r.ID, Transport: t}, nil
}

// roleClient is the role of the one who opens the data channel.
const roleClient = "client"

// updateRelay applies everything but creation and expiry.
func (c *Conference) updateRelay(r *relay.Relay, req *RelayRequest, now time.Time) error {
	if len(req.PayloadTypes) > 0 {
		r.Leg.AddPayloadTypes(req.PayloadTypes...)
	}
	if len(req.Extensions) > 0 {
		r.AddExtensions(req.Extensions)
	}
	if t := req.Transport; t != nil && t.Remote != nil {
		if err := r.Session.SetRemote(*t.Remote); err != nil {
			return badRequest("transport: %v", err)
		}
		if t.WebSocket != "" && !r.SCTP {
			c.relayChannels[r].Connect(t.WebSocket)
		}
	}
	for i := range req.Endpoints {
		c.modifyRemote(r, &req.Endpoints[i], now)
	}
	return nil
}

// modifyRemote carries out what a request says of one participant behind a relay. What
// does not fit what we know is made to fit: the focus is right.
func (c *Conference) modifyRemote(r *relay.Relay, req *RemoteRequest, now time.Time) {
	e := r.Endpoints[req.ID]
	switch {
	case req.Expire:
		if e != nil {
			c.removeRemote(r, e)
		}
		return
	case e == nil && !req.Create:
		c.log.WithField("remote", req.ID).Debug("update of an endpoint that is not behind the relay ignored")
		return
	case e == nil:
		if e = c.addRemote(r, req, now); e == nil {
			return
		}
	}
	c.setSources(e, c.free(e, req.Sources))
}

// free leaves out sources whose SSRCs belong to somebody else behind the same relay: there
// the SSRC is all by which packets are told apart.
func (c *Conference) free(e *endpoint.Endpoint, specs []endpoint.SourceSpec) []endpoint.SourceSpec {
	taken := make(map[uint32]bool)
	for _, o := range c.relayOf[e].Endpoints {
		if o == e {
			continue
		}
		for _, s := range o.Sources() {
			for _, enc := range s.Encodings {
				taken[enc.SSRC] = true
				taken[enc.RTX] = enc.RTX != 0
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(specs), func(s endpoint.SourceSpec) bool {
		return slices.ContainsFunc(s.Encodings, func(enc media.Encoding) bool { return taken[enc.SSRC] || taken[enc.RTX] })
	})
}
