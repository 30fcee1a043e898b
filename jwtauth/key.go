package jwtauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"os"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

type family uint8

const (
	familyHMAC family = iota
	familyRSA
	familyECDSA
)

type algorithm struct {
	family family
	method jwt.SigningMethod
}

// algorithms is every algorithm that can be configured. One verifier accepts
// exactly one of them, so a public key can never be taken for a secret.
var algorithms = map[string]algorithm{
	"HS256": {familyHMAC, jwt.SigningMethodHS256},
	"HS384": {familyHMAC, jwt.SigningMethodHS384},
	"HS512": {familyHMAC, jwt.SigningMethodHS512},
	"RS256": {familyRSA, jwt.SigningMethodRS256},
	"RS384": {familyRSA, jwt.SigningMethodRS384},
	"RS512": {familyRSA, jwt.SigningMethodRS512},
	"ES256": {familyECDSA, jwt.SigningMethodES256},
	"ES384": {familyECDSA, jwt.SigningMethodES384},
	"PS256": {familyRSA, jwt.SigningMethodPS256},
	"PS384": {familyRSA, jwt.SigningMethodPS384},
	"PS512": {familyRSA, jwt.SigningMethodPS512},
}

func algorithmNames() []string { return slices.Sorted(maps.Keys(algorithms)) }

const (
	maxKeyFile = 1 << 20
	minRSABits = 2048
)

// keyring holds the keys of one verifier: one for all tokens, or one per kid, from a
// file or from a server.
type keyring struct {
	single any
	byID   map[string]any
	remote *remote
}

// named says that tokens have to name their key.
func (k keyring) named() bool { return k.byID != nil || k.remote != nil }

// find is the key of a kid.
func (k keyring) find(ctx context.Context, kid string, now time.Time) (any, error) {
	if k.remote != nil {
		return k.remote.key(ctx, kid, now)
	}
	if key := k.byID[kid]; key != nil {
		return key, nil
	}
	return nil, errNoKey
}

func loadKeys(c Config, report func(Fetch)) (keyring, error) {
	fam := algorithms[c.algorithm()].family
	switch {
	case c.Secret != "":
		return keyring{single: []byte(c.Secret)}, nil
	case c.PublicKeyFile != "":
		data, err := readKeyFile(c.PublicKeyFile)
		if err != nil {
			return keyring{}, fmt.Errorf("public_key_file: %w", err)
		}
		key, err := parsePublicPEM(data)
		if err == nil {
			err = fits(key, fam)
		}
		if err != nil {
			return keyring{}, fmt.Errorf("public_key_file: %s: %w", c.PublicKeyFile, err)
		}
		return keyring{single: key}, nil
	case c.remote():
		return keyring{remote: newRemote(c, report)}, nil
	}
	data, err := readKeyFile(c.JWKSFile)
	if err != nil {
		return keyring{}, fmt.Errorf("jwks_file: %w", err)
	}
	keys, err := parseJWKS(data, fam)
	if err != nil {
		return keyring{}, fmt.Errorf("jwks_file: %s: %w", c.JWKSFile, err)
	}
	return keyring{byID: keys}, nil
}

func readKeyFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxKeyFile {
		return nil, fmt.Errorf("%s: more than %d bytes is no key file", name, maxKeyFile)
	}
	return os.ReadFile(name)
}

// parsePublicPEM reads the first public key or certificate of a PEM file.
func parsePublicPEM(data []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("no PEM block")
	}
	switch block.Type {
	case "CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		return cert.PublicKey, nil
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	}
	return nil, fmt.Errorf("PEM block %q is no public key", block.Type)
}

// fits tells whether a key is of the family and strong enough.
func fits(key any, fam family) error {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if fam != familyRSA {
			return errors.New("an RSA key does not go with the algorithm")
		}
		if k.N.BitLen() < minRSABits {
			return fmt.Errorf("RSA key of %d bits, at least %d are needed", k.N.BitLen(), minRSABits)
		}
		return nil
	case *ecdsa.PublicKey:
		if fam != familyECDSA {
			return errors.New("an EC key does not go with the algorithm")
		}
		return nil
	}
	return fmt.Errorf("key type %T is not supported", key)
}

type jwk struct {
	Kty string `json:"kty"`
	Kid string `json:"kid"`
	Use string `json:"use"`
	N   string `json:"n"`
	E   string `json:"e"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

// parseJWKS reads a key set (RFC 7517, 5). Keys of other families and keys for
// encryption are skipped, a broken key of ours is an error.
func parseJWKS(data []byte, fam family) (map[string]any, error) {
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	keys := make(map[string]any)
	for i, k := range set.Keys {
		want := (k.Kty == "RSA" && fam == familyRSA) || (k.Kty == "EC" && fam == familyECDSA)
		if !want || k.Use == "enc" {
			continue
		}
		key, err := k.public()
		if err == nil {
			err = fits(key, fam)
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("key %d: %w", i, err)
		case k.Kid == "":
			return nil, fmt.Errorf("key %d: kid is missing", i)
		case keys[k.Kid] != nil:
			return nil, fmt.Errorf("key %d: kid %q is there twice", i, k.Kid)
		}
		keys[k.Kid] = key
	}
	if len(keys) == 0 {
		return nil, errors.New("no key in the set goes with the algorithm")
	}
	return keys, nil
}

// maxSetKeys bounds a fetched set.
const maxSetKeys = 1000

// parseKeySet reads a key set that was fetched: a JSON web key set, or an object of PEM
// certificates or keys by kid. Such a set is made for many readers, so keys we cannot
// use are passed over.
func parseKeySet(data []byte, fam family) (map[string]any, error) {
	var set map[string]json.RawMessage
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	keys := make(map[string]any)
	take := func(kid string, key any, err error) {
		if err == nil && kid != "" && len(keys) < maxSetKeys && fits(key, fam) == nil {
			keys[kid] = key
		}
	}
	var list []jwk
	if raw, ok := set["keys"]; ok && json.Unmarshal(raw, &list) == nil {
		for _, k := range list {
			if k.Use == "enc" || k.Kty != "RSA" && k.Kty != "EC" {
				continue
			}
			key, err := k.public()
			take(k.Kid, key, err)
		}
	} else {
		for kid, raw := range set {
			var text string
			if json.Unmarshal(raw, &text) == nil {
				key, err := parsePublicPEM([]byte(text))
				take(kid, key, err)
			}
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no key in the set goes with the algorithm")
	}
	return keys, nil
}

func (k jwk) public() (crypto.PublicKey, error) {
	if k.Kty == "RSA" {
		n, err := number(k.N)
		if err != nil {
			return nil, fmt.Errorf("n: %w", err)
		}
		e, err := number(k.E)
		if err != nil {
			return nil, fmt.Errorf("e: %w", err)
		}
		if !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 || e.Bit(0) == 0 {
			return nil, errors.New("e: not a usable exponent")
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
	}
	curve, ok := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384()}[k.Crv]
	if !ok {
		return nil, fmt.Errorf("crv: %q is not supported", k.Crv)
	}
	x, err := coordinate(k.X, curve)
	if err != nil {
		return nil, fmt.Errorf("x: %w", err)
	}
	y, err := coordinate(k.Y, curve)
	if err != nil {
		return nil, fmt.Errorf("y: %w", err)
	}
	// The uncompressed point (SEC 1, 2.3.3); parsing checks that it is on the curve.
	return ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
}

func number(s string) (*big.Int, error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 {
		return nil, errors.New("is missing")
	}
	return new(big.Int).SetBytes(raw), nil
}

func coordinate(s string, curve elliptic.Curve) ([]byte, error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, err
	}
	if size := (curve.Params().BitSize + 7) / 8; len(raw) != size {
		return nil, fmt.Errorf("has %d bytes instead of %d", len(raw), size)
	}
	return raw, nil
}
