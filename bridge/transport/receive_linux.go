package transport

// startSockets has nothing to do: Receive reads the sockets itself.
func (t *Transport) startSockets() {}

// receiveSockets appends what the sockets have to the n datagrams already there.
func (t *Transport) receiveSockets(buffers [][]byte, sizes []int, peers []uint32, ages []int64, n int) int {
	for _, s := range t.sockets {
		if n == len(buffers) {
			break
		}
		got := s.receive(buffers[n:], sizes[n:], ages[n:])
		if got > 0 {
			t.sortDatagrams(s, buffers[n:n+got], sizes[n:n+got], peers[n:n+got])
			n += got
		}
	}
	return t.receiveOwned(buffers, sizes, peers, ages, n)
}
