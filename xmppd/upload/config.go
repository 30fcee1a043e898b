package upload

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Config says whether and how files can be uploaded.
type Config struct {
	// Enabled turns uploads on.
	Enabled bool `yaml:"enabled"`
	// Directory keeps the files. It is made if it does not exist. Empty: upload in the
	// data directory.
	Directory string `yaml:"directory"`
	// URL is where clients reach /upload/ of http_listen: through the web front, for
	// instance https://meet.example.com/upload/, or by a proxy with a name of its own.
	// Empty: https, the domain and the port of web.https_listen.
	URL string `yaml:"url"`
	// MaxFile is the largest file, in bytes.
	MaxFile int64 `yaml:"max_file"`
	// MaxDaily is how many bytes one account may upload within a day.
	MaxDaily int64 `yaml:"max_daily"`
	// MaxTotal is how many bytes are kept together; then nothing more is taken.
	MaxTotal int64 `yaml:"max_total"`
	// MaxAge is how long a file is kept.
	MaxAge time.Duration `yaml:"max_age"`
}

// DefaultConfig takes nothing until it is enabled.
func DefaultConfig() Config {
	return Config{MaxFile: 10 << 20, MaxDaily: 100 << 20, MaxTotal: 10 << 30, MaxAge: 7 * 24 * time.Hour}
}

// Validate names the first key that does not fit.
func (c Config) Validate() error {
	if !c.Enabled {
		return nil
	}
	u, err := url.Parse(c.URL)
	switch {
	case c.Directory == "":
		return errors.New("directory: must be set")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || !strings.HasSuffix(u.Path, "/"):
		return fmt.Errorf("url: %q is not an http(s) address that ends with a slash", c.URL)
	case c.MaxFile < 1:
		return errors.New("max_file: must be at least 1")
	case c.MaxDaily < c.MaxFile:
		return errors.New("max_daily: must not be less than max_file")
	case c.MaxTotal < c.MaxFile:
		return errors.New("max_total: must not be less than max_file")
	case c.MaxAge < time.Minute:
		return errors.New("max_age: must be at least 1m")
	}
	return nil
}

const (
	slotTime   = 5 * time.Minute // from the slot to the end of the upload
	sweepEvery = 10 * time.Minute
	storeTime  = 10 * time.Second
	maxWaiting = 50 // slots of one account that nothing was put into yet
	// maxDailyFiles bounds very small files.
	maxDailyFiles = 1000

	maxName = 255 // bytes of a file's name
	maxType = 127
)
