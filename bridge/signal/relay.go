package signal

import (
	"parley/bridge/conference"
	"parley/internal/wire/colibri"
)

// onlyExpire tells whether relays are merely taken away. Several at once is what a focus
// may ask, although others refuse it.
func onlyExpire(relays []colibri.Relay) bool {
	for i := range relays {
		if !relays[i].Expire {
			return false
		}
	}
	return true
}

func relayRequest(x *colibri.Relay) (conference.RelayRequest, error) {
	r := conference.RelayRequest{ID: x.ID, MeshID: x.MeshID, Create: x.Create, Expire: x.Expire}
	for i := range x.Media {
		types, extensions, err := readMedia(&x.Media[i])
		if err != nil {
			return r, err
		}
		r.PayloadTypes, r.Extensions = append(r.PayloadTypes, types...), append(r.Extensions, extensions...)
	}
	if x.Transport != nil {
		t, err := transportRequest(x.Transport)
		if err != nil {
			return r, err
		}
		r.Transport = t
	}
	if x.Endpoints == nil {
		return r, nil
	}
	for i := range x.Endpoints.Endpoints {
		e := &x.Endpoints.Endpoints[i]
		remote := conference.RemoteRequest{ID: e.ID, StatsID: e.StatsID, Create: e.Create, Expire: e.Expire}
		if e.Sources != nil && !e.Expire {
			specs, err := sources(e.Sources)
			if err != nil {
				return r, err
			}
			remote.Sources = specs
		}
		r.Endpoints = append(r.Endpoints, remote)
	}
	return r, nil
}
