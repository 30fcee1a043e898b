//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"parley/test/process"
)

// settings are the flags.
type settings struct {
	parley string
	peer   bool
	runs   int
	scale  int // messages at full rate in a room of 100
	idle   int
	sizes  []int
	chosen bool // sizes, by a flag
	only   string
}

// setSizes reads the flag -sizes.
func (s *settings) setSizes(list string) error {
	s.sizes, s.chosen = nil, true
	for x := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(x)
		if err != nil || n < 1 || n > 5000 {
			return fmt.Errorf("%q is not a number of occupants", x)
		}
		s.sizes = append(s.sizes, n)
	}
	return nil
}

func main() {
	if len(os.Args) == 5 && os.Args[1] == "floor" {
		size, _ := strconv.Atoi(os.Args[3])
		n, _ := strconv.Atoi(os.Args[4])
		fail(serveFloor(os.Args[2] == "true", size, n))
		return
	}
	s := settings{sizes: []int{10, 50, 100, 200}}
	short := flag.Bool("short", false, "two minutes: one run, rooms of 50 and 100, 1,000 idle sessions")
	flag.StringVar(&s.parley, "parley", "bin/parley", "the `program` to measure")
	flag.BoolVar(&s.peer, "peer", true, "measure Prosody beside it")
	flag.IntVar(&s.runs, "runs", 3, "how often each figure is taken; the table shows medians")
	flag.IntVar(&s.scale, "messages", 1000, "messages at full rate in a room of 100")
	flag.IntVar(&s.idle, "idle", 10000, "idle sessions")
	flag.StringVar(&s.only, "only", "", "only rows with these `words`")
	flag.Func("sizes", "only rooms of so many `occupants`, such as 10,200", s.setSizes)
	flag.Parse()
	if *short {
		s.runs, s.scale, s.idle = 1, 400, 1000
		if !s.chosen {
			s.sizes = []int{50, 100}
		}
	}
	debug.SetGCPercent(400)
	// The servers inherit what the load needs itself.
	limit := unix.Rlimit{Cur: 60000, Max: 60000}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
		s.idle = min(s.idle, int(limit.Cur)-200)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	t := newTable()
	for i := range s.runs {
		fmt.Fprintf(os.Stderr, "run %d of %d\n", i+1, s.runs)
		fail(s.run(ctx, t))
	}
	t.print(os.Stdout)
	fmt.Printf("\nMedians of %d. Lifted for Parley: %s.\n", s.runs, lifted)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// run takes every figure once: servers and floors in turn, so that whatever else
// the machine does meets all of them.
func (s settings) run(ctx context.Context, t *table) error {
	for _, sc := range s.scenarios() {
		if !sc.named(s.only) {
			continue
		}
		names := []string{"Parley"}
		if s.peer {
			names = append(names, "Prosody")
		}
		for _, name := range names {
			if err := s.against(ctx, t, name, sc); err != nil {
				return fmt.Errorf("%s: %s: %w", name, sc.name, err)
			}
		}
		if sc.size == 0 {
			continue
		}
		for _, coalesce := range []bool{false, true} {
			m, err := floorRun(coalesce, sc.size, sc.occupants, max(sc.messages, 1), sc.gap)
			if err != nil {
				return fmt.Errorf("floor: %w", err)
			}
			t.add(sc.name, map[bool]string{false: "floor, single", true: "floor, gathered"}[coalesce], m)
		}
	}
	return nil
}

// against runs one scenario with a fresh process of one server.
func (s settings) against(ctx context.Context, t *table, name string, sc scenario) error {
	dir, err := os.MkdirTemp("", "load")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var srv *server
	if name == "Parley" {
		srv, err = startParley(ctx, s.parley, dir)
	} else {
		srv, err = startProsody(ctx, dir)
	}
	if err != nil {
		return err
	}
	defer srv.stop()
	l, err := newLoop()
	if err != nil {
		return err
	}
	defer l.close()
	m, err := sc.run(l, srv)
	if err != nil {
		return err
	}
	t.add(sc.name, name, m)
	return nil
}

// measure runs something that delivers n messages to each of some receivers.
func measure(pid int, r *room, receivers, n int, do func() error) (map[string]float64, error) {
	before, err := process.CPU(pid)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := do(); err != nil {
		return nil, err
	}
	took := time.Since(begin)
	after, err := process.CPU(pid)
	if err != nil {
		return nil, err
	}
	deliveries := float64(receivers * n)
	return map[string]float64{
		"CPU µs a delivery": float64((after - before).Nanoseconds()) / 1e3 / deliveries,
		"deliveries/s":      deliveries / took.Seconds(),
		"p50 ms":            float64(r.quantile(0.5).Microseconds()) / 1e3,
		"p99 ms":            float64(r.quantile(0.99).Microseconds()) / 1e3,
	}, nil
}
