package stream

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

// binaryHeader is version 2: a command, a family, and what follows the length.
func binaryHeader(command, family byte, rest ...byte) string {
	b := append([]byte(proxySignature), command, family)
	return string(append(binary.BigEndian.AppendUint16(b, uint16(len(rest))), rest...))
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

var (
	four = unhex("c0000207 c6336401 dc04 1466") // 192.0.2.7:56324 to 198.51.100.1:5222
	six  = unhex("20010db8000000000000000000000007 20010db8000000000000000000000001 dc04 1466")
)

// summed adds a checksum behind a header's addresses.
func summed(ok bool) string {
	b := []byte(binaryHeader(0x21, 0x11, append(append([]byte{}, four...), 0x03, 0, 4, 0, 0, 0, 0)...))
	sum := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	if !ok {
		sum++
	}
	binary.BigEndian.PutUint32(b[len(b)-4:], sum)
	return string(b)
}

func TestProxyHeader(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"line 4", "PROXY TCP4 192.0.2.7 198.51.100.1 56324 5222\r\n", "192.0.2.7"},
		{"line 6", "PROXY TCP6 2001:db8::7 2001:db8::1 56324 5222\r\n", "2001:db8::7"},
		{"line 6, really 4", "PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.1 56324 5222\r\n", "192.0.2.7"},
		{"binary 4", binaryHeader(0x21, 0x11, four...), "192.0.2.7"},
		{"binary 6", binaryHeader(0x21, 0x21, six...), "2001:db8::7"},
		{"extensions", binaryHeader(0x21, 0x11, append(append([]byte{}, four...), 0x04, 0, 2, 1, 1, 0x01, 0, 0)...), "192.0.2.7"},
		{"checksum", summed(true), "192.0.2.7"},
		{"the proxy itself", binaryHeader(0x20, 0), "invalid IP"},
		{"the proxy itself, with something", binaryHeader(0x20, 0x11, 1, 2, 3), "invalid IP"},

		{"wrong checksum", summed(false), ""},
		{"extension cut off", binaryHeader(0x21, 0x11, append(append([]byte{}, four...), 0x04, 0, 2, 1)...), ""},
		{"half an extension", binaryHeader(0x21, 0x11, append(append([]byte{}, four...), 0x04)...), ""},
		{"too short", binaryHeader(0x21, 0x21, four...), ""},
		{"datagrams", binaryHeader(0x21, 0x12, four...), ""},
		{"a path", binaryHeader(0x21, 0x31, make([]byte, 216)...), ""},
		{"version 3", binaryHeader(0x31, 0x11, four...), ""},
		{"command 2", binaryHeader(0x22, 0x11, four...), ""},
		{"nobody", binaryHeader(0x21, 0x11, unhex("00000000 c6336401 dc04 1466")...), ""},
		{"unspecified", binaryHeader(0x21, 0), ""},
		{"long", binaryHeader(0x21, 0x11, make([]byte, 5000)...), ""},
		{"unknown", "PROXY UNKNOWN\r\n", ""},
		{"unknown, with addresses", "PROXY UNKNOWN 192.0.2.7 198.51.100.1 56324 5222\r\n", ""},
		{"a stream", open, ""},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaa", ""},
		{"lower case", "proxy TCP4 192.0.2.7 198.51.100.1 56324 5222\r\n", ""},
		{"two blanks", "PROXY TCP4  192.0.2.7 198.51.100.1 56324 5222\r\n", ""},
		{"a blank behind", "PROXY TCP4 192.0.2.7 198.51.100.1 56324 5222 \r\n", ""},
		{"families", "PROXY TCP4 2001:db8::7 2001:db8::1 56324 5222\r\n", ""},
		{"families mixed", "PROXY TCP6 2001:db8::7 198.51.100.1 56324 5222\r\n", ""},
		{"zone", "PROXY TCP6 fe80::1%eth0 fe80::2 56324 5222\r\n", ""},
		{"name", "PROXY TCP4 localhost 198.51.100.1 56324 5222\r\n", ""},
		{"octal", "PROXY TCP4 192.0.02.7 198.51.100.1 56324 5222\r\n", ""},
		{"port", "PROXY TCP4 192.0.2.7 198.51.100.1 65536 5222\r\n", ""},
		{"port with a sign", "PROXY TCP4 192.0.2.7 198.51.100.1 +5 5222\r\n", ""},
		{"port with a zero", "PROXY TCP4 192.0.2.7 198.51.100.1 05 5222\r\n", ""},
		{"only LF", "PROXY TCP4 192.0.2.7 198.51.100.1 56324 5222\n<stream:stream/>", ""},
		{"endless", "PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n", ""},
		{"cut off", "PROXY TCP4 192.0.2.7", ""},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := strings.NewReader(tt.in + "REST")
			got, err := readProxied(iotest.HalfReader(in))
			if tt.want == "" {
				if err == nil {
					t.Errorf("took it for %v", got)
				}
				return
			}
			left, _ := io.ReadAll(in)
			if err != nil || got.String() != tt.want || string(left) != "REST" {
				t.Errorf("got %v, %v, and left %q", got, err, left)
			}
		})
	}
}

// FuzzProxyHeader: what is read as a header names somebody, and has the bytes a proxy
// would write for him or the form of version 2.
func FuzzProxyHeader(f *testing.F) {
	for _, s := range []string{"PROXY TCP4 192.0.2.7 198.51.100.1 56324 5222\r\n", "PROXY TCP6 2001:db8::7 2001:db8::1 1 2\r\nx",
		"PROXY UNKNOWN\r\n", binaryHeader(0x21, 0x11, four...), binaryHeader(0x21, 0x21, six...), binaryHeader(0x20, 0), summed(true), summed(false)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		a, err := readProxied(r)
		read := len(in) - r.Len()
		if read > 16+proxyContent {
			t.Errorf("read %d bytes", read)
		}
		switch {
		case err != nil && errors.Is(err, io.EOF) && len(in) >= 16+proxyContent:
			t.Errorf("wanted more than %d bytes", len(in))
		case err != nil:
		case !a.IsValid() && in[12] != 0x20:
			t.Errorf("%q names nobody", in[:read])
		case a.IsValid() && (a == netip.IPv4Unspecified() || a.Is4In6()):
			t.Errorf("%q names %v", in[:read], a)
		}
	})
}
