package jwtauth

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Claims is what a verified token says. It is not changed after Verify returned
// it and may be shared.
type Claims struct {
	Room     string   // room: a name, "*", or a pattern when RoomRegex is set
	Subject  string   // sub: XMPP domain, tenant, or "*"
	Issuer   string   // iss
	Audience []string // aud, always as a list
	Expires  time.Time
	// NotBefore and IssuedAt are zero when the token does not have them.
	NotBefore, IssuedAt time.Time

	User   User
	Group  string // context.group
	Tenant string // context.tenant
	// RoomRegex says that Room is a pattern (context.room.regex).
	RoomRegex bool
	// Features is context.features; nil when the token has none, which is not the
	// same as having none switched on.
	Features map[string]bool
	// Moderator is the claim moderator of the top level, as some deployments
	// write it.
	Moderator Statement

	// Raw is the whole body as decoded by encoding/json.
	Raw map[string]any
}

// User is context.user.
type User struct {
	ID, Name, Email, Avatar string
	Affiliation             string
	Moderator               Statement
	HiddenFromRecorder      bool
	// Fields holds every plain value of context.user as text, known or not.
	Fields map[string]string
}

// Statement is a claim that may be true, false, or not made.
type Statement uint8

// The three things a claim can say.
const (
	Unstated Statement = iota
	No
	Yes
)

func statement(v any) Statement {
	switch v := v.(type) {
	case bool:
		if v {
			return Yes
		}
		return No
	case string:
		switch strings.ToLower(v) {
		case "true":
			return Yes
		case "false":
			return No
		}
	}
	return Unstated
}

// IsModerator applies the order every part of a meeting uses: an explicit no
// anywhere wins, then any explicit yes; a token that says nothing makes nobody
// moderator.
func (c *Claims) IsModerator() bool {
	if c == nil || c.User.Moderator == No || c.Moderator == No {
		return false
	}
	switch strings.ToLower(c.User.Affiliation) {
	case "owner", "moderator", "teacher":
		return true
	case "member":
		return false
	}
	return c.User.Moderator == Yes || c.Moderator == Yes
}

// newClaims reads the body of a token. Only claims that decide something are
// strict; the rest is taken when it has the usual type.
func newClaims(body map[string]any) (*Claims, *Error) {
	c := &Claims{Raw: body, Room: text(body["room"]), Subject: text(body["sub"]), Issuer: text(body["iss"]), Moderator: statement(body["moderator"])}
	var err *Error
	if c.Expires, err = when(body, "exp"); err != nil {
		return nil, err
	}
	if c.NotBefore, err = when(body, "nbf"); err != nil {
		return nil, err
	}
	// A wrong iat decides nothing, so it is only left out.
	c.IssuedAt, _ = when(body, "iat")
	switch aud := body["aud"].(type) {
	case string:
		c.Audience = []string{aud}
	case []any:
		for _, a := range aud {
			if s, ok := a.(string); ok {
				c.Audience = append(c.Audience, s)
			}
		}
	}
	c.context(object(body["context"]))
	if id := text(body["user_id"]); id != "" && c.User.Fields == nil {
		c.User = User{ID: id, Fields: map[string]string{"id": id}}
	}
	return c, nil
}

func (c *Claims) context(ctx map[string]any) {
	c.Group = text(ctx["group"])
	c.Tenant = text(ctx["tenant"])
	c.RoomRegex = statement(object(ctx["room"])["regex"]) == Yes
	if f, ok := ctx["features"].(map[string]any); ok {
		c.Features = make(map[string]bool, len(f))
		for name, v := range f {
			c.Features[name] = statement(v) == Yes
		}
	}
	u, ok := ctx["user"].(map[string]any)
	if !ok {
		return
	}
	fields := make(map[string]string, len(u))
	for k, v := range u {
		if s, ok := plain(v); ok {
			fields[k] = s
		}
	}
	avatar := fields["avatar"]
	if avatar == "" {
		avatar = fields["avatarUrl"]
	}
	c.User = User{
		ID: fields["id"], Name: fields["name"], Email: fields["email"], Avatar: avatar,
		Affiliation: fields["affiliation"], Moderator: statement(u["moderator"]),
		HiddenFromRecorder: statement(u["hidden-from-recorder"]) == Yes, Fields: fields,
	}
}

// latest is the last second a NumericDate may name: the year 9999.
const latest = 253402300799

// when reads a NumericDate (RFC 7519, 2). A missing one is the zero time.
func when(body map[string]any, name string) (time.Time, *Error) {
	v, present := body[name]
	if !present || v == nil {
		return time.Time{}, nil
	}
	f, ok := v.(float64)
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		return time.Time{}, refuse(Malformed, name+" must be number")
	}
	f = max(0, min(f, latest))
	return time.UnixMilli(int64(f * 1000)), nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func plain(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}
