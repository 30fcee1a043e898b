package e2e

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash"
	"slices"
	"strings"
	"sync"
	"time"
)

// makeToken signs the token a person line asks for. Its words:
//
//	token=none|TEXT     no token at all, or this text instead of one
//	alg=HS256           also none, HS512, RS256 (with the secret's HMAC)
//	kid=K               signed with the key of the tests instead, by RS256 unless alg says so
//	typ=JWT             or without=typ
//	secret=TEXT         another secret than the server's
//	iss aud sub room    claims; default parley, parley, the domain, the play's room
//	exp nbf iat         now plus this (1h, -1h); exp=text gives a text
//	without=A,B         leaves claims out
//	top.NAME=true       a claim outside of the context
//	name id moderator affiliation email    of context.user; without=context leaves it out
func makeToken(p map[string]string, srv server, v vars) (string, error) {
	if t, ok := p["token"]; ok {
		if t == "none" {
			return "", nil
		}
		return t, nil
	}
	get := func(key, def string) string {
		if s, ok := p[key]; ok {
			return s
		}
		return def
	}
	claims := map[string]any{
		"iss": get("iss", "parley"), "aud": get("aud", "parley"), "sub": get("sub", srv.domain),
		"room": get("room", v["roomname"]),
	}
	now := time.Now()
	for key, def := range map[string]string{"exp": "1h", "nbf": "-10s", "iat": "0s"} {
		text := get(key, def)
		d, err := time.ParseDuration(text)
		if err != nil {
			claims[key] = text
			continue
		}
		claims[key] = now.Add(d).Unix()
	}
	for key, value := range p {
		if name, ok := strings.CutPrefix(key, "top."); ok {
			claims[name] = value == "true"
		}
	}
	claims["context"] = map[string]any{"user": userOf(p)}
	header := map[string]any{"alg": get("alg", "HS256"), "typ": get("typ", "JWT")}
	for _, w := range strings.Split(get("without", ""), ",") {
		delete(claims, w)
		delete(header, w)
	}
	if kid, ok := p["kid"]; ok {
		header["kid"] = kid
		if p["alg"] == "" {
			return signRSA(header, claims)
		}
	}
	return sign(header, claims, []byte(get("secret", string(srv.secret))))
}

// testKey is the key that others than Parley make tokens with.
var testKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// publicKey is its public half as key servers have it, on one line of a play.
func publicKey() (string, error) {
	key, err := testKey()
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), err
}

func signRSA(header, claims map[string]any) (string, error) {
	header["alg"] = "RS256"
	text, err := unsigned(header, claims)
	if err != nil {
		return "", err
	}
	key, err := testKey()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	return text + "." + base64.RawURLEncoding.EncodeToString(sig), err
}

func userOf(p map[string]string) map[string]any {
	user := map[string]any{}
	for _, key := range []string{"name", "id", "affiliation", "email"} {
		if s, ok := p[key]; ok {
			user[key] = s
		}
	}
	if s, ok := p["moderator"]; ok {
		user["moderator"] = s == "true"
	}
	return user
}

// unsigned is the first two parts of a token.
func unsigned(header, claims map[string]any) (string, error) {
	var parts []string
	for _, v := range []any{header, claims} {
		b, err := json.Marshal(v)
		if err != nil {
			return "", err
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(b))
	}
	return strings.Join(parts, "."), nil
}

func sign(header, claims map[string]any, secret []byte) (string, error) {
	text, err := unsigned(header, claims)
	if err != nil {
		return "", err
	}
	alg := fmt.Sprint(header["alg"])
	if alg == "none" {
		return text + ".", nil
	}
	newHash := func() hash.Hash { return sha256.New() }
	if alg == "HS512" {
		newHash = sha512.New
	} else if !slices.Contains([]string{"HS256", "RS256", "<nil>"}, alg) {
		return "", fmt.Errorf("alg %s cannot be made here", alg)
	}
	mac := hmac.New(newHash, secret)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}
