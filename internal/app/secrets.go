package app

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"go.yaml.in/yaml/v4"

	"parley/internal/config"
	"parley/jwtauth"
)

// Secrets are what the parts know each other by. They are made at the first
// start and kept, so that old links and other parts go on working.
type Secrets struct {
	TokenSecret     string `yaml:"token_secret"`     // signs room tokens
	FocusPassword   string `yaml:"focus_password"`   // of focus@auth.DOMAIN
	BridgePassword  string `yaml:"bridge_password"`  // of jvb@auth.DOMAIN
	FocusComponent  string `yaml:"focus_component"`  // of focus.DOMAIN
	BridgeComponent string `yaml:"bridge_component"` // of jitsi-videobridge.DOMAIN
}

const secretsHead = `# Made by parley at its first start. Whoever reads this can enter every room:
# keep it to yourself. A removed line is made anew at the next start.
`

// loadSecrets reads the file and makes what is missing. Parts that start at the
// same moment agree: one makes the file, the others wait.
func (d data) loadSecrets() (Secrets, error) {
	l, err := d.waitLock("secrets")
	if err != nil {
		return Secrets{}, err
	}
	defer l.release()
	s, err := d.readSecrets()
	if err == nil {
		err = d.explain(closeToOthers(d.secrets()))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Secrets{}, err
	}
	if !s.fill() {
		return s, nil
	}
	text, err := yaml.Marshal(s)
	if err != nil {
		return Secrets{}, fmt.Errorf("write the secrets: %w", err)
	}
	if err := writePrivate(d.secrets(), append([]byte(secretsHead), text...)); err != nil {
		return Secrets{}, d.explain(fmt.Errorf("write the secrets: %w", err))
	}
	return s, nil
}

// readSecrets reads what the file holds; it may be less than all, and there may be none.
func (d data) readSecrets() (s Secrets, err error) {
	text, err := os.ReadFile(d.secrets())
	if err != nil {
		return s, d.explain(fmt.Errorf("read the secrets: %w", err))
	}
	if err := config.Decode(d.secrets(), text, nil, &s); err != nil {
		return s, fmt.Errorf("%w; mend the line, or move the file away (old links and parts elsewhere then need new secrets)", err)
	}
	if s.TokenSecret != "" && len(s.TokenSecret) < jwtauth.MinSecretBytes {
		return s, fmt.Errorf("%s: token_secret: must have at least %d bytes; without the line a new one is made", d.secrets(), jwtauth.MinSecretBytes)
	}
	return s, nil
}

// fill makes what is missing and says whether anything was.
func (s *Secrets) fill() bool {
	changed := false
	for _, field := range []*string{&s.TokenSecret, &s.FocusPassword, &s.BridgePassword, &s.FocusComponent, &s.BridgeComponent} {
		if *field == "" {
			var random [32]byte
			rand.Read(random[:]) // never fails
			*field = base64.RawURLEncoding.EncodeToString(random[:])
			changed = true
		}
	}
	return changed
}
