package stanza

import "parley/internal/wire/ns"

// known are the strings found in nearly every stanza; taking them from here saves
// an allocation each. Peers cannot add to it.
var known = func() map[string]string {
	m := make(map[string]string)
	for _, s := range []string{
		"iq", "message", "presence", "auth", "response", "r", "a", "resume", "enable", "open", "close",
		Get, Set, ResultType, ErrorType, Unavailable, Groupchat, Chat, Headline, Normal, Subscribe, Subscribed,
		Unsubscribe, Unsubbed, Probe, "en", "error", "body", "query", "x", "c", "nick", "jingle", "ping", "show",
		"status", "priority", "stats", "stats-id", "email", "avatar-url", "avatar-id", "SourceInfo", "features",
		"audiomuted", "videomuted", "videoType", "occupant-id", "jitsi_participant_codecList",
		"jitsi_participant_region", "jitsi_participant_raisedHand", "json-message", "conference",
		"conference-properties", "conference-modify", "conference-modified", "versions", "etherpad", "identity",
		"permissions", "delay", "subject", "item", "bind", "session", "services",
		ns.Client, ns.Framing, ns.SASL, ns.SM3, ns.SM2, ns.Bind, ns.Session, ns.MUC, ns.MUCUser, ns.MUCAdmin, ns.MUCOwner,
		ns.Caps, ns.Nick, ns.Ping, ns.DiscoInfo, ns.DiscoItems, ns.Jingle, ns.Colibri1, ns.Colibri2, ns.Focus, ns.JitMeet,
		ns.OccupantID, ns.Delay, ns.Roster, ns.Component, ns.HTTPBind, ns.Etherpad, ns.ExtDisco2,
	} {
		m[s] = s
	}
	return m
}()

func intern(b []byte) string {
	if s, ok := known[string(b)]; ok {
		return s
	}
	return string(b)
}
