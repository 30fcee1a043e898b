// Package logx sets logging up once and keeps the names of log fields.
//
// Loggers are *logrus.Entry values, made by New and handed down by constructors;
// nobody logs through a package-level logger. Addresses of people go through JID
// and IP, which hide them when the operator asked for it; values of secret kinds
// never reach an output, see redact.go.
package logx

import (
	"fmt"
	"io"
	"strings"

	"github.com/sirupsen/logrus"
)

// Field names. A message is a constant phrase; what varies stands in these.
const (
	Part       = "part" // xmppd, focus, bridge, web
	Host       = "host"
	Room       = "room"
	Conference = "conference"
	MeetingID  = "meeting_id"
	Endpoint   = "endpoint"
	Occupant   = "occupant"
	Bridge     = "bridge"
	Address    = "jid"
	SID        = "sid"
	IQ         = "iq"
	Component  = "component"
	Remote     = "remote"
	Listen     = "listen"
	Mechanism  = "mechanism"
	Reason     = "reason"
	Count      = "count"
	Duration   = "duration"
	Path       = "path"
	Version    = "version"
	Name       = "name"
	Stanza     = "stanza"
)

// Format is the form of a log line.
type Format string

// The forms a log line can take.
const (
	Text Format = "text"
	JSON Format = "json"
)

// Config is how much is logged, and in which form.
type Config struct {
	// Level is the least severe level that is written: error, warn, info, debug or trace.
	// trace writes whole stanzas.
	Level string `yaml:"level"`
	// Format is text (for people) or json (one object per line).
	Format Format `yaml:"format"`
	// HideAddresses replaces addresses of people (JIDs, IPs) in log lines by a short
	// number that is stable as long as the process runs.
	HideAddresses bool `yaml:"hide_addresses"`
}

// DefaultConfig is info, as text, with addresses shown.
func DefaultConfig() Config { return Config{Level: "info", Format: Text} }

// Validate says what is wrong with c.
func (c Config) Validate() error {
	if _, err := logrus.ParseLevel(c.Level); err != nil {
		return fmt.Errorf("level: %q is not one of error, warn, info, debug, trace", c.Level)
	}
	switch c.Format {
	case Text, JSON:
		return nil
	}
	return fmt.Errorf("format: %q is not text or json", c.Format)
}

// New makes the root logger, which writes to out.
func New(c Config, out io.Writer) (*logrus.Entry, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	level, _ := logrus.ParseLevel(c.Level)
	l := logrus.New()
	l.SetOutput(out)
	l.SetLevel(level)
	if c.Format == JSON {
		l.SetFormatter(&logrus.JSONFormatter{TimestampFormat: timeFormat})
	} else {
		l.SetFormatter(&logrus.TextFormatter{TimestampFormat: timeFormat, FullTimestamp: true, DisableColors: true})
	}
	l.AddHook(newRedactor(c.HideAddresses))
	return logrus.NewEntry(l), nil
}

const timeFormat = "2006-01-02T15:04:05.000Z07:00"

// Discard is a logger for tests that says nothing.
func Discard() *logrus.Entry {
	l := logrus.New()
	l.SetOutput(io.Discard)
	l.SetLevel(logrus.PanicLevel)
	return logrus.NewEntry(l)
}

// Shorten cuts text from a peer to a length that fits a log line.
func Shorten(s string, limit int) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut] + "…"
}
