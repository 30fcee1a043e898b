package conference

import (
	"slices"
	"strings"
	"time"

	"parley/bridge/relay"
	"parley/bridge/rtp"
)

// RelayView is the state of a link to another bridge.
type RelayView struct {
	ID        string            `json:"id"`
	MeshID    string            `json:"mesh_id,omitempty"`
	Created   time.Time         `json:"creation_time"`
	Connected bool              `json:"connected"`
	Channel   string            `json:"channel"`
	Endpoints []RemoteView      `json:"remote_endpoints"`
	Sends     []string          `json:"sends"` // names of the sources that cross to it
	Stats     rtp.EndpointStats `json:"stats"`
}

// RemoteView is the state of a participant behind a relay.
type RemoteView struct {
	ID      string       `json:"id"`
	Active  bool         `json:"active"`
	Sources []SourceView `json:"sources"`
}

func (c *Conference) viewRelays() []RelayView {
	list := make([]RelayView, 0, len(c.relays))
	for _, r := range c.relays {
		list = append(list, c.viewRelay(r))
	}
	slices.SortFunc(list, func(a, b RelayView) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func (c *Conference) viewRelay(r *relay.Relay) RelayView {
	v := RelayView{
		ID: r.ID, MeshID: r.MeshID, Created: r.Created, Connected: !r.Connected.IsZero(),
		Channel: c.relayChannels[r].Active().String(), Endpoints: []RemoteView{}, Sends: []string{}, Stats: r.Leg.Stats(),
	}
	for _, s := range r.Crosses() {
		v.Sends = append(v.Sends, s.Name)
	}
	slices.Sort(v.Sends)
	for _, e := range r.Endpoints {
		v.Endpoints = append(v.Endpoints, RemoteView{ID: e.ID, Active: e.Active, Sources: viewSources(e)})
	}
	slices.SortFunc(v.Endpoints, func(a, b RemoteView) int { return strings.Compare(a.ID, b.ID) })
	return v
}
