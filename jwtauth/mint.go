package jwtauth

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Grant is what a new token shall say.
type Grant struct {
	// Room is the room name, or "*" for every room.
	Room string
	// Subject is the XMPP domain (or the tenant) the token is for.
	Subject string
	// User is who holds it; empty fields are left out of the token.
	ID, Name, Email, Avatar string
	// Moderator says whether the holder moderates; the token states it either way.
	Moderator bool
	// Group and Features become context.group and context.features.
	Group    string
	Features map[string]bool
	// NotBefore, when set, is the moment from which on the token is valid.
	NotBefore time.Time
	// TTL is how long it is valid from now on.
	TTL time.Duration
}

// Mint makes a token that a Verifier of the same configuration accepts. It needs
// a shared secret: with public keys somebody else makes the tokens.
func Mint(cfg Config, g Grant, now time.Time) (string, error) {
	if err := cfg.Validate(); err != nil {
		return "", err
	}
	switch {
	case cfg.Secret == "":
		return "", errors.New("tokens are made elsewhere: no shared secret is configured")
	case g.Room == "":
		return "", errors.New("a token needs a room, or * for every room")
	case g.Subject == "":
		return "", errors.New("a token needs a subject: the XMPP domain")
	case g.TTL <= 0:
		return "", errors.New("a token needs a positive life time")
	}
	user := map[string]any{"moderator": g.Moderator}
	for k, v := range map[string]string{"id": g.ID, "name": g.Name, "email": g.Email, "avatar": g.Avatar} {
		if v != "" {
			user[k] = v
		}
	}
	ctx := map[string]any{"user": user}
	if g.Group != "" {
		ctx["group"] = g.Group
	}
	if g.Features != nil {
		ctx["features"] = g.Features
	}
	claims := jwt.MapClaims{
		"iss": first(cfg.issuers(), cfg.AppID), "aud": first(cfg.audiences(), cfg.AppID),
		"sub": g.Subject, "room": g.Room, "iat": now.Unix(), "exp": now.Add(g.TTL).Unix(), "context": ctx,
	}
	if !g.NotBefore.IsZero() {
		claims["nbf"] = g.NotBefore.Unix()
	}
	signed, err := jwt.NewWithClaims(algorithms[cfg.algorithm()].method, claims).SignedString([]byte(cfg.Secret))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	if len(signed) > MaxTokenBytes {
		return "", fmt.Errorf("the token would have %d bytes, at most %d are accepted", len(signed), MaxTokenBytes)
	}
	return signed, nil
}

// first is the first concrete name of a list in which "*" stands for any.
func first(list []string, fallback string) string {
	for _, s := range list {
		if s != "*" {
			return s
		}
	}
	if fallback != "" {
		return fallback
	}
	return "parley"
}
