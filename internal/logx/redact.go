package logx

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/sirupsen/logrus"
)

// JID is an address of a person or service in a log field.
type JID string

// IP is a network address of a person in a log field.
type IP string

// secretFields are never written, whoever hands them in.
var secretFields = map[string]bool{
	"password": true, "secret": true, "token": true, "pwd": true, "authorization": true,
}

var (
	// A JWT is recognisable: three base64url parts, the first being a JSON object.
	tokenText = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?`)
	// Secrets that ride in query strings, attributes and SASL elements.
	pairText = regexp.MustCompile(`(?i)\b(pwd|password|token|secret|jwt)=(['"]?)[^'"&\s<>]+`)
	saslText = regexp.MustCompile(`(?s)(<(?:auth|response|challenge|success|handshake)\b[^>]*>)[^<]+(<)`)
)

// Redact takes tokens and passwords out of text that came from a stanza or URL.
func Redact(s string) string {
	s = tokenText.ReplaceAllString(s, "[token]")
	s = saslText.ReplaceAllString(s, "${1}[hidden]${2}")
	return pairText.ReplaceAllString(s, "${1}=${2}[hidden]")
}

// redactor is the logrus hook that keeps secrets, and addresses if asked, out of every line.
type redactor struct {
	hide bool
	key  []byte // random per process, so that hidden addresses cannot be guessed back
}

func newRedactor(hide bool) *redactor {
	key := make([]byte, 16)
	_, _ = rand.Read(key) // never fails since Go 1.24
	return &redactor{hide: hide, key: key}
}

// Levels implements logrus.Hook.
func (*redactor) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook.
func (r *redactor) Fire(e *logrus.Entry) error {
	e.Message = Redact(e.Message)
	for name, v := range e.Data {
		if clean, changed := r.clean(name, v); changed {
			e.Data[name] = clean
		}
	}
	return nil
}

func (r *redactor) clean(name string, v any) (any, bool) {
	if secretFields[strings.ToLower(name)] {
		return "[hidden]", true
	}
	switch t := v.(type) {
	case JID:
		return r.address(string(t)), true
	case IP:
		return r.address(string(t)), true
	case string:
		if name == Address || name == Remote || name == Occupant {
			return r.address(Redact(t)), true
		}
		return Redact(t), true
	case error: // joined ones stand on lines of their own
		return Redact(strings.ReplaceAll(t.Error(), "\n", "; ")), true
	case fmt.Stringer:
		if name == Address || name == Remote || name == Occupant {
			return r.address(t.String()), true
		}
		return Redact(t.String()), true
	}
	return v, false
}

// address hides s when the operator asked for it; bare service names stay readable.
func (r *redactor) address(s string) string {
	if !r.hide || s == "" {
		return s
	}
	mac := hmac.New(sha256.New, r.key)
	mac.Write([]byte(s))
	return "#" + hex.EncodeToString(mac.Sum(nil)[:4])
}
