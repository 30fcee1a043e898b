package jwtauth

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

const rooms = "conference.meet.example.com"

func claims(room, sub string, regex bool) *Claims {
	return &Claims{Room: room, Subject: sub, RoomRegex: regex}
}

// The matrix of verify_room in Jitsi's token/util.lib.lua, with the cases recorded from the
// real server.
func TestAllowRoom(t *testing.T) {
	const dom = "meet.example.com"
	cases := []struct {
		name   string
		verify bool // domain verification
		claims *Claims
		node   string
		want   error
	}{
		{"same name", false, claims("demo", dom, false), "demo", nil},
		{"other name", false, claims("other", dom, false), "demo", ErrRoomMismatch},
		{"any", false, claims("*", "x", false), "demo", nil},
		{"claim in capitals", false, claims("Demo", dom, false), "demo", nil},
		{"written plainly", false, claims("Größe 1", dom, false), "gr%c3%b6%c3%9fe%201", nil},
		{"written as in addresses", true, claims("gr%C3%B6%C3%9Fe", dom, false), "gr%c3%b6%c3%9fe", nil},
		{"written plainly, in a tenant", true, claims("ä", "t1", false), "[t1]%c3%a4", nil},
		{"decomposed", true, claims("a\u0308", dom, false), "%c3%a4", nil},
		{"an encoded star is no star", true, claims("%2a", dom, false), "demo", ErrRoomMismatch},
		{"an encoded star, no domain", false, claims("%2A", dom, false), "demo", ErrRoomMismatch},
		{"claims are not decoded", true, claims("%64emo", dom, false), "demo", ErrRoomMismatch},
		{"tenant form", false, claims("demo", dom, false), "[t]demo", nil},
		{"name of another tenant's room", false, claims("emo", dom, false), "[t]demo", ErrRoomMismatch},
		{"absent", false, claims("", dom, false), "demo", nil},
		{"no node", false, claims("*", dom, false), "", ErrRoomAddress},

		{"domain and name", true, claims("demo", dom, false), "demo", nil},
		{"domain in capitals", true, claims("demo", "MEET.example.com", false), "demo", nil},
		{"sub any", true, claims("*", "*", false), "demo", nil},
		{"other domain", true, claims("*", "other.example.com", false), "demo", ErrDomainMismatch},
		{"other room", true, claims("other", dom, false), "demo", ErrRoomMismatch},
		{"tenant", true, claims("*", "t1", false), "[t1]demo", nil},
		{"other tenant", true, claims("*", "t2", false), "[t1]demo", ErrDomainMismatch},
		{"tenant room, domain token", true, claims("demo", dom, false), "[t1]demo", ErrDomainMismatch},
		{"tenant any", true, claims("demo", "*", false), "[t1]demo", nil},
		{"no claim", true, claims("", dom, false), "demo", ErrRoomName},

		{"pattern", true, claims("dem.*", dom, true), "demo", nil},
		{"pattern in capitals", true, claims("DEM.*", dom, true), "demo", nil},
		{"pattern without match", true, claims("xyz.*", dom, true), "demo", ErrRoomName},
		{"pattern matches a part", true, claims("dem", dom, true), "demo", ErrRoomName},
		{"pattern broken", true, claims("de(mo", dom, true), "demo", ErrRoomPattern},
		{"pattern with a parenthesis too many", true, claims("demo)|(x", dom, true), "demo", ErrRoomPattern},
		{"pattern too long", true, claims(strings.Repeat("a", 600), dom, true), "demo", ErrRoomPattern},
		{"pattern without regex flag", true, claims("dem.*", dom, false), "demo", ErrRoomMismatch},
		{"classes", true, claims("%a+%-%d%d", dom, true), "team-42", nil},
		{"classes negated", true, claims("%a+%D%d+", dom, true), "team-42", nil},
		{"class in a set", true, claims("[%w-]+", dom, true), "team-42", nil},
		{"literal hyphen", true, claims("team-.*", dom, true), "team-42", nil},
		{"lazy", true, claims("t.-2", dom, true), "team-42", nil},
		{"balanced is not supported", true, claims("%b()", dom, true), "demo", ErrRoomPattern},
		{"alternatives", true, claims("team|team%-42", dom, true), "team-42", nil},
		{"percent at the end", true, claims("a%", dom, true), "a", ErrRoomPattern},
		{"tenant and pattern", true, claims("d.+", "t1", true), "[t1]demo", nil},
		{"pattern without domain check", false, claims("d.+", "x", true), "demo", nil},
		{"capture", true, claims("(demo)", dom, true), "demo", nil},
		{"capture of a part", true, claims("(de)mo", dom, true), "demo", ErrRoomName},

		{"guest", true, nil, "demo", ErrAuthRequired},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := verifier(t, func(cfg *Config) { cfg.VerifyDomain = c.verify })
			err := v.AllowRoom(c.claims, Room{Node: c.node, Host: rooms})
			if c.want == nil {
				assert.NoError(t, err)
			} else {
				assert.Equal(t, c.want, err)
			}
		})
	}
}

func TestAllowRoomGuests(t *testing.T) {
	v := verifier(t, func(c *Config) { c.AllowEmpty = true })
	assert.NoError(t, v.AllowRoom(nil, Room{Node: "demo", Host: rooms}))
	assert.Equal(t, error(ErrAuthRequired), v.AllowRoom(nil, Room{Node: "demo", Host: rooms, RefuseGuests: true}))
	assert.Equal(t, error(ErrServerConfig), v.AllowRoom(claims("demo", "x", false), Room{Node: "demo", Host: "rooms"}))
	assert.NoError(t, v.AllowRoom(claims("demo", "x", false), Room{Node: "demo", Host: "rooms", Domain: "X"}))
}
