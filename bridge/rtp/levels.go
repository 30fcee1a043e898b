package rtp

import "sync/atomic"

// levelRing keeps the last audio levels. The shard writes one word per packet; readers
// take what they have not seen.
type levelRing struct {
	// words hold the number of the packet above its level, so that a reader sees which one
	// it got; the eighth bit says that it was not forwarded.
	words [64]atomic.Uint64
	next  atomic.Uint32
}

func (r *levelRing) write(level uint8, tossed bool) {
	if tossed {
		level |= 0x80
	}
	n := r.next.Load()
	r.words[n%64].Store(uint64(n)<<8 | uint64(level))
	r.next.Store(n + 1)
}

func (r *levelRing) read(cursor *uint32, dst []Level) []Level {
	end := r.next.Load()
	if end-*cursor > 64 {
		*cursor = end - 64
	}
	for ; *cursor != end; *cursor++ {
		if w := r.words[*cursor%64].Load(); uint32(w>>8) == *cursor {
			dst = append(dst, Level{Value: uint8(w) & 0x7F, Tossed: w&0x80 != 0})
		}
	}
	return dst
}
