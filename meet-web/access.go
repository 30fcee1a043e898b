package meetweb

import (
	"bufio"
	"bytes"
	stdlog "log"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"parley/internal/logx"
)

// secretKeys are the parameters that open rooms or sessions.
var secretKeys = map[string]bool{
	"jwt": true, "token": true, "pwd": true, "password": true, "secret": true, "access_token": true, "previd": true,
}

// parameter is one of a query, with what stands before it.
var parameter = regexp.MustCompile(`(^|[&;])([^&;=]*)=[^&;]*`)

// redactQuery takes the values of secret keys away, however the keys are spelt.
func redactQuery(query string) string {
	return parameter.ReplaceAllStringFunc(query, func(p string) string {
		key, _, _ := strings.Cut(p, "=")
		plain, err := url.QueryUnescape(strings.TrimLeft(key, "&;"))
		if err == nil && !secretKeys[strings.ToLower(strings.TrimSpace(plain))] {
			return p
		}
		return key + "=…"
	})
}

// redact is a request's address as it may be logged.
func redact(u *url.URL) string {
	text := u.EscapedPath()
	if u.RawQuery != "" {
		text += "?" + redactQuery(u.RawQuery)
	}
	return logx.Shorten(strings.ToValidUTF8(text, "?"), 512)
}

// logged writes a line per request.
func (s *Server) logged(next http.Handler) http.Handler {
	level := logrus.DebugLevel
	if s.cfg.AccessLog {
		level = logrus.InfoLevel
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.log.Logger.IsLevelEnabled(level) {
			next.ServeHTTP(w, r)
			return
		}
		began, rec := time.Now(), &recorder{ResponseWriter: w}
		defer func() {
			host, _, _ := net.SplitHostPort(r.RemoteAddr)
			s.log.WithFields(logrus.Fields{
				"method": r.Method, logx.Path: redact(r.URL), "status": rec.status,
				logx.Remote: logx.IP(host), logx.Duration: time.Since(began).Round(time.Millisecond).String(),
			}).Log(level, "request served")
		}()
		next.ServeHTTP(rec, r)
	})
}

// recorder remembers the status; everything else goes through by Unwrap.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Hijack is how a socket's answer goes out; the proxy writes it by itself.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.status = http.StatusSwitchingProtocols
	return http.NewResponseController(r.ResponseWriter).Hijack()
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// quietLog gives net/http's own remarks, mostly about clients, to our log.
func quietLog(log *logrus.Entry) *stdlog.Logger { return stdlog.New(lineLog{log}, "", 0) }

type lineLog struct{ log *logrus.Entry }

func (l lineLog) Write(p []byte) (int, error) {
	l.log.WithField(logx.Reason, logx.Shorten(string(bytes.TrimSpace(p)), 300)).Debug("http server remark")
	return len(p), nil
}
