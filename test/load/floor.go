//go:build linux

package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The floor: what a delivery costs this machine when nothing is parsed, routed or
// serialised. A child process takes n connections; a message of floorIn bytes from
// any of them, its number first, goes to all of them as size bytes.

const floorIn = 64

// serveFloor is the child. It ends with its input.
func serveFloor(coalesce bool, size, n int) error {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	conns := make([]net.Conn, n)
	for i := range conns {
		if conns[i], err = ln.Accept(); err != nil {
			return err
		}
	}
	numbers := make(chan uint64, 1024)
	for _, c := range conns {
		go func() {
			r := bufio.NewReader(c)
			in := make([]byte, floorIn)
			for {
				if _, err := io.ReadFull(r, in); err != nil {
					return
				}
				numbers <- binary.LittleEndian.Uint64(in)
			}
		}()
	}
	one := make([]byte, size)
	var out []byte
	for number := range numbers {
		binary.LittleEndian.PutUint64(one, number)
		out = append(out[:0], one...)
		for coalesce && len(numbers) > 0 && len(out) < 1<<20 {
			binary.LittleEndian.PutUint64(one, <-numbers)
			out = append(out, one...)
		}
		for _, c := range conns {
			if _, err := c.Write(out); err != nil {
				return err
			}
		}
	}
	return nil
}

// floorRun sends messages through a floor of its own, some under way, or one every
// gap, and says what a delivery cost and how late the latest of a hundred was.
func floorRun(coalesce bool, size, n, messages int, gap time.Duration) (m map[string]float64, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "floor", strconv.FormatBool(coalesce), strconv.Itoa(size), strconv.Itoa(n))
	cmd.Stderr, cmd.SysProcAttr = os.Stderr, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() { _ = in.Close(); _ = cmd.Wait() }()
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, err
	}
	addr, err := netip.ParseAddrPort(strings.TrimSpace(said))
	if err != nil {
		return nil, err
	}
	l, err := newLoop()
	if err != nil {
		return nil, err
	}
	defer l.close()
	f := &floor{r: &room{l: l}, size: size, n: n}
	for range n {
		if err := f.dial(addr); err != nil {
			return nil, err
		}
	}
	if err := f.send(messages/10+1, 0); err != nil { // to warm up
		return nil, err
	}
	return measure(cmd.Process.Pid, f.r, n, messages, func() error { return f.send(messages, gap) })
}

// floor is the clients of a floor.
type floor struct {
	r       *room // for its times
	size, n int
	socks   []*sock
}

func (f *floor) dial(addr netip.AddrPort) error {
	r := f.r
	order := 0 // of this connection; numbers come in any order from several senders
	s, err := r.l.dial(addr, func(b []byte) int {
		taken := 0
		for ; len(b)-taken >= f.size; taken += f.size {
			number := int(binary.LittleEndian.Uint64(b[taken:]))
			if order == len(r.order) {
				r.order = append(r.order, number)
			}
			if number >= len(r.sent) || r.order[order] != number {
				r.l.fail(fmt.Errorf("the floor wrote %d where %d was due", number, r.order[order]))
				return len(b)
			}
			order++
			r.delays = append(r.delays, time.Since(r.sent[number]))
			if r.left[number]--; r.left[number] == 0 {
				r.complete++
				if !r.paced && len(r.sent) < r.limit {
					f.next()
				}
			}
		}
		return taken
	}, func(err error) { r.l.fail(errors.Join(errors.New("the floor ended a connection"), err)) })
	f.socks = append(f.socks, s)
	return err
}

func (f *floor) next() {
	b := make([]byte, floorIn)
	number := len(f.r.sent)
	binary.LittleEndian.PutUint64(b, uint64(number))
	f.r.sent, f.r.left = append(f.r.sent, time.Now()), append(f.r.left, f.n)
	f.socks[number%f.n].write(b)
}

func (f *floor) send(n int, gap time.Duration) error {
	r := f.r
	r.limit, r.paced, r.delays = len(r.sent)+n, gap > 0, r.delays[:0]
	if gap == 0 {
		for range min(underWay, n) {
			f.next()
		}
	} else {
		begin := time.Now()
		for i := range n {
			r.l.after(time.Until(begin.Add(time.Duration(i)*gap)), f.next)
		}
	}
	return r.l.until("the floor", patience+time.Duration(n)*gap, func() bool { return r.complete == r.limit })
}
