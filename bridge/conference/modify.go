package conference

import (
	"time"

	"parley/bridge/endpoint"
	"parley/internal/logx"
)

// carryOut carries out a request. One that panics ends the conference and is answered all
// the same: the focus then need not wait to begin anew.
func (c *Conference) carryOut(req Request, reply func(Response, error)) {
	answered := false
	defer func() {
		if p := recover(); p != nil {
			c.recovered(p)
			if !answered {
				reply(Response{}, ErrInternal)
			}
		}
	}()
	c.handleModify(req, func(r Response, err error) {
		answered = true
		reply(r, err)
	}, time.Now())
}

// handleModify carries out a request of the focus and answers it.
func (c *Conference) handleModify(req Request, reply func(Response, error), now time.Time) {
	if c.expired {
		reply(Response{}, ErrNotFound)
		return
	}
	fresh := c.fresh
	c.fresh = false
	if req.Expire {
		c.expire("asked by the focus")
		reply(Response{}, nil)
		return
	}
	resp, err := c.modify(req, now)
	switch {
	case err != nil && fresh:
		// Nobody knows of a conference whose creation failed.
		c.expire("its creation failed")
	case !req.Create && len(c.endpoints) == 0 && len(c.relays) == 0:
		c.expire("the last endpoint left")
	}
	if err == nil && (fresh || created(req)) {
		resp.Feedback = &c.feedback
	}
	c.summarize()
	reply(resp, err)
}

func created(req Request) bool {
	for i := range req.Endpoints {
		if req.Endpoints[i].Create {
			return true
		}
	}
	return false
}

func (c *Conference) modify(req Request, now time.Time) (Response, error) {
	var resp Response
	for i := range req.Endpoints {
		er, err := c.modifyEndpoint(&req.Endpoints[i], req.Lenient, now)
		if err != nil {
			return Response{}, err
		}
		if er != nil {
			resp.Endpoints = append(resp.Endpoints, *er)
		}
	}
	for i := range req.Relays {
		rr, err := c.modifyRelay(&req.Relays[i], now)
		if err != nil {
			return Response{}, err
		}
		resp.Relays = append(resp.Relays, *rr)
	}
	return resp, nil
}

func (c *Conference) modifyEndpoint(r *EndpointRequest, lenient bool, now time.Time) (*EndpointResponse, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	e := c.endpoints[r.ID]
	switch {
	case r.Expire:
		if e != nil {
			c.removeEndpoint(e, "asked by the focus")
		}
		return &EndpointResponse{ID: r.ID, Expired: true}, nil
	case r.Create && e != nil:
		return nil, ErrEndpointExists
	case r.Create:
		return c.createEndpoint(r, now)
	case e == nil && lenient:
		return nil, nil
	case e == nil:
		return nil, &UnknownEndpointError{ID: r.ID}
	}
	if err := c.update(e, r, now); err != nil {
		return nil, err
	}
	resp := &EndpointResponse{ID: e.ID}
	if r.Transport != nil && r.Transport.ICERestart {
		resp.Transport = c.restart(e)
	}
	return resp, nil
}

func (c *Conference) createEndpoint(r *EndpointRequest, now time.Time) (*EndpointResponse, error) {
	if err := r.checkCreate(c.cfg.SCTP); err != nil {
		return nil, err
	}
	if r.Visitor && r.Sources != nil && len(*r.Sources) > 0 {
		return nil, badRequest("a visitor cannot have sources")
	}
	e, err := c.openEndpoint(r, now)
	if err != nil {
		return nil, err
	}
	if err := c.update(e, r, now); err != nil {
		c.removeEndpoint(e, "its creation failed")
		return nil, err
	}
	return &EndpointResponse{ID: e.ID, Transport: c.transportOf(e)}, nil
}

// restart begins ICE anew beside the way there is. A refusal is to say nothing of the
// transport; before there was a way, the first one is what the client shall use.
func (c *Conference) restart(e *endpoint.Endpoint) *TransportResponse {
	local, err := e.Session.Restart()
	if err != nil {
		c.log.WithField(logx.Endpoint, e.ID).WithError(err).Debug("restart of ICE refused")
		return nil
	}
	if local.Generation == 0 {
		return c.transportOf(e)
	}
	return &TransportResponse{Local: local, WebSockets: c.channels[e].URLs()}
}

func (c *Conference) transportOf(e *endpoint.Endpoint) *TransportResponse {
	return &TransportResponse{Local: e.Session.Local(), SCTP: e.SCTP, Role: "server", WebSockets: c.channels[e].URLs()}
}

// update applies everything but creation and expiry, in the order in which
// Jitsi's bridge does (Colibri2ConferenceHandler).
func (c *Conference) update(e *endpoint.Endpoint, r *EndpointRequest, now time.Time) error {
	if e.Visitor && r.Sources != nil && len(*r.Sources) > 0 {
		return badRequest("a visitor cannot have sources")
	}
	if len(r.PayloadTypes) > 0 {
		e.AddPayloadTypes(r.PayloadTypes)
		c.connectAudio(e)
		c.touch(e)
	}
	if len(r.Extensions) > 0 {
		e.Leg.AddExtensions(r.Extensions...)
	}
	if r.InitialLastN != nil && !e.Receive.SpokeVideo {
		e.Receive.Settings.LastN = max(-1, *r.InitialLastN)
		c.touch(e)
	}
	if r.Transport != nil && r.Transport.Remote != nil {
		if err := e.Session.SetRemote(*r.Transport.Remote); err != nil {
			return badRequest("transport: %v", err)
		}
		e.Heard = now
	}
	if r.Sources != nil {
		c.setSources(e, *r.Sources)
	}
	if r.ForceMute != nil {
		e.ForceMute(r.ForceMute.Audio, r.ForceMute.Video)
	}
	return nil
}
