package transport

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
)

// maxFrame bounds a frame of RFC 4571. Nothing an endpoint sends is longer; a greater
// length means that the other side speaks something else.
const maxFrame = 4096

var errFrame = errors.New("frame is longer than any packet of ours")

// frameReader reads packets with a 16-bit length before each (RFC 4571).
type frameReader struct {
	r   *bufio.Reader
	buf [maxFrame]byte
}

// next returns the next packet, valid until the following call. Empty frames are
// skipped.
func (f *frameReader) next() ([]byte, error) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(f.r, head[:]); err != nil {
			return nil, err
		}
		n := int(binary.BigEndian.Uint16(head[:]))
		if n > maxFrame {
			return nil, errFrame
		}
		if n == 0 {
			continue
		}
		if _, err := io.ReadFull(f.r, f.buf[:n]); err != nil {
			return nil, err
		}
		return f.buf[:n], nil
	}
}

// appendFrame adds a packet with its length to dst.
func appendFrame(dst, packet []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(packet)))
	return append(dst, packet...)
}

// The greeting of ssltcp: a fixed TLS 1.0-like hello each way that firewalls take for
// the start of HTTPS. It protects nothing.
var (
	sslHello = mustHex("8046010301002d000000100100800300800700c006004002008004008000000400feff00000a00fefe" +
		"0000090000640000620000030000061f170ca62f0078fc46552eb18339f1ea")
	sslAnswer = mustHex("160301004a020000460301428545a727a95da0b3c5e753da482b3fc65aca89c15852a1783c5b17460085" +
		"3f200ed306725b5b1b5f15ac13f988539d9be83d7b0c30326e384da27557416c345c000400")
)

func mustHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// takeSSLHello consumes the ssltcp greeting if the stream begins with it, and says
// whether it did. It reads no further than needed to tell.
func takeSSLHello(r *bufio.Reader) (bool, error) {
	// A frame beginning like the greeting would be 32838 bytes long: two bytes decide.
	head, err := r.Peek(2)
	if err != nil {
		return false, err
	}
	if !bytes.Equal(head, sslHello[:2]) {
		return false, nil
	}
	hello, err := r.Peek(len(sslHello))
	if err != nil {
		return false, err
	}
	if !bytes.Equal(hello, sslHello) {
		return false, errFrame
	}
	_, err = r.Discard(len(sslHello))
	return true, err
}
