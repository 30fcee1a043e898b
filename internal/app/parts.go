package app

import (
	"context"
	"errors"
	"strconv"

	"parley/bridge"
	"parley/focus"
	"parley/internal/logx"
	meetweb "parley/meet-web"
)

func (in *instance) buildWeb() (*service, error) {
	opts := meetweb.Options{
		DialXMPP: in.dial, DialBridge: in.dial, DialFocus: in.dial,
		GetCertificate: in.certs.get, Metrics: in.metrics, Version: Version,
	}
	if len(in.opts.Parts) > 1 {
		opts.Health = in.health
	}
	web, err := meetweb.New(in.cfg.Web, in.log.WithField(logx.Part, Web), opts)
	if err != nil {
		return nil, err
	}
	if !web.Built() {
		in.log.Warn("this binary was built without the page; run make build")
	}
	in.web = web
	return &service{run: web.Run, ready: web.Ready(), status: func() []string {
		plain, public := in.webListeners()
		var list []string
		for _, a := range []string{public, plain} {
			if a != "" {
				list = append(list, everywhere(a))
			}
		}
		return list
	}}, nil
}

// webListeners are the addresses of the web front: as bound, else as configured.
func (in *instance) webListeners() (plain, public string) {
	plain, public = in.cfg.Web.HTTPListen, in.cfg.Web.HTTPSListen
	if in.web == nil {
		return plain, public
	}
	if a := in.web.HTTPAddr(); a != nil {
		plain = a.String()
	}
	if a := in.web.HTTPSAddr(); a != nil {
		public = a.String()
	}
	return plain, public
}

func (in *instance) buildFocus() (*service, error) {
	while, end := context.WithCancel(context.Background())
	admit, err := in.cfg.admission(while)
	if err != nil {
		end()
		return nil, err
	}
	f, err := focus.New(in.cfg.Focus, in.log.WithField(logx.Part, Focus), focus.Options{
		Dial: in.dial, Metrics: in.metrics, Version: Version, StateDir: in.focusState(), Admit: admit,
	})
	if err != nil {
		end()
		return nil, err
	}
	in.checks = append(in.checks, func() error {
		if !f.Connected() {
			return errors.New("the focus is not logged in to the XMPP server")
		}
		if len(in.services) > 1 && len(f.Bridges()) == 0 {
			return errors.New("the focus knows no bridge")
		}
		return nil
	})
	run := func(ctx context.Context) error {
		defer end()
		return f.Run(ctx)
	}
	return &service{run: run, discard: end, commands: f.Commands(), status: func() []string {
		people := 0
		conferences := f.Conferences()
		for _, c := range conferences {
			people += len(c.Participants)
		}
		return []string{loggedIn(f.Connected()), count(len(conferences), "conference"), count(people, "participant"), count(len(f.Bridges()), "bridge")}
	}}, nil
}

func (in *instance) buildBridge() (*service, error) {
	b, err := bridge.New(in.cfg.Bridge, in.log.WithField(logx.Part, Bridge), bridge.Options{
		Dial: in.dial, Metrics: in.metrics, Version: Version,
	})
	if err != nil {
		return nil, err
	}
	run := b.Run
	if l := in.links[nearBridge]; l != nil {
		run = beside(b.Run, func(context.Context) error { return b.ServeHTTP(l) }, l.Close)
	}
	return &service{run: run, ready: b.Ready(), commands: b.Commands(), patience: b.Patience(), status: func() []string {
		return []string{"server id " + b.ServerID(), "media on udp port " + strconv.Itoa(in.cfg.Bridge.Media.Port)}
	}}, nil
}

// beside runs serve next to run: it begins with it and has ended when it ends.
func beside(run, serve func(context.Context) error, end func() error) func(context.Context) error {
	return func(ctx context.Context) error {
		served := make(chan error, 1)
		go func() { served <- serve(ctx) }()
		err := run(ctx)
		end()
		<-served // its error is that of the end
		return err
	}
}

func loggedIn(yes bool) string {
	if yes {
		return "logged in"
	}
	return "not logged in"
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// health says what keeps this process from carrying a call.
func (in *instance) health(context.Context) error {
	for _, check := range in.checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// focusState is where a focus that runs alone remembers its rooms, so that it
// returns to them when it is started again. With all parts in one process the
// rooms end with it, and there is nothing to return to.
func (in *instance) focusState() string {
	if len(in.opts.Parts) > 1 {
		return ""
	}
	return in.data.path("focus-rooms")
}
