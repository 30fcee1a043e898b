//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// options are the flags.
type options struct {
	parley string
	runs   int
	only   string
	window window
	people int
	kinds  []floorKind
	deaf   bool
	short  bool
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "floor" {
		fail(serveFloor())
		return
	}
	o := options{kinds: floorKinds}
	short := flag.Bool("short", false, "two minutes: one run, short windows, great steps, 100 endpoints")
	flag.StringVar(&o.parley, "parley", "bin/parley", "the `program` to measure")
	flag.IntVar(&o.runs, "runs", 3, "how often each figure is taken; the table shows medians")
	flag.StringVar(&o.only, "only", "", "only rows with one of these `words`")
	flag.DurationVar(&o.window.take, "window", 4*time.Second, "how long a figure is taken")
	flag.DurationVar(&o.window.warm, "warm", 2*time.Second, "how long the load runs before")
	flag.IntVar(&o.people, "people", 1000, "endpoints that join at 50 a second")
	flag.BoolVar(&o.deaf, "deaf", false, "clients give no feedback, as those of a floor")
	floors := flag.Bool("floor", true, "measure floors beside the bridge")
	flag.Parse()
	if *short {
		o.runs, o.window, o.people, o.kinds, o.short = 1, window{time.Second, 1500 * time.Millisecond}, 100, floorKinds[:2], true
	}
	if !*floors {
		o.kinds = nil
	}
	debug.SetGCPercent(400)
	limit := unix.Rlimit{Cur: 60000, Max: 60000}
	_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fail(o.run(ctx))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "sfuload:", err)
		os.Exit(1)
	}
}

func (o *options) named(name string) bool {
	if o.only == "" {
		return true
	}
	for w := range strings.FieldsSeq(o.only) {
		if strings.Contains(name, w) {
			return true
		}
	}
	return false
}

func (o *options) run(ctx context.Context) error {
	t := newTable()
	for i := range o.runs {
		fmt.Fprintf(os.Stderr, "run %d of %d\n", i+1, o.runs)
		for _, s := range shapes {
			if !o.named(s.name) {
				continue
			}
			s.deaf = s.deaf || o.deaf
			if err := o.shape(ctx, t, s); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
		if o.named("saturated") {
			if err := o.saturate(ctx, t); err != nil {
				return fmt.Errorf("saturated: %w", err)
			}
		}
	}
	t.print(os.Stdout)
	if o.named("idle") {
		if err := o.idle(ctx); err != nil {
			return fmt.Errorf("idle: %w", err)
		}
	}
	if o.named("joining") {
		if err := o.joining(ctx); err != nil {
			return fmt.Errorf("joining: %w", err)
		}
	}
	fmt.Printf("\nMedians of %d. Changed for Parley: %s.\n", o.runs, lifted)
	return nil
}

// shape measures floors and bridge in turn, so that whatever else the machine does meets
// all of them.
func (o *options) shape(ctx context.Context, t *table, s shape) error {
	for _, kind := range o.kinds {
		h, err := atFloor(kind, s, -1)
		if err != nil {
			return err
		}
		start(h.e)
		f, err := h.take(o.window, s)
		h.close()
		if err != nil {
			return fmt.Errorf("floor, %s: %w", kind.name, err)
		}
		t.note(s.name, kind.name, f)
	}
	h, err := o.atBridge(ctx, s, -1)
	if err != nil {
		return err
	}
	defer h.close()
	start(h.e)
	f, err := h.take(o.window, s)
	if err != nil {
		return err
	}
	t.note(s.name, "bridge", f)
	return nil
}
