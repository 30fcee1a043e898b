//go:build linux

package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"golang.org/x/sys/unix"
)

// floorKind is how a floor sends.
type floorKind struct {
	name string
	Runs bool
	// Hold looks for packets this often only, while they come in small numbers.
	Hold time.Duration
}

var floorKinds = []floorKind{
	{name: "single"},
	{name: "runs", Runs: true},
	{name: "runs held", Runs: true, Hold: time.Millisecond},
}

// floorOrder is what a floor is told: who the participants are, and whose packets go to
// whom.
type floorOrder struct {
	Kind  floorKind
	Addrs []netip.AddrPort
	Fan   map[uint32][]int // by SSRC
}

// floorContext is the SRTP state of everybody at a floor: there is no handshake.
func floorContext() *srtp.Context {
	c, err := srtp.CreateContext([]byte("0123456789abcdef"), []byte("salt of 12 b"), srtp.ProtectionProfileAeadAes128Gcm)
	if err != nil {
		panic(err)
	}
	return c
}

// floor is the child process.
type floor struct {
	cmd  *exec.Cmd
	in   *bufio.Writer
	out  *bufio.Reader
	addr netip.AddrPort
}

func startFloor(core int) (*floor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f := &floor{cmd: exec.Command(self, "floor")}
	f.cmd.Stderr, f.cmd.SysProcAttr = os.Stderr, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := f.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	f.in, f.out = bufio.NewWriter(in), bufio.NewReader(out)
	if err := onCore(core, f.cmd.Start); err != nil {
		return nil, err
	}
	var at string
	if _, err := fmt.Fscanln(f.out, &at); err != nil {
		f.stop()
		return nil, fmt.Errorf("floor: %w", err)
	}
	f.addr, err = netip.ParseAddrPort(at)
	return f, err
}

func (f *floor) order(o floorOrder) error {
	if err := json.NewEncoder(f.in).Encode(o); err != nil {
		return err
	}
	return f.in.Flush()
}

// counts asks for the packets and messages sent so far.
func (f *floor) counts() (packets, messages uint64, err error) {
	_, _ = f.in.WriteString("\n")
	if err = f.in.Flush(); err == nil {
		_, err = fmt.Fscanln(f.out, &packets, &messages)
	}
	return packets, messages, err
}

func (f *floor) stop() {
	_ = f.cmd.Process.Kill()
	_ = f.cmd.Wait()
}

// floorPriority is the bridge's. Without it a floor never interrupts the load in the middle
// of a burst, as the bridge does on one core with it, and finds longer runs.
const floorPriority = -5

// serveFloor is the life of the child. It ends with its input.
func serveFloor() error {
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, id, floorPriority)
		}
	}
	u, err := listenUDP(netip.AddrPort{})
	if err != nil {
		return err
	}
	fmt.Println(u.local)
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return nil
	}
	w := &floorWork{u: u, reader: newReader(batch)}
	if err := json.Unmarshal(line, &w.order); err != nil {
		return err
	}
	w.prepare()
	go w.run()
	for {
		if _, err := in.ReadBytes('\n'); err != nil {
			return nil
		}
		fmt.Println(w.packets.Load(), w.messages.Load())
	}
}

// floorWork forwards, on one goroutine.
type floorWork struct {
	u      udp
	order  floorOrder
	reader *reader
	writer writer

	index         map[netip.AddrPort]int
	addrs         []*unix.RawSockaddrInet4
	send, receive []*srtp.Context
	toward        [][][]byte // plaintexts by receiver
	store         []byte
	header        rtp.Header

	packets, messages atomic.Uint64
}

func (w *floorWork) prepare() {
	w.index = map[netip.AddrPort]int{}
	for i, a := range w.order.Addrs {
		w.index[a] = i
		w.addrs = append(w.addrs, rawAddress(a))
		w.send, w.receive = append(w.send, floorContext()), append(w.receive, floorContext())
	}
	w.toward = make([][][]byte, len(w.addrs))
	w.store = make([]byte, 1024*fullBytes)
	w.writer.runs = w.order.Kind.Runs
}

// run waits for packets by the runtime's poller, like the bridge, or rests in between, as that
// does when much comes.
func (w *floorWork) run() {
	if w.order.Kind.Hold > 0 {
		w.runHeld()
		return
	}
	conn, err := os.NewFile(uintptr(w.u.fd), "socket").SyscallConn()
	if err != nil {
		panic(err)
	}
	n := 0
	read := func(fd uintptr) bool { n = w.reader.read(int(fd)); return n > 0 }
	for {
		if conn.Read(read) != nil {
			return
		}
		w.forward(n)
		w.messages.Store(w.writer.sent)
	}
}

func (w *floorWork) runHeld() {
	rest := unix.NsecToTimespec(w.order.Kind.Hold.Nanoseconds())
	for n := 0; ; {
		if n < batch/2 {
			_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&rest)), 0, 0)
		}
		n = w.reader.read(w.u.fd)
		w.forward(n)
		w.messages.Store(w.writer.sent)
	}
}

func (w *floorWork) forward(n int) {
	for i := range n {
		b, _ := w.reader.datagram(i)
		from, known := w.index[w.reader.from(i)]
		if !known || len(b) < 12 || b[1] >= 192 && b[1] <= 223 {
			continue
		}
		plain, err := w.receive[from].DecryptRTP(b[:0], b, &w.header)
		if err != nil {
			continue
		}
		for _, r := range w.order.Fan[binary.BigEndian.Uint32(plain[8:])] {
			w.toward[r] = append(w.toward[r], plain)
		}
	}
	used, packets := 0, 0
	for r, plain := range w.toward {
		for _, p := range plain {
			if used+fullBytes > len(w.store) {
				w.writer.flush(w.u.fd)
				used = 0
			}
			sealed, err := w.send[r].EncryptRTP(w.store[used:used:used+fullBytes], p, &w.header)
			if err != nil {
				continue
			}
			used += (len(sealed) + 63) &^ 63
			packets++
			w.writer.add(w.u.fd, sealed, w.addrs[r])
		}
		w.toward[r] = plain[:0]
	}
	w.writer.flush(w.u.fd)
	w.packets.Add(uint64(packets))
}
