// Udprelay puts a bad network between UDP endpoints: what is sent to its address goes on to
// the target, delayed, reordered, lost or narrowed. The browser tests lead calls through it.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"parley/internal/udptest"
)

func main() {
	var cfg udptest.Config
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	target := flag.String("target", "", "address to send on to")
	flag.DurationVar(&cfg.Delay, "delay", 0, "delay of every packet")
	flag.DurationVar(&cfg.Jitter, "jitter", 0, "additional delay, at most, of each packet")
	flag.Float64Var(&cfg.Loss, "loss", 0, "share of packets lost")
	flag.Float64Var(&cfg.Rate, "rate", 0, "bit/s in either direction, 0 for any")
	flag.DurationVar(&cfg.Queue, "queue", 0, "longest wait for the rate")
	flag.Uint64Var(&cfg.Seed, "seed", 1, "seed of the dice")
	flag.Parse()
	if err := run(*listen, *target, cfg); err != nil {
		fmt.Fprintln(os.Stderr, "udprelay:", err)
		os.Exit(1)
	}
}

func run(listen, target string, cfg udptest.Config) error {
	from, err := netip.ParseAddrPort(listen)
	if err != nil {
		return err
	}
	to, err := netip.ParseAddrPort(target)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := udptest.Listen(from, to, cfg)
	if err != nil {
		return err
	}
	fmt.Println(r.Addr())
	<-ctx.Done()
	carried, lost := r.Counts()
	fmt.Printf("carried %d packets, lost %d\n", carried, lost)
	return r.Close()
}
