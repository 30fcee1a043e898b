package meetweb

import (
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// origin is how the browser reached us: what our own absolute addresses begin with.
type origin struct {
	secure bool
	host   string // with port, if the browser named one
}

func (o origin) http() string { return o.scheme("https", "http") + "://" + o.host }
func (o origin) ws() string   { return o.scheme("wss", "ws") + "://" + o.host }

func (o origin) scheme(secure, plain string) string {
	if o.secure {
		return secure
	}
	return plain
}

// hostRule is a name, IPv4 or bracketed IPv6 address with an optional port:
// nothing that could end a string or a header elsewhere.
var hostRule = regexp.MustCompile(`^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?$`)

// originOf reads the request; forwarded headers count only from a trusted proxy.
// The page opens by any name, but the name must be one.
func (s *Server) originOf(r *http.Request) (origin, bool) {
	o := origin{secure: r.TLS != nil, host: r.Host}
	if s.trusted(r) {
		if proto := firstItem(r.Header.Get("X-Forwarded-Proto")); proto != "" {
			o.secure = proto == "https"
		}
		if host := firstItem(r.Header.Get("X-Forwarded-Host")); host != "" {
			o.host = host
		}
	}
	return o, hostRule.MatchString(o.host)
}

func firstItem(header string) string {
	item, _, _ := strings.Cut(header, ",")
	return strings.TrimSpace(item)
}

// trusted says whether the peer itself, not whom it speaks for, is a trusted proxy.
func (s *Server) trusted(r *http.Request) bool {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	ip := addr.Addr().Unmap()
	return slices.ContainsFunc(s.proxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// localName says whether the host is this machine or a bare address, where a
// strict-transport promise would lock people out of http://localhost.
func localName(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	_, err := netip.ParseAddr(host)
	return err == nil || host == "localhost" || strings.HasSuffix(host, ".localhost") || !strings.Contains(host, ".")
}

// originAllowed holds the Origin of a script against the configured list.
func (s *Server) originAllowed(r *http.Request) bool {
	from := r.Header.Get("Origin")
	if len(s.cfg.AllowedOrigins) == 0 || from == "" {
		return true
	}
	if o, ok := s.originOf(r); ok && from == o.http() {
		return true
	}
	return slices.Contains(s.cfg.AllowedOrigins, from)
}
