package app

import "parley/internal/logx"

// fewFiles is enough for some hundred people: each has a few connections, and each costs
// two open files where one part passes it on to another.
const fewFiles = 4096

// warnOfFewFiles tells the operator early what would otherwise show as connections that
// hang on the day when many come. limit is 0 where the system does not tell.
func (in *instance) warnOfFewFiles(limit uint64) {
	if limit > 0 && limit < fewFiles {
		in.log.WithField(logx.Count, limit).Warn("few files may be open at a time, so few connections: raise the limit (ulimit -n, or LimitNOFILE= of the service)")
	}
}
