package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"strconv"
	"time"

	"parley/internal/metrics"
)

// observer serves metrics and health to this machine.
type observer struct {
	ln  net.Listener
	srv *http.Server
}

// newObserver binds addr; an empty one gives no observer.
func newObserver(key, addr string, set *metrics.Set, health func(context.Context) error, profiles bool) (*observer, error) {
	if addr == "" {
		return nil, nil
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on %s: %w", key, addr, errors.Unwrap(err))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		var b bytes.Buffer
		set.WriteTo(&b) // a buffer takes everything
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Write(b.Bytes())
	})
	mux.HandleFunc("GET /about/health", func(w http.ResponseWriter, r *http.Request) {
		if err := health(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "OK")
	})
	writing := 10 * time.Second
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		writing = 2 * time.Minute // a profile is taken while its answer is awaited
	}
	return &observer{ln, &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		WriteTimeout: writing, MaxHeaderBytes: 16 << 10}}, nil
}

// run serves until ctx is done.
func (o *observer) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { o.srv.Close() })
	defer stop()
	o.srv.Serve(o.ln) // ends with the close above
}

// processMetrics are about the process as a whole.
func processMetrics(set *metrics.Set, started time.Time) {
	set.GaugeFunc(func() float64 { return 1 }, "parley_build_info", "what is running", "version", Version, "go", runtime.Version())
	set.GaugeFunc(func() float64 { return float64(started.Unix()) }, "parley_process_start_seconds", "when the process started, as Unix time")
	set.GaugeFunc(func() float64 { return float64(runtime.NumGoroutine()) }, "parley_process_goroutines", "goroutines")
	set.GaugeFunc(func() float64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}, "parley_process_heap_bytes", "memory held by live objects and garbage not yet collected")
	set.GaugeFunc(func() float64 { return float64(residentBytes()) }, "parley_process_resident_bytes", "physical memory in use")
}

// residentBytes reads the resident set size; 0 where the system does not tell.
func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
