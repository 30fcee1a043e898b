package transport

import (
	"bytes"
	"encoding/binary"
)

// The few facts of STUN (RFC 8489) routing needs; everything else is the agent's.
const (
	stunHeaderSize  = 20
	stunMagic       = 0x2112A442
	stunRequest     = 0x0001
	stunIndication  = 0x0011
	stunSuccess     = 0x0101
	stunError       = 0x0111
	attrUsername    = 0x0006
	maxStunUsername = 513
)

// transactionID identifies a STUN transaction.
type transactionID [12]byte

// stunMessage is the part of a STUN message that routing looks at.
type stunMessage struct {
	kind uint16
	id   transactionID
	// ufrag is the part of the user name before the first colon; it aliases the packet.
	ufrag []byte
}

// parseSTUN reads a message. It checks the header and walks the attributes as far as
// the user name, without allocating.
func parseSTUN(b []byte) (m stunMessage, ok bool) {
	if len(b) < stunHeaderSize || binary.BigEndian.Uint32(b[4:]) != stunMagic {
		return m, false
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length%4 != 0 || length != len(b)-stunHeaderSize {
		return m, false
	}
	m.kind = binary.BigEndian.Uint16(b)
	copy(m.id[:], b[8:20])
	for rest := b[stunHeaderSize:]; len(rest) >= 4; {
		kind, size := binary.BigEndian.Uint16(rest), int(binary.BigEndian.Uint16(rest[2:]))
		padded := (size + 3) &^ 3
		if 4+padded > len(rest) {
			return m, false
		}
		if kind == attrUsername {
			if size > maxStunUsername {
				return m, false
			}
			m.ufrag, _, ok = bytes.Cut(rest[4:4+size], []byte{':'})
			return m, ok
		}
		rest = rest[4+padded:]
	}
	// A request without a user name has no one to go to.
	return m, m.kind != stunRequest
}

// packetClass is what the first byte of a datagram says (RFC 7983).
type packetClass uint8

const (
	classGarbage packetClass = iota
	classSTUN
	classDTLS
	classMedia
)

func classify(b []byte) packetClass {
	if len(b) < 12 {
		return classGarbage
	}
	switch c := b[0]; {
	case c < 4:
		return classSTUN
	case c >= 20 && c < 64:
		return classDTLS
	case c >= 128 && c < 192:
		return classMedia
	default:
		return classGarbage
	}
}
