package stanza

import (
	"errors"
	"strings"

	"mellium.im/xmpp/jid"
)

// Addr is a prepared XMPP address (RFC 7622), local@domain/resource. It is a
// comparable value, so it can be a map key; taking parts of it does not allocate.
// The zero Addr is "no address".
type Addr struct {
	full             string
	local, domainLen int32 // lengths of the parts
}

// ErrAddr is returned for anything that is not an address.
var ErrAddr = errors.New("malformed address")

const maxPart = 1023 // bytes of one part, RFC 7622 §3

// ParseAddr prepares s: case of local and domain part folded, Unicode normalised.
// Plain ASCII, nearly all there is, takes a fast path.
func ParseAddr(s string) (Addr, error) {
	local, domain, resource, err := splitAddr(s)
	if err != nil {
		return Addr{}, err
	}
	if !plainLocal(local) || !plainDomain(domain) || !plainResource(resource) {
		return parseSlow(s)
	}
	if hasUpper(local) || hasUpper(domain) || strings.HasSuffix(domain, ".") {
		domain = strings.TrimSuffix(strings.ToLower(domain), ".")
		return joinAddr(strings.ToLower(local), domain, resource)
	}
	return Addr{full: s, local: int32(len(local)), domainLen: int32(len(domain))}, nil
}

// MustAddr is ParseAddr for constants.
func MustAddr(s string) Addr {
	a, err := ParseAddr(s)
	if err != nil {
		panic(s + ": " + err.Error())
	}
	return a
}

// NewAddr joins parts; local and resource may be empty.
func NewAddr(local, domain, resource string) (Addr, error) {
	var b strings.Builder
	if local != "" {
		b.WriteString(local)
		b.WriteByte('@')
	}
	b.WriteString(domain)
	if resource != "" {
		b.WriteByte('/')
		b.WriteString(resource)
	}
	a, err := ParseAddr(b.String())
	if err != nil {
		return a, err
	}
	// A separator inside a part would move the borders.
	if (local == "") != (a.local == 0) || (resource == "") != (a.Resource() == "") {
		return Addr{}, ErrAddr
	}
	return a, nil
}

// splitAddr cuts at the first slash, then at the first @ before it (RFC 7622 §3.1).
func splitAddr(s string) (local, domain, resource string, err error) {
	domain = s
	if i := strings.IndexByte(s, '/'); i >= 0 {
		domain, resource = s[:i], s[i+1:]
		if resource == "" {
			return "", "", "", ErrAddr
		}
	}
	if i := strings.IndexByte(domain, '@'); i >= 0 {
		local, domain = domain[:i], domain[i+1:]
		if local == "" {
			return "", "", "", ErrAddr
		}
	}
	if domain == "" || domain[0] == '.' || strings.Contains(domain, "..") || len(local) > maxPart || len(domain) > maxPart || len(resource) > maxPart {
		return "", "", "", ErrAddr
	}
	return local, domain, resource, nil
}

func joinAddr(local, domain, resource string) (Addr, error) {
	if domain == "" {
		return Addr{}, ErrAddr
	}
	n := len(local) + len(domain) + len(resource) + 2
	b := make([]byte, 0, n)
	if local != "" {
		b = append(append(b, local...), '@')
	}
	b = append(b, domain...)
	if resource != "" {
		b = append(append(b, '/'), resource...)
	}
	return Addr{full: string(b), local: int32(len(local)), domainLen: int32(len(domain))}, nil
}

func parseSlow(s string) (Addr, error) {
	j, err := jid.Parse(s)
	if err != nil {
		return Addr{}, ErrAddr
	}
	return joinAddr(j.Localpart(), strings.TrimSuffix(j.Domainpart(), "."), j.Resourcepart())
}

func hasUpper(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return true
		}
	}
	return false
}

func plainLocal(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c <= ' ' || c >= 0x7f:
			return false
		case c == '"' || c == '&' || c == '\'' || c == ':' || c == '<' || c == '>' || c == '@':
			return false
		}
	}
	return true
}

func plainDomain(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_') {
			return false
		}
	}
	return true
}

func plainResource(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// IsZero says that there is no address.
func (a Addr) IsZero() bool { return a.full == "" }

// String is the whole address.
func (a Addr) String() string { return a.full }

// Local is the part before the @, or "".
func (a Addr) Local() string { return a.full[:a.local] }

// Domain is the host.
func (a Addr) Domain() string {
	s := a.domainStart()
	return a.full[s : s+int(a.domainLen)]
}

// Resource is the part behind the first slash, or "".
func (a Addr) Resource() string {
	end := a.domainStart() + int(a.domainLen)
	if end >= len(a.full) {
		return ""
	}
	return a.full[end+1:]
}

func (a Addr) domainStart() int {
	if a.local == 0 {
		return 0
	}
	return int(a.local) + 1
}

// IsBare says that there is no resource.
func (a Addr) IsBare() bool { return a.domainStart()+int(a.domainLen) == len(a.full) }

// IsFull says that there is a resource.
func (a Addr) IsFull() bool { return !a.IsBare() }

// Bare is the address without resource.
func (a Addr) Bare() Addr {
	a.full = a.full[:a.domainStart()+int(a.domainLen)]
	return a
}

// Host is the address of the domain alone.
func (a Addr) Host() Addr {
	return Addr{full: a.Domain(), domainLen: a.domainLen}
}

// WithResource puts another resource; it must be prepared already (taken from an Addr) or plain.
func (a Addr) WithResource(resource string) (Addr, error) {
	return NewAddr(a.Local(), a.Domain(), resource)
}

// WithDomain puts another domain.
func (a Addr) WithDomain(domain string) (Addr, error) {
	return NewAddr(a.Local(), domain, a.Resource())
}
