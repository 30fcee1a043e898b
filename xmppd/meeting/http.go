package meeting

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"parley/internal/wire/ns"
	"parley/jwtauth"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// HTTPConfig says what the server tells and does by HTTP about meetings.
type HTTPConfig struct {
	// SizeNeedsToken gives the size of a room and the list of who is inside only to
	// who shows a token for it.
	SizeNeedsToken bool `yaml:"size_needs_token"`
	// InfoNeedsToken says whether a room has a lobby or a password only to who shows
	// a token for it.
	InfoNeedsToken bool `yaml:"info_needs_token"`
	// System says which tokens let other services end meetings, put people out or
	// write to them; without a key nobody may.
	System jwtauth.Config `yaml:"system"`
}

// hasSystem says that there is a key to check these tokens with.
func (c HTTPConfig) hasSystem() bool { return c.System.HasKey() }

// maxHTTPBody bounds a request, and roomTime how long a room may take to answer.
const (
	maxHTTPBody = 64 << 10
	roomTime    = 5 * time.Second
)

// Routes are the answers to other services by path, as mod_muc_size, mod_muc_census,
// mod_muc_password_check, mod_muc_end_meeting, mod_muc_kick_participant and
// mod_system_chat_message give them. sessions counts who is logged in.
func (m *Rules) Routes(sessions func() int) (map[string]http.HandlerFunc, error) {
	routes := map[string]http.HandlerFunc{
		"/room-size":   m.answerSize,
		"/room":        m.answerRoom,
		"/room-census": m.answerCensus,
		"/room-info":   m.answerRoomInfo,
		"/sessions": func(w http.ResponseWriter, r *http.Request) {
			if only(w, r, http.MethodGet) {
				_, _ = io.WriteString(w, strconv.Itoa(sessions()))
			}
		},
	}
	if !m.cfg.HTTP.hasSystem() {
		return routes, nil
	}
	v, err := jwtauth.NewVerifier(m.cfg.HTTP.System)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(m.ctx, v.Close)
	routes["/end-meeting"] = system(v, http.MethodPost, m.endMeeting)
	routes["/kick-participant"] = system(v, http.MethodPut, m.kickParticipant)
	routes["/send-system-chat-message"] = system(v, http.MethodPost, m.systemChat)
	return routes, nil
}

// only answers requests with another method.
func only(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	for _, m := range methods {
		if r.Method == m {
			return true
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	w.WriteHeader(http.StatusMethodNotAllowed)
	return false
}

// system guards what only other services may ask.
func system(v *jwtauth.Verifier, method string, next func(*http.Request) int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !only(w, r, method) {
			return
		}
		token, ok := bearer(r)
		if ok {
			_, err := v.Verify(r.Context(), token, time.Now())
			ok = err == nil
		}
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxHTTPBody)
		w.WriteHeader(next(r))
	}
}

func bearer(r *http.Request) (string, bool) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	token = strings.TrimSpace(token)
	return token, ok && token != ""
}

// in asks a room on its goroutine; false if there is none or it does not answer.
func in[T any](ctx context.Context, h *muc.Host, room stanza.Addr, f func(*muc.Room) T) (T, bool) {
	ctx, cancel := context.WithTimeout(ctx, roomTime)
	defer cancel()
	answer := make(chan T, 1)
	var none T
	if h.Do(room, func(r *muc.Room) { answer <- f(r) }) != nil {
		return none, false
	}
	select {
	case v := <-answer:
		return v, true
	case <-ctx.Done():
		return none, false
	}
}

// queried is the room a query means: room and tenant, on our host.
func (m *Rules) queried(q url.Values, tenant string) (stanza.Addr, bool) {
	node := strings.ToLower(q.Get("room"))
	if node == "" {
		return stanza.Addr{}, false
	}
	if t := strings.ToLower(q.Get(tenant)); t != "" {
		node = "[" + t + "]" + node
	}
	a, err := stanza.NewAddr(node, m.host.Domain(), "")
	return a, err == nil
}

// mayLearn checks a token for a room.
func (m *Rules) mayLearn(ctx context.Context, token string, room stanza.Addr) bool {
	if m.verifier == nil || token == "" {
		return false
	}
	c, err := m.verifier.Verify(ctx, token, time.Now())
	if err != nil || c == nil {
		return false
	}
	return m.verifier.AllowRoom(c, jwtauth.Room{Node: room.Local(), Host: room.Domain(), Domain: m.cfg.Domain}) == nil
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v)
}

// sized is the room of a question for its size, or the status that answers it.
func (m *Rules) sized(r *http.Request) (stanza.Addr, int) {
	q := r.URL.Query()
	room, ok := m.queried(q, "subdomain")
	label, _, _ := strings.Cut(m.host.Domain(), ".")
	switch {
	case !ok:
		return room, http.StatusBadRequest
	case m.cfg.HTTP.SizeNeedsToken && !m.mayLearn(r.Context(), q.Get("token"), room):
		return room, http.StatusForbidden
	case q.Get("domain") != "" && label+"."+strings.ToLower(q.Get("domain")) != m.host.Domain():
		return room, http.StatusNotFound
	}
	return room, 0
}

func (m *Rules) answerSize(w http.ResponseWriter, r *http.Request) {
	if !only(w, r, http.MethodGet) {
		return
	}
	room, status := m.sized(r)
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	n, ok := in(r.Context(), m.host, room, func(r *muc.Room) int { return len(r.Occupants()) })
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if n > 1 {
		n-- // the focus
	}
	reply(w, map[string]int{"participants": n})
}

type personInfo struct {
	JID   string `json:"jid"`
	Email string `json:"email"`
	Name  string `json:"display_name"`
}

func (m *Rules) answerRoom(w http.ResponseWriter, r *http.Request) {
	if !only(w, r, http.MethodGet) {
		return
	}
	room, status := m.sized(r)
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	list, ok := in(r.Context(), m.host, room, func(r *muc.Room) []personInfo {
		out := []personInfo{}
		for _, o := range r.Occupants() {
			if o.Nick() == m.cfg.FocusNick {
				continue
			}
			p := personInfo{JID: o.Addr().String(), Name: displayName(o)}
			if c, ok := o.Presence().Child(ns.Client, "email"); ok {
				p.Email = o.Presence().ChildText(c)
			}
			out = append(out, p)
		}
		return out
	})
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	reply(w, list)
}

type censusEntry struct {
	Room         string `json:"room_name"`
	Participants int    `json:"participants"`
	Created      string `json:"created_time"`
	Leaked       bool   `json:"leaked"`
}

// answerCensus lists all meetings.
func (m *Rules) answerCensus(w http.ResponseWriter, r *http.Request) {
	if !only(w, r, http.MethodGet) {
		return
	}
	list := []censusEntry{}
	for _, room := range m.host.Rooms() {
		if strings.HasPrefix(room.Address, healthPrefix) {
			continue
		}
		e := censusEntry{Room: room.Address, Participants: max(0, len(room.Occupants)-1), Created: room.Details[fieldCreated], Leaked: true}
		for _, o := range room.Occupants {
			for _, real := range o.Real {
				if a, err := stanza.ParseAddr(real); err == nil && o.Nick != m.cfg.FocusNick && m.rt.Session(a) != nil {
					e.Leaked = false
				}
			}
		}
		list = append(list, e)
	}
	reply(w, map[string]any{"room_census": list})
}

// answerRoomInfo says what somebody needs to know before he enters, and whether a
// password is right.
func (m *Rules) answerRoomInfo(w http.ResponseWriter, r *http.Request) {
	if !only(w, r, http.MethodGet, http.MethodPut) {
		return
	}
	room, ok := m.queried(r.URL.Query(), "prefix")
	token, _ := bearer(r)
	switch {
	case !ok:
		w.WriteHeader(http.StatusBadRequest)
		return
	case m.cfg.HTTP.InfoNeedsToken && !m.mayLearn(r.Context(), token, room):
		w.WriteHeader(http.StatusForbidden)
		return
	}
	var given struct {
		Passcode string `json:"passcode"`
	}
	if r.Method == http.MethodPut && (r.Header.Get("Content-Type") != "application/json" ||
		json.NewDecoder(http.MaxBytesReader(w, r.Body, maxHTTPBody)).Decode(&given) != nil) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	answer, ok := in(r.Context(), m.host, room, func(room *muc.Room) map[string]any {
		if r.Method == http.MethodPut {
			return map[string]any{"valid": samePassword(given.Passcode, room.Password())}
		}
		return map[string]any{"conference": room.Addr().String(), "passcodeProtected": room.Password() != "",
			"lobbyEnabled": !stateOf[lobby](room).addr.IsZero()}
	})
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	reply(w, answer)
}
