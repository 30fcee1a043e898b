package bridge

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// reserved end names that nobody can register in the public DNS (RFC 6761, 6762, 8375; the
// last is set aside for private use).
var reserved = []string{".localhost", ".local", ".home.arpa", ".internal"}

// notForPages refuses what a page in somebody's browser asks for: what says where it comes
// from and changes something, and whatever was sent to a name its author may own. Such a
// name can lead to this machine although it is the page's own (DNS rebinding), and then the
// browser lets the page read what comes.
func (s *Service) notForPages(next http.Handler) http.Handler {
	own := []string{}
	if host, _, err := net.SplitHostPort(s.cfg.PrivateListen); err == nil {
		own = append(own, host)
	}
	if host, err := os.Hostname(); err == nil {
		own = append(own, host)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet && r.Header.Get("Origin") != "":
			http.Error(w, "not for pages", http.StatusForbidden)
		case !privateHost(r.Host, own):
			http.Error(w, "ask for this address by IP address, by a name without a dot, or by the one in private_listen", http.StatusMisdirectedRequest)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// privateHost says whether a Host header cannot be the name of a stranger: an address, a
// name without a dot as in container networks, a reserved one, or one of ours.
func privateHost(hostport string, own []string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil || !strings.Contains(host, ".") {
		return true
	}
	for _, end := range reserved {
		if strings.HasSuffix(host, end) {
			return true
		}
	}
	for _, name := range own {
		if strings.EqualFold(host, name) {
			return true
		}
	}
	return false
}
