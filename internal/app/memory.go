package app

import (
	"runtime/debug"
	"slices"
	"strings"
)

// gcPercent is how much garbage may gather in a process with a bridge before it is
// collected, in percent of what is in use. Go's 100 lets a quiet bridge hold twice its
// needs: of an idle participant's memory two fifths were garbage. The packet path makes
// none, so collecting twice as often costs little. GOMEMLIMIT is left alone: what the
// machine has for us only the operator knows.
const gcPercent = 50

// thrifty sets that, unless the operator has set GOGC.
func (o Options) thrifty() {
	set := slices.ContainsFunc(o.Environ, func(e string) bool { return strings.HasPrefix(e, "GOGC=") })
	if !set && slices.Contains(o.Parts, Bridge) {
		debug.SetGCPercent(gcPercent)
	}
}
