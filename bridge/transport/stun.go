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
	// integrity is where MESSAGE-INTEGRITY begins, 0 if there is none. What comes behind it
	// is nobody's word.
	integrity int
}

// parseSTUN reads a message. It checks the header and walks the attributes as far as the
// proof of their origin, without allocating.
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
	named := false
	for at := stunHeaderSize; at+4 <= len(b) && m.integrity == 0; {
		kind, size := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		next := at + 4 + (size+3)&^3
		if next > len(b) {
			return m, false
		}
		switch {
		case kind == attrUsername && !named:
			if size > maxStunUsername {
				return m, false
			}
			if m.ufrag, _, named = bytes.Cut(b[at+4:at+4+size], []byte{':'}); !named {
				return m, false
			}
		case kind == attrIntegrity:
			if next-at != integritySize || size != integritySize-4 {
				return m, false
			}
			m.integrity = at
		}
		at = next
	}
	// A request without a user name has no one to go to.
	return m, named || m.kind != stunRequest
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
