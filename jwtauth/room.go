package jwtauth

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Room names the room a session wants to enter, in the server's own form.
type Room struct {
	// Node is the local part of the room's address, with the tenant in front
	// where there is one: "demo", "[tenant]demo".
	Node string
	// Host is the domain of the rooms, such as conference.meet.example.com.
	Host string
	// Domain is the XMPP domain the sub claim names; Host without its first label
	// when empty.
	Domain string
	// RefuseGuests is set for rooms that want a token though guests are allowed
	// on the server.
	RefuseGuests bool
}

// AllowRoom tells whether a session with these verified claims, nil for a guest,
// may enter a room that exists. The error is always a *RoomError.
//
// With VerifyDomain upstream says of a wrong room only that room and token do not
// match, as it does of a wrong domain. Here a wrong room is told as such, so that
// people learn which it is.
func (v *Verifier) AllowRoom(c *Claims, room Room) error {
	if err := v.allowRoom(c, room); err != nil {
		return err
	}
	return nil
}

func (v *Verifier) allowRoom(c *Claims, room Room) *RoomError {
	if room.Node == "" {
		return ErrRoomAddress
	}
	if c == nil {
		if v.cfg.AllowEmpty && !room.RefuseGuests {
			return nil
		}
		return ErrAuthRequired
	}
	node := strings.ToLower(room.Node)
	claim := strings.ToLower(c.Room)
	if !v.cfg.VerifyDomain && !c.RoomRegex {
		if claim == "" || claim == "*" || sameRoom(claim, node) || strings.HasSuffix(node, "]"+claim) {
			return nil
		}
		return ErrRoomMismatch
	}
	tenant, name := splitTenant(node)
	switch {
	case claim == "*":
		claim = name
	case c.RoomRegex:
		var err *RoomError
		if claim, err = matchPattern(c.Room, name); err != nil {
			return err
		}
	}
	if claim == "" {
		if v.cfg.RequireRoom {
			return ErrRoomName
		}
		return nil
	}
	switch {
	case sameRoom(claim, name):
	case c.RoomRegex:
		return ErrRoomName
	default:
		return ErrRoomMismatch
	}
	if !v.cfg.VerifyDomain {
		return nil
	}
	return checkSubject(strings.ToLower(c.Subject), tenant, room)
}

// sameRoom compares a claim with a room's name. Those who make tokens write names as
// people do; pages put what is not plain ASCII into addresses with percent signs. The
// claim is never decoded: "%2a" must not become a star.
func sameRoom(claim, name string) bool {
	return claim == name || pageForm(claim) == name
}

// pageForm is how pages make an address of a room's name: encodeURIComponent of the
// normalised name, all in small letters.
func pageForm(name string) string {
	var b strings.Builder
	for _, c := range []byte(strings.ToLower(norm.NFKC.String(name))) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-_.!~*'()", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String()
}

// checkSubject compares sub with the tenant, or without one with the domain.
func checkSubject(sub, tenant string, room Room) *RoomError {
	want := tenant
	if want == "" {
		want = room.Domain
	}
	if want == "" {
		_, after, found := strings.Cut(room.Host, ".")
		if !found {
			return ErrServerConfig
		}
		want = after
	}
	if sub == "*" || sub == strings.ToLower(want) {
		return nil
	}
	return ErrDomainMismatch
}

// splitTenant takes "[tenant]name" apart.
func splitTenant(node string) (tenant, name string) {
	if rest, ok := strings.CutPrefix(node, "["); ok {
		if t, n, ok := strings.Cut(rest, "]"); ok {
			return t, n
		}
	}
	return "", node
}

// maxPattern bounds the room pattern of a token.
const maxPattern = 512

// matchPattern matches a room name against the pattern of a token and returns
// the matched part, or the first capture.
func matchPattern(pattern, name string) (string, *RoomError) {
	if len(pattern) > maxPattern {
		return "", ErrRoomPattern
	}
	expr, err := translateLua(pattern)
	if err != nil {
		return "", ErrRoomPattern
	}
	// A parenthesis too many would end the group below instead of being a mistake.
	if _, err := regexp.Compile(expr); err != nil {
		return "", ErrRoomPattern
	}
	re, err := regexp.Compile("(?i:" + expr + ")")
	if err != nil {
		return "", ErrRoomPattern
	}
	re.Longest()
	m := re.FindStringSubmatch(name)
	if m == nil {
		return "", ErrRoomName
	}
	if len(m) > 1 {
		return m[1], nil
	}
	return m[0], nil
}

// luaClasses are the character classes of Lua patterns in RE2's words, without
// the brackets.
var luaClasses = map[byte]string{
	'a': `A-Za-z`, 'd': `0-9`, 'l': `a-z`, 'u': `A-Z`, 'w': `A-Za-z0-9`, 'x': `A-Fa-f0-9`, 's': `\s`, 'p': `[:punct:]`,
}

var errPattern = errors.New("pattern not understood")

// translateLua turns the common forms of a Lua pattern into RE2: %-classes,
// %-escapes, and "-" as the lazy repetition after ".", a class or a set. After a
// plain character "-" means itself, as those who write "team-a" expect. What Lua
// does not know is left alone, so plain regular expressions work too. %b and %f
// are not supported.
func translateLua(p string) (string, error) {
	var b strings.Builder
	inSet, repeatable := false, false
	for i := 0; i < len(p); i++ {
		ch := p[i]
		wasRepeatable := repeatable
		repeatable = false
		switch {
		case ch == '%':
			i++
			if i == len(p) {
				return "", errPattern
			}
			s, class, err := luaEscape(p[i], inSet)
			if err != nil {
				return "", err
			}
			b.WriteString(s)
			repeatable = class && !inSet
		case inSet:
			b.WriteByte(ch)
			if ch == ']' {
				inSet, repeatable = false, true
			}
		case ch == '[':
			inSet = true
			b.WriteByte(ch)
		case ch == '-' && wasRepeatable:
			b.WriteString("*?")
		case ch == '-':
			b.WriteString(`\-`)
		default:
			b.WriteByte(ch)
			repeatable = ch == '.'
		}
	}
	return b.String(), nil
}

// luaEscape translates what stands behind a percent sign.
func luaEscape(ch byte, inSet bool) (s string, class bool, err error) {
	lower := ch | 0x20
	if set, ok := luaClasses[lower]; ok && (ch == lower || ch >= 'A' && ch <= 'Z') {
		negated := ch != lower
		switch {
		case inSet && negated:
			return "", false, errPattern
		case inSet:
			return set, true, nil
		case negated:
			return "[^" + set + "]", true, nil
		}
		return "[" + set + "]", true, nil
	}
	if ch >= '0' && ch <= '9' || ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' {
		return "", false, errPattern
	}
	return regexp.QuoteMeta(string(rune(ch))), false, nil
}
