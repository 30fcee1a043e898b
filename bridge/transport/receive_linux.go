package transport

// maxLanes bounds the lanes.
const maxLanes = 64

// startSockets has nothing to do: Receive reads the sockets itself.
func (t *Transport) startSockets() {}

// receiveSockets appends what the sockets have to the n datagrams already there.
func (l *Lane) receiveSockets(buffers [][]byte, sizes []int, peers []uint32, ages []int64, n int) int {
	for _, s := range l.sockets {
		if n == len(buffers) {
			break
		}
		got := s.receive(buffers[n:], sizes[n:], ages[n:])
		if got > 0 {
			l.sortDatagrams(s, buffers[n:n+got], sizes[n:n+got], peers[n:n+got], ages[n:n+got])
			n += got
		}
	}
	return l.receiveOwned(buffers, sizes, peers, ages, n)
}
