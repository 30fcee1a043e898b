package meetweb

import (
	"net/http"
	"strings"
)

const permissions = "camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), autoplay=(self), " +
	"speaker-selection=(self), screen-wake-lock=(self), picture-in-picture=(self), interest-cohort=()"

// contentPolicy is the page's content security policy. X-Frame-Options is never
// sent: it cannot name a list, and embedding is a main use.
func contentPolicy(frameAncestors []string) string {
	ancestors := strings.Join(frameAncestors, " ")
	if ancestors == "" {
		ancestors = "'none'"
	}
	return "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; " +
		"img-src 'self' data: blob: https:; media-src 'self' blob:; connect-src 'self' wss:; " +
		"worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors " + ancestors
}

// secureHeaders are on every answer of ours.
func (s *Server) secureHeaders(h http.Header, o origin) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // keeps ?jwt= out of other people's logs
	h.Set("Content-Security-Policy", s.policy)
	h.Set("Permissions-Policy", permissions)
	if o.secure && !localName(o.host) {
		h.Set("Strict-Transport-Security", "max-age=63072000")
	}
}
