package conference

import "parley/internal/metrics"

// Counters count what all conferences do. The zero value is ready.
type Counters struct {
	Created      metrics.Counter // conferences begun
	Joined       metrics.Counter // members seen coming
	Invited      metrics.Counter // session-initiate sent
	Accepted     metrics.Counter // session-accept received
	Moved        metrics.Counter // participants invited anew because of a bridge
	Restarts     metrics.Counter // sessions clients restarted
	ICERestarts  metrics.Counter // ICE restarts clients asked for
	BridgeFaults metrics.Counter // bridge requests that failed
	NoBridge     metrics.Counter // invitations that found no bridge
	Refused      metrics.Counter // requests of clients we refused
	Members      metrics.Gauge   // members of all rooms, now
}

// Register shows the counters in set.
func (c *Counters) Register(set *metrics.Set) {
	set.AttachGauge(&c.Members, "parley_focus_members", "Members of all rooms.")
	for _, x := range []struct {
		c          *metrics.Counter
		name, help string
	}{
		{&c.Created, "conferences_created", "Conferences begun."},
		{&c.Joined, "members_joined", "Members seen entering rooms."},
		{&c.Invited, "invitations", "Media sessions offered."},
		{&c.Accepted, "sessions_accepted", "Media sessions accepted."},
		{&c.Moved, "participants_moved", "Participants invited anew because of a bridge."},
		{&c.Restarts, "restarts", "Media sessions clients restarted."},
		{&c.ICERestarts, "ice_restarts", "ICE restarts clients asked for."},
		{&c.BridgeFaults, "bridge_faults", "Requests to bridges that failed."},
		{&c.NoBridge, "bridge_missing", "Invitations that found no bridge."},
		{&c.Refused, "requests_refused", "Requests of clients that were refused."},
	} {
		set.AttachCounter(x.c, "parley_focus_"+x.name+"_total", x.help)
	}
}
