package transport

import (
	"crypto/hmac"
	"crypto/sha1" // what RFC 8489 has for short-term credentials
	"encoding/binary"
	"hash"
	"sync"
)

const (
	attrIntegrity = 0x0008
	integritySize = 4 + sha1.Size
)

// proof tells who knows a password from who does not, by MESSAGE-INTEGRITY (RFC 8489,
// section 14.5). The agent does, too, but at ten times the cost and behind a queue: what
// strangers send shall neither push out what the peer sends nor reach a parser that is not
// ours. mu guards the fields.
type proof struct {
	mu     sync.Mutex
	mac    hash.Hash
	length [2]byte
	sum    [sha1.Size]byte
}

func newProof(password string) *proof {
	return &proof{mac: hmac.New(sha1.New, []byte(password))}
}

// holds says whether a message proves the password; at is where its proof begins.
func (p *proof) holds(b []byte, at int) bool {
	if p == nil || at < stunHeaderSize || len(b) < at+integritySize {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// The length is that of a message that ends here.
	binary.BigEndian.PutUint16(p.length[:], uint16(at+integritySize-stunHeaderSize))
	p.mac.Reset()
	_, _ = p.mac.Write(b[:2])
	_, _ = p.mac.Write(p.length[:])
	_, _ = p.mac.Write(b[4:at])
	return hmac.Equal(p.mac.Sum(p.sum[:0]), b[at+4:at+integritySize])
}

// proven is what of a message is proved: what comes behind, the fingerprint as a rule, is not.
func proven(b []byte, at int) []byte {
	end := at + integritySize
	p := append([]byte(nil), b[:end]...)
	binary.BigEndian.PutUint16(p[2:], uint16(end-stunHeaderSize))
	return p
}
