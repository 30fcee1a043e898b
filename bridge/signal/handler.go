package signal

import (
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"parley/bridge/conference"
	"parley/internal/logx"
	"parley/internal/wire/colibri"
	"parley/internal/wire/ns"
	"parley/internal/xmppclient"
)

// slow is how long a request may take before it is worth a line in the log.
const slow = 100 * time.Millisecond

// Conferences carries out requests; reply is called once, at any time.
type Conferences interface {
	Modify(req conference.Request, reply func(conference.Response, error))
}

// Features are what disco#info says of a bridge.
func Features() []string {
	return []string{ns.Colibri2, ns.HealthCheck, ns.DTLS, ns.ICEUDP, ns.Version}
}

// Handler answers the focus.
type Handler struct {
	conferences Conferences
	healthy     func() error
	log         *logrus.Entry
}

// NewHandler makes a handler; healthy says what is wrong with the bridge, if anything.
func NewHandler(c Conferences, healthy func() error, log *logrus.Entry) *Handler {
	return &Handler{conferences: c, healthy: healthy, log: log}
}

// Register makes the handler answer what comes over a connection from those who may ask.
func (h *Handler) Register(c *xmppclient.Client, allowed func(from string) bool) {
	guard := func(f func(*xmppclient.Request)) xmppclient.IQHandler {
		return func(r *xmppclient.Request) {
			if !allowed(r.From) {
				r.Fail(xmppclient.NewError(xmppclient.Forbidden, "only members of the bridge's room may ask"))
				return
			}
			f(r)
		}
	}
	c.HandleIQ(ns.Colibri2, "conference-modify", guard(h.handleModify))
	c.HandleIQ(ns.HealthCheck, "healthcheck", guard(h.handleHealth))
}

func (h *Handler) handleModify(r *xmppclient.Request) {
	h.Modify(r.Stanza, func(m *colibri.Modified, err *xmppclient.StanzaError) {
		if err != nil {
			r.Fail(err)
			return
		}
		r.Reply(m)
	})
}

func (h *Handler) handleHealth(r *xmppclient.Request) {
	if err := h.healthy(); err != nil {
		r.Fail(xmppclient.NewError(xmppclient.InternalServerError, err.Error()))
		return
	}
	r.Reply(nil)
}

// Modify reads a conference-modify and has it carried out; answer is called once.
func (h *Handler) Modify(st *xmppclient.Stanza, answer func(*colibri.Modified, *xmppclient.StanzaError)) {
	began := time.Now()
	var m colibri.Modify
	if err := st.DecodePayload(&m); err != nil {
		answer(nil, stanzaError(badRequest("the request cannot be read"), &m))
		return
	}
	req, err := request(&m)
	if err != nil {
		answer(nil, stanzaError(err, &m))
		return
	}
	h.conferences.Modify(req, func(resp conference.Response, err error) {
		if took := time.Since(began); took > slow {
			h.log.WithField(logx.MeetingID, logx.Shorten(m.MeetingID, 64)).WithField(logx.Duration, took).
				Warn("request of the focus took long")
		}
		if err == nil {
			answer(modified(resp), nil)
			return
		}
		se := stanzaError(err, &m)
		if internal(se) {
			h.log.WithError(err).WithField(logx.MeetingID, logx.Shorten(m.MeetingID, 64)).
				Error("request of the focus failed")
		}
		answer(nil, se)
	})
}

// FromRooms allows the occupants of rooms.
func FromRooms(rooms []string) func(from string) bool {
	set := make(map[string]bool, len(rooms))
	for _, r := range rooms {
		set[strings.ToLower(r)] = true
	}
	return func(from string) bool {
		return xmppclient.Resource(from) != "" && set[strings.ToLower(xmppclient.Bare(from))]
	}
}

// FromList allows addresses by their bare form, or everybody of a domain.
func FromList(list []string) func(from string) bool {
	set := make(map[string]bool, len(list))
	for _, a := range list {
		set[strings.ToLower(a)] = true
	}
	return func(from string) bool {
		bare := strings.ToLower(xmppclient.Bare(from))
		return set[bare] || set[strings.ToLower(xmppclient.Domain(from))]
	}
}
