package meeting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"parley/xmppd/stanza"
)

// ReservationConfig says which server knows when a room may be held.
type ReservationConfig struct {
	// URL is where that server's addresses begin: rooms are asked for at URL/conference.
	// Empty: every room may be held at any time.
	URL string `yaml:"url"`
	// Headers go with each request, for instance Authorization.
	Headers map[string]string `yaml:"headers"`
	// Timeout is how long the server may take for an answer.
	Timeout time.Duration `yaml:"timeout"`
	// Retries is how often a server is asked again that cannot be reached or says that
	// it is broken.
	Retries int `yaml:"retries"`
	// RetryDelay is the time between two attempts.
	RetryDelay time.Duration `yaml:"retry_delay"`
	// MaxOccupants lets a reservation say how many people may enter.
	MaxOccupants bool `yaml:"max_occupants"`
	// Lobby lets a reservation switch on a lobby.
	Lobby bool `yaml:"lobby"`
	// Password lets a reservation set a password.
	Password bool `yaml:"password"`
}

func defaultReservations() ReservationConfig {
	return ReservationConfig{Timeout: 20 * time.Second, Retries: 3, RetryDelay: 3 * time.Second}
}

// validate names the first key that does not fit.
func (c ReservationConfig) validate() error {
	if c.URL == "" {
		return nil
	}
	switch {
	case c.Retries < 0 || c.Retries > 10:
		return errors.New("retries: must be between 0 and 10")
	case c.RetryDelay < 0 || c.RetryDelay > time.Minute:
		return errors.New("retry_delay: must be between 0 and 1m")
	}
	return validServer(c.URL, c.Timeout, time.Minute)
}

// maxBooking bounds an answer of the reservation server.
const maxBooking = 64 << 10

// booking is a reservation as the server describes it.
type booking struct {
	ID           anyText `json:"id"`
	Name         string  `json:"name"`
	Start        string  `json:"start_time"`
	Duration     anyText `json:"duration"` // seconds
	MaxOccupants int     `json:"max_occupants"`
	Lobby        bool    `json:"lobby"`
	Password     string  `json:"password"`

	ends time.Time
}

// anyText is a number or a text: servers write ids and durations either way.
type anyText string

// UnmarshalJSON implements json.Unmarshaler.
func (t *anyText) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = anyText(s)
		return nil
	}
	var n json.Number
	err := json.Unmarshal(b, &n)
	*t = anyText(n)
	return err
}

// startForms are the ways to write a time that reservation servers use.
var startForms = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700"}

// parseBooking reads a reservation for a room.
func parseBooking(data []byte, node string) (booking, error) {
	var b booking
	if err := json.Unmarshal(data, &b); err != nil {
		return b, errors.New("it is no JSON object of the right form")
	}
	seconds, err := strconv.ParseFloat(string(b.Duration), 64)
	switch {
	case b.ID == "":
		return b, errors.New("id is missing")
	case !strings.EqualFold(b.Name, node):
		return b, fmt.Errorf("name is not %q", node)
	case err != nil || seconds <= 0:
		return b, errors.New("duration is no positive number of seconds")
	case b.MaxOccupants < 0:
		return b, errors.New("max_occupants is negative")
	case len(b.Password) > 1023:
		return b, errors.New("password is too long")
	}
	for _, form := range startForms {
		if start, err := time.Parse(form, b.Start); err == nil {
			const forever = 10 * 365 * 24 * 3600
			b.ends = start.Add(time.Duration(min(seconds, forever) * float64(time.Second)))
			return b, nil
		}
	}
	return b, errors.New("start_time is no time")
}

// request asks for a room, and again if the server cannot be reached. A refusal is
// never nil without a booking.
func (s *reservations) request(node string, by stanza.Addr) (b booking, refusal *refusedBooking) {
	form := url.Values{"name": {node}, "start_time": {time.Now().UTC().Format("2006-01-02T15:04:05.000Z")}, "mail_owner": {by.String()}}
	for try := 0; ; try++ {
		status, data, err := s.call(http.MethodPost, "", form)
		if status == http.StatusConflict {
			var c struct {
				ID anyText `json:"conflict_id"`
			}
			if json.Unmarshal(data, &c) == nil && c.ID != "" {
				status, data, err = s.call(http.MethodGet, string(c.ID), nil)
				if err == nil && status != http.StatusOK {
					status = http.StatusConflict
				}
			}
		}
		again := err != nil || status >= 500
		switch {
		case isTimeout(err):
			return b, &refusedBooking{codeInternal, "Reservation lookup timed out"}
		case again && try < s.cfg.Retries && s.pause():
			s.rules.log.WithError(err).WithField("status", status).Warn("reservation server is asked again")
			continue
		case err != nil:
			s.rules.log.WithError(err).Warn("reservation server cannot be reached")
			return b, &refusedBooking{codeInternal, "Reservation lookup failed"}
		case status != http.StatusOK && status != http.StatusCreated:
			return b, &refusedBooking{status, messageIn(data)}
		}
		if b, err = parseBooking(data, node); err != nil {
			s.rules.log.WithError(err).Warn("answer of the reservation server cannot be used")
			return b, &refusedBooking{codeInternal, "The answer of the reservation server cannot be used"}
		}
		return b, nil
	}
}

// messageIn is what a refusal says to people.
func messageIn(data []byte) string {
	var v struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(data, &v) == nil && v.Message != "" && len(v.Message) <= 1000 {
		return v.Message
	}
	return "Rejected by reservation server"
}

// pause waits for the next attempt; false if there is none any more.
func (s *reservations) pause() bool {
	t := time.NewTimer(s.cfg.RetryDelay)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.rules.ctx.Done():
		return false
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// remove gives a reservation back.
func (s *reservations) remove(id anyText) error {
	status, _, err := s.call(http.MethodDelete, string(id), nil)
	if err == nil && status >= 300 && status != http.StatusNotFound {
		err = &statusError{strconv.Itoa(status)}
	}
	return err
}

// call is one request to the reservation server: for conferences, or for one of them.
func (s *reservations) call(method, id string, form url.Values) (status int, data []byte, err error) {
	ctx, cancel := context.WithTimeout(s.rules.ctx, s.cfg.Timeout)
	defer cancel()
	address := strings.TrimSuffix(s.cfg.URL, "/") + "/conference"
	if id != "" {
		address += "/" + url.PathEscape(id)
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return 0, nil, err
	}
	for name, value := range s.cfg.Headers {
		req.Header.Set(name, value)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := s.rules.web.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err = io.ReadAll(io.LimitReader(res.Body, maxBooking+1))
	if err == nil && len(data) > maxBooking {
		err = fmt.Errorf("the answer has more than %d bytes", maxBooking)
	}
	return res.StatusCode, data, err
}
