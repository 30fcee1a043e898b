package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"parley/internal/logx"
	"parley/internal/xmppclient"
)

// maxConnections bounds the XMPP connections that may be added while the bridge runs.
const maxConnections = 32

// connections are the ways to XMPP servers: those of the configuration, and those that
// were added since by REST. mu guards its fields; nothing is called while it is held.
type connections struct {
	mu      sync.Mutex
	list    []*connection
	running context.Context // starts what is added; nil before Run
	work    *sync.WaitGroup
}

// all is a snapshot of the list.
func (c *connections) all() []*connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*connection(nil), c.list...)
}

// run connects everything, and what is added from now on, until ctx is done; work counts
// the goroutines.
func (c *connections) run(ctx context.Context, work *sync.WaitGroup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running, c.work = ctx, work
	for _, x := range c.list {
		c.startLocked(x)
	}
}

func (c *connections) startLocked(x *connection) {
	ctx, cancel := context.WithCancel(c.running)
	x.cancel = cancel
	c.work.Go(func() { _ = x.client.Run(ctx) })
}

// add takes in a connection. One with the same id is replaced and returned, unless it leads
// to the same place: then the new one is not needed.
func (c *connections) add(x *connection) (replaced *connection, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running != nil && c.running.Err() != nil {
		return nil, errors.New("the bridge is stopping")
	}
	for i, o := range c.list {
		if o.id != x.id {
			continue
		}
		if o.place() == x.place() {
			return nil, nil
		}
		c.list[i], replaced = x, o
	}
	if replaced == nil {
		if len(c.list) >= maxConnections {
			return nil, fmt.Errorf("%d connections are the most there can be", maxConnections)
		}
		c.list = append(c.list, x)
	}
	if c.running != nil {
		c.startLocked(x)
	}
	return replaced, nil
}

// remove takes a connection out; nil if there is none of that id.
func (c *connections) remove(id string) *connection {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, o := range c.list {
		if o.id == id {
			c.list = append(c.list[:i:i], c.list[i+1:]...)
			return o
		}
	}
	return nil
}

// place is what makes two connections lead to the same place.
func (c *connection) place() [3]string {
	return [3]string{c.cfg.Address, c.cfg.Domain, c.cfg.Username}
}

// close takes leave and ends the connection.
func (c *connection) close(ctx context.Context) {
	c.leave(ctx)
	if c.cancel != nil {
		c.cancel()
	}
}

// mucClient is a connection as POST /colibri/muc-client/add describes it. Jitsi's own
// tools write all values as texts.
type mucClient struct {
	ID          string `json:"id"`
	Hostname    string `json:"hostname"`
	Port        textOr `json:"port"`
	Domain      string `json:"domain"`
	Username    string `json:"username"`
	Password    string `json:"password"`
	Rooms       textOr `json:"muc_jids"`
	Nick        string `json:"muc_nickname"`
	Unverified  textOr `json:"disable_certificate_verification"`
	SecurityMod string `json:"security_mode"`
}

// textOr is a value written as a text, or as the number, bool or list of texts it is; then
// it is the text of it, lists with commas.
type textOr string

// UnmarshalJSON implements json.Unmarshaler.
func (t *textOr) UnmarshalJSON(b []byte) error {
	var v any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return err
	}
	switch v := v.(type) {
	case string:
		*t = textOr(v)
	case json.Number:
		*t = textOr(v.String())
	case bool:
		*t = textOr(strconv.FormatBool(v))
	case []any:
		var parts []string
		for _, p := range v {
			s, ok := p.(string)
			if !ok {
				return errors.New("a list must hold texts")
			}
			parts = append(parts, s)
		}
		*t = textOr(strings.Join(parts, ","))
	default:
		return errors.New("neither a text, a number nor a list")
	}
	return nil
}

// config is the connection in our own words.
func (m mucClient) config() (XMPPConfig, error) {
	x := XMPPConfig{Config: xmppclient.Config{
		Domain: m.Domain, Username: m.Username, Password: m.Password, TLS: xmppclient.TLSIfPossible,
	}, Nick: m.Nick}
	port := string(m.Port)
	if port == "" {
		port = "5222"
	}
	x.Address = net.JoinHostPort(m.Hostname, port)
	if x.Domain == "" {
		x.Domain = m.Hostname
	}
	for _, r := range strings.Split(string(m.Rooms), ",") {
		if r = strings.TrimSpace(r); r != "" {
			x.Rooms = append(x.Rooms, r)
		}
	}
	x.InsecureSkipVerify = strings.EqualFold(string(m.Unverified), "true")
	switch strings.ToLower(m.SecurityMod) {
	case "":
	case "required":
		x.TLS = xmppclient.TLSRequired
	case "ifpossible":
	case "disabled":
		x.TLS = xmppclient.TLSDisabled
	default:
		return x, fmt.Errorf("security_mode: %q is not required, ifpossible or disabled", m.SecurityMod)
	}
	if m.ID == "" || m.Hostname == "" {
		return x, errors.New("id and hostname are needed")
	}
	return x, x.validate()
}

// decodeBody reads a request's JSON strictly enough: one object, of bounded size.
func decodeBody(w http.ResponseWriter, r *http.Request, v any) bool {
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(v)
	if err != nil {
		http.Error(w, "the body is not the JSON object that is needed", http.StatusBadRequest)
	}
	return err == nil
}

func (s *Service) serveAddClient(w http.ResponseWriter, r *http.Request) {
	var m mucClient
	if !decodeBody(w, r, &m) {
		return
	}
	x, err := m.config()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c, err := s.connect(x, s.random)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.id = m.ID
	replaced, err := s.connections.add(c)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	if replaced != nil {
		replaced.close(r.Context())
	}
	s.log.WithField(logx.Name, m.ID).Info("XMPP connection added")
}

func (s *Service) serveRemoveClient(w http.ResponseWriter, r *http.Request) {
	var m struct {
		ID string `json:"id"`
	}
	if !decodeBody(w, r, &m) {
		return
	}
	c := s.connections.remove(m.ID)
	if c == nil {
		http.Error(w, "there is no connection of that id", http.StatusNotFound)
		return
	}
	c.close(r.Context())
	s.log.WithField(logx.Name, m.ID).Info("XMPP connection removed")
}

func (s *Service) serveClients(w http.ResponseWriter, _ *http.Request) {
	ids := []string{}
	for _, c := range s.connections.all() {
		ids = append(ids, c.id)
	}
	writeJSON(w, ids)
}
