package transport

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// runMessages is how many messages one call brings, runMemory the space of each; the
	// odd size keeps them from sharing cache sets.
	runMessages = 32
	runMemory   = 1<<16 + 18*64
	// runTrial is how many datagrams it takes to see whether the network joins any; less
	// than one of runShare in a run is not worth it.
	runTrial, runShare = 1 << 14, 50
)

// runReader takes in runs: datagrams of one sender and size that the kernel or the device
// joined on the way in (UDP_GRO). It reads them into memory of its own and cuts them into
// the buffers of the packet path. It belongs to the goroutine in Receive.
type runReader struct {
	messages [runMessages]unix.Mmsghdr
	vectors  [runMessages]unix.Iovec
	names    [runMessages]rawAddr
	controls [runMessages]runControl
	memory   []byte

	// count messages were read; of message next everything before offset is handed out.
	count, next, offset int
	read                int64 // the wall clock at the time, in nanoseconds

	datagrams, joined int
}

// runControl is room for two control messages: time of arrival and size of the segments.
type runControl [8]uint64

// joinRuns asks the kernel for runs. One that does not know them leaves the plain way.
func (s *udpSocket) joinRuns() {
	if unix.SetsockoptInt(s.fd, unix.SOL_UDP, unix.UDP_GRO, 1) != nil {
		return
	}
	r := &runReader{memory: make([]byte, runMessages*runMemory)}
	for i := range r.messages {
		r.vectors[i].Base = &r.memory[i*runMemory]
		r.vectors[i].SetLen(1 << 16)
		h := &r.messages[i].Hdr
		h.Iov, h.Name, h.Control = &r.vectors[i], &r.names[i].name[0], (*byte)(unsafe.Pointer(&r.controls[i]))
		h.SetIovlen(1)
	}
	s.runsIn = r
}

// parted ends the runs when the network makes too few of them: each datagram is copied
// for them. There is no way back.
func (s *udpSocket) parted() {
	r := s.runsIn
	if r.datagrams < runTrial {
		return
	}
	if r.joined*runShare < r.datagrams && unix.SetsockoptInt(s.fd, unix.SOL_UDP, unix.UDP_GRO, 0) == nil {
		s.runsIn = nil
		return
	}
	r.datagrams, r.joined = 0, 0
}

// receiveRuns is receive for a socket that joins runs.
func (s *udpSocket) receiveRuns(buffers [][]byte, sizes []int, ages []int64) int {
	r := s.runsIn
	limit := min(len(buffers), batchSize)
	n := s.cut(buffers[:limit], sizes, ages, 0)
	if n == limit {
		return n // there may be more of the last messages
	}
	if !r.readMore(s.fd) {
		if n == 0 {
			s.parted()
		}
		return n
	}
	return s.cut(buffers[:limit], sizes, ages, n)
}

// readMore reads messages without waiting. All that were there are cut.
func (r *runReader) readMore(fd int) bool {
	for i := range r.messages {
		h := &r.messages[i].Hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(int(unsafe.Sizeof(runControl{})))
	}
	r.count, r.next, r.offset = 0, 0, 0
	for {
		got, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd),
			uintptr(unsafe.Pointer(&r.messages[0])), runMessages, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			r.count, r.read = int(got), time.Now().UnixNano()
			return true
		case unix.EINTR:
		default:
			return false
		}
	}
}

// cut copies datagrams into buffers from the n-th on and returns how many are filled.
func (s *udpSocket) cut(buffers [][]byte, sizes []int, ages []int64, n int) int {
	r := s.runsIn
	for ; r.next < r.count; r.next, r.offset = r.next+1, 0 {
		i := r.next
		total := int(r.messages[i].Len)
		segment, age := r.controls[i].parse(int(r.messages[i].Hdr.Controllen), r.read)
		if segment <= 0 || segment > total {
			segment = total
		}
		for first := r.offset == 0; first || r.offset < total; first = false {
			if n == len(buffers) {
				return n
			}
			b := r.memory[i*runMemory+r.offset:][:min(segment, total-r.offset)]
			if sizes[n] = copy(buffers[n], b); sizes[n] < len(b) {
				sizes[n] = min(1, len(b)) // longer than anything of ours: garbage whatever it says
			}
			ages[n], s.inNames[n] = age, r.names[i]
			n++
			r.datagrams++
			if segment < total {
				r.joined++
			}
			r.offset += max(segment, 1)
		}
	}
	return n
}

// parse finds the size of the segments, 0 if it is a single datagram, and the age.
func (c *runControl) parse(size int, now int64) (segment int, age int64) {
	const head = unix.SizeofCmsghdr
	for at := 0; at+head <= min(size, int(unsafe.Sizeof(*c))); {
		h := (*unix.Cmsghdr)(unsafe.Add(unsafe.Pointer(c), at))
		length := int(h.Len)
		if length < head || at+length > int(unsafe.Sizeof(*c)) {
			break
		}
		data := unsafe.Add(unsafe.Pointer(c), at+unix.CmsgLen(0))
		switch {
		case h.Level == unix.SOL_UDP && h.Type == unix.UDP_GRO && length >= unix.CmsgLen(4):
			segment = int(*(*int32)(data))
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_TIMESTAMPNS && length >= unix.CmsgLen(int(unsafe.Sizeof(unix.Timespec{}))):
			age = ageOf((*unix.Timespec)(data), now)
		}
		at += unix.CmsgSpace(length - unix.CmsgLen(0))
	}
	return segment, age
}
