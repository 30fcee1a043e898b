//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/test/process"
)

// scenario is one row of figures.
type scenario struct {
	name string
	run  func(l *loop, srv *server) (map[string]float64, error)

	// The floor of it: bytes a delivery (0: there is none), receivers, messages, pace.
	size, occupants, messages int
	gap                       time.Duration
}

func (sc scenario) named(words string) bool {
	for w := range strings.FieldsSeq(words) {
		if !strings.Contains(sc.name, w) {
			return false
		}
	}
	return true
}

// bytes a delivery has on the wire; within 5 % the same for all servers.
const (
	chatOnWire     = 475
	presenceOnWire = 1540
)

func (s settings) scenarios() []scenario {
	var all []scenario
	for _, n := range s.sizes {
		messages := max(s.scale*100/n, 50)
		for _, by := range []transport{tcp, webSocket, bosh} {
			all = append(all, traffic("message", by, n, messages, 0), traffic("presence", by, n, messages/2, 0))
		}
	}
	if !s.chosen || slices.Contains(s.sizes, 100) {
		all = append(all, traffic("message", tcp, 100, max(s.scale/5, 40), 25*time.Millisecond), traffic("presence", tcp, 100, max(s.scale/10, 40), 50*time.Millisecond))
	}
	for _, n := range s.sizes {
		all = append(all, joining(tcp, n))
	}
	all = append(all, joining(webSocket, s.sizes[len(s.sizes)-1]))
	for _, by := range []transport{tcp, webSocket} {
		all = append(all, idling(by, s.idle))
	}
	return append(all, idling(bosh, min(s.idle, 1000))) // each has two connections
}

// traffic is groupchat or presence updates in a room of n.
func traffic(kind string, by transport, n, messages int, gap time.Duration) scenario {
	sc := scenario{occupants: n, messages: messages, gap: gap}
	sc.name = fmt.Sprintf("%s, %s, %d occupants", map[string]string{"message": "chat", "presence": "presence"}[kind], by, n)
	if gap > 0 {
		sc.name += fmt.Sprintf(", paced %d/s", time.Second/gap)
	}
	if by == tcp {
		sc.size = map[string]int{"message": chatOnWire, "presence": presenceOnWire}[kind]
	}
	sc.run = func(l *loop, srv *server) (map[string]float64, error) {
		r, err := fill(l, srv, by, "traffic", n)
		if err != nil {
			return nil, err
		}
		if err := r.join(); err != nil {
			return nil, err
		}
		r.start(kind)
		if err := r.full(messages/10 + 1); err != nil { // to warm up
			return nil, err
		}
		return measure(srv.pid(), r, n, messages, func() error {
			if gap > 0 {
				return r.pace(messages, gap)
			}
			return r.full(messages)
		})
	}
	return sc
}

// joining fills a room of n.
func joining(by transport, n int) scenario {
	return scenario{name: fmt.Sprintf("joining, %s, %d occupants", by, n), run: func(l *loop, srv *server) (map[string]float64, error) {
		begin := time.Now()
		r, err := fill(l, srv, by, "joining", n)
		if err != nil {
			return nil, err
		}
		before, err := process.CPU(srv.pid())
		if err != nil {
			return nil, err
		}
		begun := time.Now()
		if err := r.join(); err != nil {
			return nil, err
		}
		took := time.Since(begun)
		after, err := process.CPU(srv.pid())
		if err != nil {
			return nil, err
		}
		each := float64((after - before).Microseconds()) / 1e3 / float64(n)
		return map[string]float64{
			"CPU ms a join": each, "joins/s": float64(n) / took.Seconds(), "all in, log-ins too, s": time.Since(begin).Seconds(),
			// The M-th of n has n/2 before it on average.
			"µs a join and occupant, 0.2 ms off": (each - 0.2) * 1e3 / (float64(n) / 2),
		}, nil
	}}
}

// idling logs n in and lets them be.
func idling(by transport, n int) scenario {
	return scenario{name: fmt.Sprintf("log-ins, %s, %d sessions", by, n), run: func(l *loop, srv *server) (map[string]float64, error) {
		before, err := process.CPU(srv.pid())
		if err != nil {
			return nil, err
		}
		memory, err := process.Resident(srv.pid())
		if err != nil {
			return nil, err
		}
		begin := time.Now()
		if _, err := login(l, srv, by, n); err != nil {
			return nil, err
		}
		took := time.Since(begin)
		after, err := process.CPU(srv.pid())
		if err != nil {
			return nil, err
		}
		grown, err := process.Resident(srv.pid())
		if err != nil {
			return nil, err
		}
		return map[string]float64{
			"log-ins/s": float64(n) / took.Seconds(), "CPU ms a log-in": float64((after - before).Microseconds()) / 1e3 / float64(n),
			"KiB a session": float64(grown-memory) / float64(n),
		}, nil
	}}
}
