package codec

import "encoding/binary"

// MaxRED bounds the blocks of a RED payload: the packet itself and what is repeated of
// those before it. Senders repeat one or two.
const MaxRED = 8

// REDBlock is one block of redundant audio data.
type REDBlock struct {
	// PT is the payload type of the data.
	PT uint8
	// Age says how many ticks of the RTP clock the block is older than the packet; 0 for
	// the packet's own data.
	Age uint32
	// At is the offset of the data in the payload, Size its length.
	At, Size int
}

// ReadRED reads the block headers of a RED payload (RFC 2198, section 3), oldest block
// first, the packet's own data last. It returns how many blocks there are, 0 if the
// payload makes no sense.
func ReadRED(b []byte, blocks *[MaxRED]REDBlock) int {
	n, at := 0, 0
	for ; ; n++ {
		if n == MaxRED || at >= len(b) {
			return 0
		}
		if b[at]&0x80 == 0 {
			blocks[n] = REDBlock{PT: b[at] & 0x7F}
			at++
			break
		}
		if at+4 > len(b) {
			return 0
		}
		h := binary.BigEndian.Uint32(b[at:])
		blocks[n] = REDBlock{PT: uint8(h >> 24 & 0x7F), Age: h >> 10 & 0x3FFF, Size: int(h & 0x3FF)}
		at += 4
	}
	for i := range n {
		blocks[i].At = at
		at += blocks[i].Size
	}
	if at > len(b) {
		return 0
	}
	blocks[n].At, blocks[n].Size = at, len(b)-at
	return n + 1
}
