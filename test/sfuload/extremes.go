//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"parley/test/process"
)

// keptUp is what may be missing of what was due, in percent, for a rate to count.
const keptUp = 0.5

// The rates that are tried, in packets a frame: 10 are 48,000 a second.
const firstRate, lastRate = 20, 400

// saturate raises the rate until the forwarder, on one core, falls behind; the
// participants have the other. It notes the last step that was kept up with, and what
// delay there is at 70 % of it.
func (o *options) saturate(ctx context.Context, t *table) error {
	if runtime.NumCPU() < 2 {
		fmt.Fprintln(os.Stderr, "saturation is left out: it needs a core for the load")
		return nil
	}
	cores := make([]int, 0, runtime.NumCPU())
	for i := range runtime.NumCPU() {
		cores = append(cores, i)
	}
	keepTo(cores[1:]...)
	defer keepTo(cores...)
	climb := func(who string, h *hall, err error) error {
		if err != nil {
			return err
		}
		defer h.close()
		start(h.e)
		var best figures
		kept := 0
		for packets := firstRate; packets < lastRate; packets = o.faster(packets) {
			f, err := h.at(packets, o.window)
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "saturating, %s: %.0f packets/s, %.2f µs, %.1f a message, %.0f %% of a core, %.2f %% lost, p50 %.1f ms, p99 %.1f ms, load late by %.1f %%\n",
				who, f.rate, f.cost, f.run, 100*f.share, f.lost, f.p50, f.p99, f.late)
			if f.lost > keptUp {
				break
			}
			best, kept = f, packets
		}
		if kept == 0 {
			fmt.Fprintf(os.Stderr, "saturating, %s: falls behind at %d packets/s already; is the machine busy?\n", who, 4800*firstRate)
			return nil
		}
		t.add("saturated, "+saturating.name, who, best)
		// What piled up in the last step is gone before the next figure is taken.
		if _, err := h.at(firstRate, o.window); err != nil {
			return err
		}
		f, err := h.at(kept*7/10, o.window)
		if err == nil {
			t.add("70 % of that", who, f)
		}
		return err
	}
	for _, kind := range o.kinds {
		if kind.Hold > 0 || o.short && !kind.Runs {
			continue
		}
		h, err := atFloor(kind, saturating, 0)
		if err := climb(kind.name, h, err); err != nil {
			return fmt.Errorf("floor, %s: %w", kind.name, err)
		}
	}
	h, err := o.atBridge(ctx, saturating, 0)
	return climb("bridge", h, err)
}

// faster is the next rate.
func (o *options) faster(packets int) int {
	if o.short {
		return packets * 3 / 2
	}
	return packets * 6 / 5
}

// at measures with a number of packets in each frame.
func (h *hall) at(packets int, w window) (figures, error) {
	s := saturating
	s.packets = []int{packets}
	h.e.do(func() {
		for _, src := range h.e.sources {
			src.perFrame = packets
		}
	})
	return h.take(w, s)
}

// idle is a call of ten who are silent.
func (o *options) idle(ctx context.Context) error {
	h, err := o.atBridge(ctx, shape{rooms: 1, people: 10, senders: 10, packets: []int{5}, audio: true}, -1)
	if err != nil {
		return err
	}
	defer h.close()
	time.Sleep(o.window.warm)
	began := time.Now()
	before, err := process.CPU(h.pid())
	if err != nil {
		return err
	}
	time.Sleep(4 * o.window.take)
	after, err := process.CPU(h.pid())
	if err != nil {
		return err
	}
	fmt.Printf("\nTen people who are silent: %.2f %% of a core.\n", 100*float64(after-before)/float64(time.Since(began)))
	return nil
}

// joinRate is how many join in a second.
const joinRate = 50

// joining lets many in, ten a conference, and lets them be.
func (o *options) joining(ctx context.Context) error {
	s := shape{rooms: 1, people: 10, senders: 10, packets: []int{5}, audio: true}
	h, err := o.atBridge(ctx, s, -1)
	if err != nil {
		return err
	}
	defer h.close()
	b := h.forwarder.(*bridge)
	time.Sleep(o.window.warm)
	memory, err := process.Resident(h.pid())
	if err != nil {
		return err
	}
	before, err := process.CPU(h.pid())
	if err != nil {
		return err
	}
	var mu sync.Mutex // guards took, failed and h.clients
	var took []time.Duration
	var failed []error
	var work sync.WaitGroup
	pace := time.NewTicker(time.Second / joinRate)
	defer pace.Stop()
	opened := make(map[int]chan struct{})
	for n := range o.people {
		<-pace.C
		room, i := 1+n/s.people, n%s.people
		if i == 0 {
			opened[room] = make(chan struct{})
		}
		open := opened[room]
		work.Go(func() {
			if i > 0 {
				<-open
			}
			began := time.Now()
			c, err := b.enter(ctx, h.e, s, room, i)
			if i == 0 {
				close(open)
			}
			mu.Lock()
			defer mu.Unlock()
			if c != nil {
				h.clients = append(h.clients, c)
			}
			if err != nil {
				failed = append(failed, err)
				return
			}
			took = append(took, time.Since(began))
		})
	}
	work.Wait()
	after, err := process.CPU(h.pid())
	if err != nil {
		return err
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d did not get in, the first: %w", len(failed), o.people, failed[0])
	}
	slices.Sort(took)
	fmt.Printf("\n%d endpoints joined at %d a second: %d ms half of them, %d ms 99 of 100, %.1f ms of processor time each.\n", o.people, joinRate,
		took[len(took)/2].Milliseconds(), took[len(took)*99/100].Milliseconds(), float64((after-before).Microseconds())/1e3/float64(o.people))
	return o.resting(h, memory)
}

// resting is what the endpoints cost that do nothing.
func (o *options) resting(h *hall, memory int) error {
	time.Sleep(o.window.warm)
	before, err := process.CPU(h.pid())
	if err != nil {
		return err
	}
	began := time.Now()
	time.Sleep(4 * o.window.take)
	after, err := process.CPU(h.pid())
	if err != nil {
		return err
	}
	share := 100 * float64(after-before) / float64(time.Since(began))
	grown, err := process.Resident(h.pid())
	if err != nil {
		return err
	}
	fmt.Printf("Idle they take %.0f KiB and %.3f %% of a core each.\n", float64(grown-memory)/float64(o.people), share/float64(o.people))
	return nil
}
