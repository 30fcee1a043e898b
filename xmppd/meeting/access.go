package meeting

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"parley/jwtauth"
)

// AccessConfig says which server knows who is shut out although his token is good.
type AccessConfig struct {
	// URL is asked at each log-in with a token, which is shown as "Authorization: Bearer".
	// Whoever gets the answer {"access": false} may not log in. Empty: nobody is asked.
	URL string `yaml:"url"`
	// Timeout is how long a log-in waits for the answer. Without one it goes on.
	Timeout time.Duration `yaml:"timeout"`
}

func (c AccessConfig) validate() error {
	if c.URL == "" {
		return nil
	}
	return validServer(c.URL, c.Timeout, 10*time.Second)
}

// How long answers are remembered, how many, and how many are waited for at one time.
const (
	bannedTime   = 5 * time.Minute
	welcomeTime  = 30 * time.Second
	maxAnswers   = 10000
	maxQuestions = 32
	maxAnswer    = 4 << 10
)

// errBanned is the answer at log-in to who is shut out.
var errBanned = &jwtauth.Error{Kind: jwtauth.Banned, Text: "user is banned", Condition: "not-allowed"}

// access asks another server about the holders of tokens (mod_muc_auth_ban). A server that
// does not answer keeps nobody out.
type access struct {
	cfg   AccessConfig
	web   *http.Client
	slots chan struct{} // a token for each question under way

	mu      sync.Mutex // guards answers; leaf lock
	answers map[[sha256.Size]byte]verdict
}

type verdict struct {
	banned bool
	until  time.Time
}

func newAccess(cfg AccessConfig, web *http.Client) *access {
	return &access{cfg: cfg, web: web, slots: make(chan struct{}, maxQuestions), answers: make(map[[sha256.Size]byte]verdict)}
}

// banned says whether the holder of a token is shut out; with an error he is not known to be.
func (a *access) banned(ctx context.Context, token string) (bool, error) {
	if a.cfg.URL == "" {
		return false, nil
	}
	key := sha256.Sum256([]byte(token))
	if v, ok := a.remembered(key); ok {
		return v, nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	banned, err := a.ask(ctx, token)
	if err != nil {
		return false, err
	}
	v := verdict{banned, time.Now().Add(welcomeTime)}
	if banned {
		v.until = time.Now().Add(bannedTime)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.answers) >= maxAnswers {
		clear(a.answers)
	}
	a.answers[key] = v
	return banned, nil
}

func (a *access) remembered(key [sha256.Size]byte) (banned, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	v, ok := a.answers[key]
	if ok && !time.Now().Before(v.until) {
		delete(a.answers, key)
		return false, false
	}
	return v.banned, ok
}

func (a *access) ask(ctx context.Context, token string) (banned bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.cfg.URL, nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := a.web.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return false, err
	}
	if res.StatusCode != http.StatusOK {
		return false, &statusError{res.Status}
	}
	var v struct {
		Access *bool `json:"access"`
	}
	if json.Unmarshal(data, &v) != nil || v.Access == nil {
		return false, errors.New("the answer does not say whether there is access")
	}
	return !*v.Access, nil
}
