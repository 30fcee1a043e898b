package meeting

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// validServer names the key that does not fit, of those each server has that we ask or tell
// something by HTTP: its address, and how long it may take, at most most.
func validServer(address string, timeout, most time.Duration) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("url: is no web address")
	case timeout < 100*time.Millisecond || timeout > most:
		return fmt.Errorf("timeout: must be between 100ms and %gs", most.Seconds())
	}
	return nil
}

// sameQuestion follows a server only to where it is asked the same: a POST that was sent on
// as a GET looks like success, and our headers are neither for another host nor, once they
// were encrypted, for anybody on the way.
func sameQuestion(req *http.Request, via []*http.Request) error {
	first := via[0]
	if req.Method != first.Method || req.URL.Host != first.URL.Host || len(via) > 3 ||
		first.URL.Scheme == "https" && req.URL.Scheme != "https" {
		return http.ErrUseLastResponse
	}
	return nil
}
