// Package selector decides which bridge carries a participant.
//
// It owns what the focus knows about bridges: the statistics they publish in the
// brewery room, how often they failed, and how many participants we placed on
// them lately. A decision is a function of that knowledge, the conference and the
// time; no clock is read and nothing is sent from here.
//
// The rules are those of Jitsi's single-bridge strategy: a conference stays on
// the bridge it began on. Strategies that spread a conference over several
// bridges join in at Pool.Select, which already looks at the bridges a conference
// uses.
//
// Pool is shared by all conferences and guarded by one small lock. Discovery and
// health checks are made by package focus, which tells the pool what it saw.
package selector
