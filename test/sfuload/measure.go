//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"parley/test/process"
)

// figures are what a window gave.
type figures struct {
	rate     float64 // packets that arrived, a second
	cost     float64 // µs of processor time a packet
	share    float64 // of one core
	run      float64 // datagrams a message
	lost     float64 // of what was to be forwarded, in percent
	late     float64 // what the load itself did not send in time, in percent
	p50, p99 float64 // ms
}

// forwarder is what is measured: a bridge or a floor.
type forwarder interface {
	pid() int
	counts() (packets, messages uint64, err error)
	stop()
}

func (f *floor) pid() int { return f.cmd.Process.Pid }

// hall is a forwarder with its participants.
type hall struct {
	forwarder
	e       *engine
	clients []*client
	// fan says who gets what, by SSRC.
	fan map[uint32][]int
}

func (h *hall) close() {
	h.e.do(func() {
		for _, s := range h.e.sources {
			s.on = false
		}
		for _, c := range h.clients {
			c.checks = false
		}
	})
	var leaving sync.WaitGroup
	for _, c := range h.clients {
		leaving.Go(c.leave)
	}
	leaving.Wait()
	h.e.close()
	h.stop()
}

// atFloor brings a shape's people to a floor.
func atFloor(kind floorKind, s shape, core int) (h *hall, err error) {
	s.lossy = 0 // a floor repairs nothing
	f, err := startFloor(core)
	if err != nil {
		return nil, err
	}
	h = &hall{forwarder: f}
	if h.e, err = newEngine(); err != nil {
		f.stop()
		return nil, err
	}
	order := floorOrder{Kind: kind}
	for i := range s.rooms * s.people {
		c, err := newClient(h.e, "", f.addr)
		if err != nil {
			h.close()
			return nil, err
		}
		s.equip(c, i%s.people)
		c.sender, c.opener = floorContext(), floorContext()
		h.e.do(func() { c.ready, c.deaf = true, true })
		h.clients = append(h.clients, c)
		order.Addrs = append(order.Addrs, c.udp.local)
	}
	order.Fan = s.fan(h.clients)
	if err := f.order(order); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// atBridge brings them to a bridge.
func (o *options) atBridge(ctx context.Context, s shape, core int) (h *hall, err error) {
	b, err := startBridge(ctx, o.parley, core, s.extra())
	if err != nil {
		return nil, err
	}
	h = &hall{forwarder: b}
	if h.e, err = newEngine(); err != nil {
		b.stop()
		return nil, err
	}
	h.clients = make([]*client, s.rooms*s.people)
	results := make(chan error, len(h.clients))
	doors := make(chan struct{}, 4)
	for room := range s.rooms {
		for i := range s.people {
			n := room*s.people + i
			if i == 0 { // who comes first opens the conference
				h.clients[n], err = b.enter(ctx, h.e, s, room, i)
				results <- err
				continue
			}
			doors <- struct{}{}
			go func() {
				defer func() { <-doors }()
				var err error
				h.clients[n], err = b.enter(ctx, h.e, s, room, i)
				results <- err
			}()
		}
	}
	for range h.clients {
		err = errors.Join(err, <-results)
	}
	h.clients = slices.DeleteFunc(h.clients, func(c *client) bool { return c == nil })
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

// enter lets one participant in.
func (b *bridge) enter(ctx context.Context, e *engine, s shape, room, i int) (*client, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	meeting, name := fmt.Sprintf("room%d", room), fmt.Sprintf("%08x", room<<16|i+1)
	ice, err := b.focus.invite(ctx, meeting, name, i == 0)
	if err != nil {
		return nil, err
	}
	c, err := newClient(e, name, candidate(ice))
	if err != nil {
		return nil, err
	}
	c.remote = ice
	s.equip(c, i)
	if err := b.focus.accept(ctx, meeting, c); err != nil {
		return c, err
	}
	return c, c.connect(ctx)
}

// take measures for a while.
func (h *hall) take(w window, s shape) (figures, error) {
	time.Sleep(w.warm)
	h.fan = s.fan(h.clients)
	var before, after mark
	h.e.do(func() {
		h.e.measuring, h.e.delays, h.e.faults = true, h.e.delays[:0], faults{}
		before = h.mark(true)
	})
	packets0, messages0, err := h.counts()
	if err != nil {
		return figures{}, err
	}
	time.Sleep(w.take)
	packets1, messages1, err := h.counts()
	if err != nil {
		return figures{}, err
	}
	var got, missing int
	var delays []int64
	var f faults
	h.e.do(func() {
		after = h.mark(false)
		got = after.got - before.got
		for _, c := range h.clients {
			for _, s := range c.streams {
				missing += int(max(0, s.lost()))
			}
		}
		h.e.measuring = false
		delays, f = slices.Clone(h.e.delays), h.e.faults
	})
	if err := errors.Join(before.err, after.err); err != nil {
		return figures{}, err
	}
	if f.disorder+f.forged+f.wrong > 0 {
		return figures{}, fmt.Errorf("%d packets out of order, %d that do not open, %d that are not what was sent", f.disorder, f.forged, f.wrong)
	}
	slices.Sort(delays)
	at := func(q float64) float64 {
		if len(delays) == 0 {
			return 0
		}
		return float64(delays[int(q*float64(len(delays)-1))]) / 1e6
	}
	took, used := time.Duration(after.at-before.at), after.cpu-before.cpu
	due, nominal := float64(after.due-before.due), s.due()*took.Seconds()
	// What is on the way when the window ends is not lost.
	short := due - float64(got) - nominal/took.Seconds()*at(0.99)/1e3
	return figures{
		rate: float64(got) / took.Seconds(), cost: float64(used.Nanoseconds()) / 1e3 / float64(max(1, got)),
		share: float64(used) / float64(took), run: float64(packets1-packets0) / float64(max(1, messages1-messages0)),
		lost: 100 * max(float64(missing), short) / max(1, due), late: 100 * max(0, 1-due/nominal),
		p50: at(0.5), p99: at(0.99),
	}, nil
}

// mark is where a window begins or ends: what all clients got so far, what was sent for them,
// and what the process used. Both are taken on the engine's thread, which may be late on a busy machine.
type mark struct {
	at       int64
	got, due int
	cpu      time.Duration
	err      error
}

// mark takes one; streams can begin to count anew. The engine's thread only.
func (h *hall) mark(anew bool) mark {
	m := mark{at: h.e.now()}
	m.cpu, m.err = process.CPU(h.pid())
	for _, c := range h.clients {
		m.got += c.got
		for _, s := range c.sources {
			m.due += s.sent * len(h.fan[s.ssrc])
		}
		if !anew {
			continue
		}
		for _, s := range c.streams {
			s.begin()
		}
	}
	return m
}
