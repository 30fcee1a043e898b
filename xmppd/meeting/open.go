package meeting

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// calling is the key under which a room remembers that the focus was called.
type calling struct{}

// installOpen lets password accounts open rooms: ordinary clients know nothing of
// conference requests, so the server makes one for them, and the join waits until
// the focus is in.
func (m *Rules) installOpen(h *muc.Hooks) {
	if !m.cfg.AccountsOpenRooms {
		return
	}
	h.OnCreate(50, openRule, func(j *muc.Join) muc.Outcome {
		if j.Admin || !account(j.Session) {
			return muc.Continue
		}
		m.callFocus(j)
		m.refuseLater(j)
		return muc.Hold
	})
}

// callFocus sends the conference request in the name of who wants to enter. A call
// that is under way is enough for all who wait.
func (m *Rules) callFocus(j *muc.Join) {
	r := j.Room
	if r.Value(calling{}) != nil {
		return
	}
	r.SetValue(calling{}, true)
	m.focusCalls.Add(1)
	// The focus wants to know machines apart; an account is one.
	uid := sha256.Sum256([]byte(j.From.Bare().String()))
	var b stanza.Builder
	b.Empty(ns.Focus, "conference", "room", r.Addr().String(), "machine-uid", hex.EncodeToString(uid[:16]))
	req := stanza.New(stanza.IQ, stanza.Set, j.From, m.focus, "").WithContent(b.Bytes())
	began := time.Now()
	// A little longer than the joins wait, so that those it was made for are gone.
	m.rt.Call(req, m.cfg.FocusTimeout+50*time.Millisecond, func(answer *stanza.Stanza) {
		r.Post(func() { m.focusAnswered(r, answer, time.Since(began)) })
	})
}

// focusAnswered ends the wait at once when the focus cannot come. When it can, its
// own join releases those who wait. When it said nothing, whoever came later than
// the call still has time, and is called for again.
func (m *Rules) focusAnswered(r *muc.Room, answer *stanza.Stanza, took time.Duration) {
	r.SetValue(calling{}, nil)
	if answer.Type != stanza.ErrorType {
		return
	}
	r.Log().WithField(logx.IQ, answer.String()).Debug("conference request failed")
	for _, rule := range []string{openRule, lockRule} {
		for _, j := range r.Held(rule) {
			switch {
			case took < m.cfg.FocusTimeout:
				m.focusTimeouts.Add(1)
				r.Refuse(j, refusalIn(answer))
			case account(j.Session):
				m.callFocus(j)
			}
		}
	}
}

// refusalIn is what somebody hears for whom no meeting begins: why, if the room is
// reserved for others.
func refusalIn(answer *stanza.Stanza) *stanza.Error {
	var e struct {
		Text     string    `xml:"text"`
		Reserved *struct{} `xml:"reservation-error"`
	}
	if c, ok := answer.Child(ns.Client, "error"); ok && answer.Decode(c, &e) == nil && e.Reserved != nil {
		return stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, e.Text)
	}
	return errNoFocus
}
