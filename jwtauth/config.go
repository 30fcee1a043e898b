package jwtauth

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// MinSecretBytes is the shortest shared secret that is accepted without
// AllowShortSecret (RFC 7518, 3.2: a key as long as the hash).
const MinSecretBytes = 32

// Config says which room tokens are accepted. The comment of a field is what the
// operator reads.
type Config struct {
	// AppID is the issuer of our own tokens and, unless Issuers or Audiences say
	// otherwise, the only issuer and audience that is accepted.
	AppID string `yaml:"app_id"`
	// Secret is the key shared with whoever makes tokens, at least 32 bytes.
	// Leave it empty when a public key is configured.
	Secret string `yaml:"secret"`
	// AllowShortSecret accepts a secret of fewer than 32 bytes, as old
	// installations have it. Such a secret can be guessed from one token.
	AllowShortSecret bool `yaml:"allow_short_secret"`
	// Algorithm is the one signature algorithm that is accepted: HS256, HS384 or
	// HS512 with a secret; RS256, RS384, RS512, PS256, PS384, PS512, ES256 or ES384
	// with a public key.
	// Empty means HS256 with a secret and RS256 with a public key.
	Algorithm string `yaml:"algorithm"`
	// PublicKeyFile is a PEM file with one public key or certificate.
	PublicKeyFile string `yaml:"public_key_file"`
	// JWKSFile is a file with a JSON web key set; tokens then name their key in
	// the header kid.
	JWKSFile string `yaml:"jwks_file"`
	// JWKSURL is where such a set is fetched, or an object of PEM certificates by kid.
	// It is fetched again when its answer says it is old, at least once a day.
	JWKSURL string `yaml:"jwks_url"`
	// KeyServer is where single keys are fetched when a token names them: the address,
	// then the SHA-256 of the kid in hexadecimal digits, then ".pem".
	KeyServer string `yaml:"key_server"`
	// KeyTimeout is how long one attempt to fetch keys may take; who logs in waits.
	KeyTimeout time.Duration `yaml:"key_timeout"`
	// KeyCacheSize is how many keys of the key server are remembered.
	KeyCacheSize int `yaml:"key_cache_size"`
	// AllowPlainHTTP lets keys be fetched by http:// from other machines. Whoever sits
	// on the way can then open every room.
	AllowPlainHTTP bool `yaml:"allow_plain_http"`
	// Issuers lists the accepted values of iss; "*" accepts any. Empty: app_id.
	Issuers []string `yaml:"issuers"`
	// Audiences lists the accepted values of aud; "*" accepts any. Empty: app_id.
	Audiences []string `yaml:"audiences"`
	// Leeway is how far the clocks of the maker of tokens and of this server may
	// be apart.
	Leeway time.Duration `yaml:"leeway"`
	// RequireExp refuses tokens that never expire.
	RequireExp bool `yaml:"require_exp"`
	// RequireRoom refuses tokens without the claim room.
	RequireRoom bool `yaml:"require_room"`
	// AllowEmpty lets people without a token in as guests.
	AllowEmpty bool `yaml:"allow_empty"`
	// VerifyDomain compares the claim sub with the domain, or the tenant, of the
	// room that is entered.
	VerifyDomain bool `yaml:"verify_domain"`
}

// DefaultConfig is the strict form: HS256, app id parley, exp, room and domain
// checked, nobody without a token. Only the secret is missing.
func DefaultConfig() Config {
	return Config{
		AppID:        "parley",
		KeyTimeout:   5 * time.Second,
		KeyCacheSize: 128,
		Leeway:       60 * time.Second,
		RequireExp:   true,
		RequireRoom:  true,
		VerifyDomain: true,
	}
}

// Validate names the first key that does not fit.
func (c Config) Validate() error {
	if c.AppID == "" && (len(c.Issuers) == 0 || len(c.Audiences) == 0) {
		return errors.New("app_id: must be set, or issuers and audiences")
	}
	if err := c.validateKeys(); err != nil {
		return err
	}
	if c.Secret != "" && len(c.Secret) < MinSecretBytes && !c.AllowShortSecret {
		return fmt.Errorf("secret: must have at least %d bytes (allow_short_secret accepts fewer)", MinSecretBytes)
	}
	alg, ok := algorithms[c.algorithm()]
	if !ok {
		return fmt.Errorf("algorithm: %q is not one of %v", c.Algorithm, algorithmNames())
	}
	if (alg.family == familyHMAC) != (c.Secret != "") {
		return fmt.Errorf("algorithm: %s does not go with the configured key", c.algorithm())
	}
	if c.Leeway < 0 || c.Leeway > time.Hour {
		return errors.New("leeway: must be between 0 and 1h")
	}
	if slices.Contains(c.Issuers, "") || slices.Contains(c.Audiences, "") {
		return errors.New("issuers, audiences: must not contain an empty name")
	}
	return nil
}

// HasKey says that there is something to check tokens with.
func (c Config) HasKey() bool { return c.Secret != "" || c.HasPublicKey() }

// HasPublicKey says that somebody else makes the tokens.
func (c Config) HasPublicKey() bool { return c.PublicKeyFile != "" || c.JWKSFile != "" || c.remote() }

// remote says that keys are fetched.
func (c Config) remote() bool { return c.JWKSURL != "" || c.KeyServer != "" }

func (c Config) validateKeys() error {
	sources := 0
	for _, s := range []string{c.Secret, c.PublicKeyFile, c.JWKSFile, c.JWKSURL, c.KeyServer} {
		if s != "" {
			sources++
		}
	}
	switch {
	case sources == 0:
		return errors.New("secret: no key is configured: set secret, public_key_file, jwks_file, jwks_url or key_server")
	case sources > 1:
		return errors.New("secret: set only one of secret, public_key_file, jwks_file, jwks_url and key_server")
	case c.KeyTimeout < 100*time.Millisecond || c.KeyTimeout > 10*time.Second:
		return errors.New("key_timeout: must be between 100ms and 10s")
	case c.KeyCacheSize < 1 || c.KeyCacheSize > 10000:
		return errors.New("key_cache_size: must be between 1 and 10000")
	}
	for _, a := range [][2]string{{"jwks_url", c.JWKSURL}, {"key_server", c.KeyServer}} {
		if a[1] == "" {
			continue
		}
		u, err := url.Parse(a[1])
		if err != nil {
			return fmt.Errorf("%s: is no web address", a[0])
		}
		if err := checkKeyURL(u, c.AllowPlainHTTP); err != nil {
			return fmt.Errorf("%s: %w", a[0], err)
		}
	}
	return nil
}

func (c Config) algorithm() string {
	switch {
	case c.Algorithm != "":
		return c.Algorithm
	case c.Secret != "":
		return "HS256"
	}
	return "RS256"
}

func (c Config) issuers() []string {
	if len(c.Issuers) > 0 {
		return c.Issuers
	}
	return []string{c.AppID}
}

func (c Config) audiences() []string {
	if len(c.Audiences) > 0 {
		return c.Audiences
	}
	return []string{c.AppID}
}
