package app

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"parley/jwtauth"
)

// linkLife is how long the links of the start text are good.
const linkLife = 24 * time.Hour

// randomRoom makes a room name nobody guesses and people can read aloud: about
// 50 bits.
func randomRoom() string {
	const consonants, vowels = "bdfghjklmnprstvz", "aeiou"
	var b strings.Builder
	for i, c := range randomBytes(16) {
		switch {
		case i == 6 || i == 12:
			b.WriteByte('-')
			fallthrough
		case i%2 == 0:
			b.WriteByte(consonants[int(c)%len(consonants)])
		default:
			b.WriteByte(vowels[int(c)%len(vowels)]) // 256 is not a multiple of five; a bias of one part in 256 is harmless
		}
	}
	return b.String()
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// bases are the addresses a browser may open the page at: for this machine
// first, then for other devices.
type bases struct {
	local  string   // http://localhost:8000, or "" without a plain listener
	others []string // https://192.0.2.7:8443, …
}

// basesOf reads the web front's listeners.
func basesOf(httpListen, httpsListen string) bases {
	var b bases
	if host, port, err := net.SplitHostPort(httpListen); err == nil {
		if ip := net.ParseIP(host); host == "" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified()) {
			host = "localhost"
		}
		b.local = "http://" + net.JoinHostPort(host, port)
	}
	host, port, err := net.SplitHostPort(httpsListen)
	if err != nil {
		return b
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		for _, a := range machineAddresses() {
			b.others = append(b.others, "https://"+net.JoinHostPort(a.String(), port))
		}
		if len(b.others) == 0 {
			b.others = []string{"https://" + net.JoinHostPort("localhost", port)}
		}
		return b
	}
	b.others = []string{"https://" + net.JoinHostPort(host, port)}
	return b
}

// all lists every base, the best for a person at this machine first.
func (b bases) all() []string {
	if b.local == "" {
		return b.others
	}
	return append([]string{b.local}, b.others...)
}

// grant is what a link shall open.
type grant struct {
	room, name string
	moderator  bool
	life       time.Duration
}

// token makes a room token for the domain.
func (c *Config) token(g grant, now time.Time) (string, error) {
	return jwtauth.Mint(*c.tokens(), jwtauth.Grant{
		Room: g.room, Subject: c.Domain, Name: g.name, Moderator: g.moderator, TTL: g.life,
	}, now)
}

// roomLink is a room's address with its token.
func roomLink(base, room, token string) string {
	return fmt.Sprintf("%s/%s?jwt=%s", base, url.PathEscape(room), token)
}

func joinWords(words []string) string { return strings.Join(words, ", ") }
