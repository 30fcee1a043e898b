package transport

import (
	"github.com/pion/logging"
	"github.com/sirupsen/logrus"
)

// pionLogs hands the libraries' log lines to ours. What they call a warning or an error
// is about one peer, so it is Debug here.
type pionLogs struct{ log *logrus.Entry }

// NewLogger makes a logger of one part of the libraries.
func (p pionLogs) NewLogger(scope string) logging.LeveledLogger {
	return pionLog{p.log.WithField("library", scope)}
}

type pionLog struct{ log *logrus.Entry }

func (p pionLog) Trace(msg string)          { p.log.Trace(msg) }
func (p pionLog) Tracef(f string, a ...any) { p.log.Tracef(f, a...) }
func (p pionLog) Debug(msg string)          { p.log.Trace(msg) }
func (p pionLog) Debugf(f string, a ...any) { p.log.Tracef(f, a...) }
func (p pionLog) Info(msg string)           { p.log.Trace(msg) }
func (p pionLog) Infof(f string, a ...any)  { p.log.Tracef(f, a...) }
func (p pionLog) Warn(msg string)           { p.log.Debug(msg) }
func (p pionLog) Warnf(f string, a ...any)  { p.log.Debugf(f, a...) }
func (p pionLog) Error(msg string)          { p.log.Debug(msg) }
func (p pionLog) Errorf(f string, a ...any) { p.log.Debugf(f, a...) }
