package xmppd

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"parley/internal/logx"
	"parley/internal/wire/ns"
	"parley/xmppd/dataform"
	"parley/xmppd/module"
)

// What Run returns when an administrator ended the server (XEP-0133 §4.30, §4.31).
var (
	ErrShutdown = errors.New("an administrator shut the server down")
	ErrRestart  = errors.New("an administrator restarts the server")
)

// delays are how long the server may wait before it goes, in seconds.
var delays = []string{"30", "60", "90", "120", "180", "240", "300", "600", "900"}

// leaving ends the server at an administrator's word, once.
type leaving struct {
	mu    sync.Mutex // guards the fields below; leaf lock
	timer *time.Timer
	ended bool

	now chan error // why the server is to end
}

func newLeaving() *leaving { return &leaving{now: make(chan error, 1)} }

// after sets when to go; what was set before no longer counts.
func (l *leaving) after(d time.Duration, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer = time.AfterFunc(d, func() {
		select {
		case l.now <- why:
		default: // it is going already
		}
	})
}

// end says that the server stops anyway.
func (l *leaving) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if l.timer != nil {
		l.timer.Stop()
	}
}

func (a *administration) leaveCommands() []adhocCommand {
	ask := func() *dataform.Form {
		f := &dataform.Form{Type: "form", FormType: ns.Admin}
		f.Add("delay", "list-single", "Seconds until then", delays[0])
		f.Fields[0].Options = delays
		return f.Add("announcement", "text-multi", "What to tell those who are here")
	}
	return []adhocCommand{
		{"restart", "Restart the service", ask, a.leave(ErrRestart)},
		{"shutdown", "Shut the service down", ask, a.leave(ErrShutdown)},
	}
}

func (a *administration) leave(why error) func(*module.Request, dataform.Values) (*dataform.Form, []byte, string) {
	return func(r *module.Request, v dataform.Values) (*dataform.Form, []byte, string) {
		delay, ok := v.Text("delay")
		if !ok {
			delay = delays[0]
		}
		if !slices.Contains(delays, delay) {
			return nil, nil, "Choose one of the delays."
		}
		seconds, _ := strconv.Atoi(delay)
		if text := strings.Join(v["announcement"], "\n"); strings.TrimSpace(text) != "" {
			for _, u := range a.Server.users {
				for _, s := range u.All() {
					if s.Available() && !s.Info().Anonymous {
						a.say(s, text)
					}
				}
			}
		}
		a.log.WithField(logx.Address, logx.JID(r.From.Bare().String())).WithField(logx.Reason, why.Error()).Warn("the server goes at an administrator's word")
		a.leaving.after(time.Duration(seconds)*time.Second, why)
		return nil, nil, ""
	}
}
