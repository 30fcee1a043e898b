// Package websocket carries XMPP streams over WebSocket (RFC 7395): one stanza a
// text frame, <open/> and <close/> instead of a stream header.
//
// Frames are read strictly: masked, whole, text, beginning with <. Compression is
// not offered, since it would mix secrets with what others say and costs CPU.
// Frame headers are written next to their payload, so that many small stanzas go
// out in one write. The HTTP front of the service (CORS, client addresses, URL
// parameters) is xmppd's.
package websocket

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
	"parley/xmppd/stream"
)

// Options are the settings of the carrier.
type Options struct {
	// Limit is the largest stanza before SetLimits is called, in bytes.
	Limit int
	// Queue is how many bytes may wait for a slow reader.
	Queue int
	// Idle is how long a silence may last before a ping, and then until the end.
	Idle time.Duration
	// Recovered hears of panics, see stream.Guard.
	Recovered func(v any, stack []byte)
}

// closeElement is compared as a string by Strophe (strophejs, websocket.js).
const closeElement = `<close xmlns="` + ns.Framing + `" />`

// readSize is the buffer of an idle stream; also the first memory of a frame.
const readSize = 1 << 10

// lingerTime is how long the client may take to close after us.
const lingerTime = time.Second

// carrier is one WebSocket. All fields but the Writer belong to the reading goroutine.
type carrier struct {
	*stream.Writer
	conn   net.Conn
	br     *bufio.Reader
	limit  int
	idle   time.Duration
	silent bool

	controlsSince time.Time // see tooManyControls
	controls      int
}

// Serve upgrades a request and starts a goroutine that runs the stream until it
// ends, or ctx is done, and then calls done. Nothing may be written to w
// afterwards. The subprotocol must be xmpp, else the answer is 501.
//
// The stream does not run on the goroutine of the request, which has a deep stack
// and keeps the whole request alive for as long as it runs.
func Serve(ctx context.Context, w http.ResponseWriter, r *http.Request, m stream.Meta, o Options, accept stream.Acceptor, done func()) {
	conn, br := upgrade(w, r)
	if conn == nil {
		done()
		return
	}
	begin := func() (*carrier, stream.Handler) {
		c := newCarrier(conn, br, o)
		return c, accept(c, m)
	}
	go run(ctx, begin, o.Recovered, done)
}

// run is the goroutine of a stream.
func run(ctx context.Context, begin func() (*carrier, stream.Handler), recovered func(v any, stack []byte), done func()) {
	defer done()
	c, h := begin()
	begin = nil // and what it holds
	defer c.conn.Close()
	stop := context.AfterFunc(ctx, func() { c.Fail(stream.Err(stream.SystemShutdown, "")) })
	defer stop()
	if !stream.Guard(recovered, func() { c.serve(h) }) {
		c.Fail(stream.Err(stream.InternalServerError, ""))
		h.Lost(stream.ErrPanic)
	}
	c.Drain()
}

// upgrade makes a request a WebSocket, or answers why not.
func upgrade(w http.ResponseWriter, r *http.Request) (net.Conn, io.Reader) {
	if !offersXMPP(r) {
		http.Error(w, "The WebSocket subprotocol must be xmpp.", http.StatusNotImplemented)
		return nil, nil
	}
	up := ws.HTTPUpgrader{
		Timeout:  10 * time.Second,
		Protocol: func(p string) bool { return p == "xmpp" },
		Header:   w.Header().Clone(),
	}
	conn, rw, _, err := up.Upgrade(r, w)
	if err != nil {
		return nil, nil // the upgrader has answered
	}
	_ = conn.SetDeadline(time.Time{})
	if n := rw.Reader.Buffered(); n > 0 {
		early, _ := rw.Reader.Peek(n)
		return conn, io.MultiReader(bytes.NewReader(bytes.Clone(early)), stream.Instant(conn))
	}
	return conn, stream.Instant(conn)
}

// newCarrier reads from r, which gives the bytes of conn.
func newCarrier(conn net.Conn, r io.Reader, o Options) *carrier {
	c := &carrier{conn: conn, br: bufio.NewReaderSize(r, readSize), limit: o.Limit, idle: o.Idle}
	if c.limit <= 0 {
		c.limit = stanza.DefaultLimits.Bytes
	}
	c.Writer = stream.NewWriter(linger{conn}, encoding{}, o.Queue)
	return c
}

func offersXMPP(r *http.Request) bool {
	for _, v := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(v, ",") {
			if strings.TrimSpace(p) == "xmpp" {
				return true
			}
		}
	}
	return false
}

// linger gives the client a moment to read our last frames before the socket closes.
type linger struct{ net.Conn }

func (l linger) Close() error { return l.SetReadDeadline(time.Now().Add(lingerTime)) }

// SyscallConn is syscall.Conn, for a connection that is not encrypted.
func (l linger) SyscallConn() (syscall.RawConn, error) { return stream.Plain(l.Conn) }

// SetLimits is stream.Carrier.SetLimits.
func (c *carrier) SetLimits(element, queue int) {
	c.limit = element
	c.SetQueue(queue)
}

// Restart is stream.Carrier.Restart: the client sends a new <open/> by itself.
func (c *carrier) Restart() {}

// closing is a WebSocket close with a status code of RFC 6455 §7.4.
type closing struct {
	code ws.StatusCode
	text string
}

func (e *closing) Error() string { return "websocket closed: " + e.text }

var errClosed = errors.New("websocket closed by the client")

// serve reads until the end. An idle stream waits in it with a small stack, see the
// serve of package stream.
func (c *carrier) serve(h stream.Handler) {
	for {
		err := c.await(h)
		ended := false
		if err == nil {
			ended, err = c.step(h)
		}
		if err != nil {
			told := c.broken(err)
			h.Lost(err)
			if told {
				c.swallow()
			}
			return
		}
		if ended {
			h.End()
			c.swallow()
			return
		}
	}
}

// await waits for the beginning of a frame, with a ping after the first silence.
func (c *carrier) await(h stream.Handler) error {
	for {
		if c.idle > 0 && !c.Ended() {
			_ = c.conn.SetReadDeadline(time.Now().Add(c.idle))
		}
		// Peek, so that a time-out never falls into the middle of a header.
		_, err := c.br.Peek(2)
		if err != nil && errors.Is(err, os.ErrDeadlineExceeded) && !c.silent && !c.Ended() {
			c.silent = true
			h.Idle()
			c.Raw(ws.CompiledPing)
			continue
		}
		if err == nil {
			c.silent = false
		}
		return err
	}
}

// step takes one frame in.
func (c *carrier) step(h stream.Handler) (ended bool, err error) {
	payload, err := c.frame()
	if err != nil || payload == nil {
		return false, err
	}
	return c.element(h, payload)
}

// broken tells the client why the stream ends, if it may still listen.
func (c *carrier) broken(err error) (told bool) {
	var se *stream.Error
	var ce *closing
	switch {
	case errors.As(err, &se):
		c.Fail(se)
		return true
	case errors.As(err, &ce):
		c.Raw(ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ce.code, ce.text))))
		c.CloseWhenWritten()
		return true
	}
	c.Close()
	return false
}

// swallow reads what is still on its way, so that closing resets nothing.
func (c *carrier) swallow() {
	_ = c.conn.SetReadDeadline(time.Now().Add(lingerTime))
	c.Drain()
	_, _ = io.CopyN(io.Discard, c.br, 16<<20)
}

// frame reads a frame. The bytes of a text frame, never nil, are the caller's; of another
// one that the stream outlives there are none.
func (c *carrier) frame() ([]byte, error) {
	hd, err := ws.ReadHeader(c.br)
	if err != nil {
		return nil, err
	}
	if err := check(hd); err != nil {
		return nil, err
	}
	if hd.OpCode == ws.OpText && hd.Length > int64(c.limit) {
		return nil, stream.Err(stream.PolicyViolation, "stanza too large")
	}
	payload, err := c.payload(int(hd.Length))
	if err != nil {
		return nil, err
	}
	ws.Cipher(payload, hd.Mask, 0)
	if hd.OpCode.IsControl() && c.tooManyControls(time.Now()) {
		return nil, stream.Err(stream.PolicyViolation, "too many pings")
	}
	switch hd.OpCode {
	case ws.OpText:
		return payload, nil
	case ws.OpPing:
		c.Raw(ws.MustCompileFrame(ws.NewPongFrame(payload)))
	case ws.OpClose:
		c.Raw(ws.MustCompileFrame(ws.NewCloseFrame(closeBody(payload))))
		c.CloseWhenWritten()
		c.Drain()
		return nil, errClosed
	}
	return nil, nil
}

// payload reads the n bytes of a frame. Whoever announces many is given memory as they come:
// strangers would otherwise have the limit of a frame each, for a few bytes.
func (c *carrier) payload(n int) ([]byte, error) {
	b := make([]byte, 0, min(n, readSize))
	for len(b) < n {
		if len(b) == cap(b) {
			b = slices.Grow(b, min(len(b), n-len(b)))
		}
		read, err := io.ReadFull(c.br, b[len(b):min(cap(b), n)])
		b = b[:len(b)+read]
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Browsers send no pings by themselves and libraries one every few seconds.
const (
	maxControls = 200 // control frames within controlSpan
	controlSpan = 10 * time.Second
)

// tooManyControls counts a ping, pong or close: they are no stanzas, whose rate others
// watch, and each ping costs an answer.
func (c *carrier) tooManyControls(now time.Time) bool {
	if now.Sub(c.controlsSince) >= controlSpan {
		c.controlsSince, c.controls = now, 0
	}
	c.controls++
	return c.controls > maxControls
}

// closeBody echoes the client's status code.
func closeBody(payload []byte) []byte {
	if len(payload) < 2 {
		return nil
	}
	return payload[:2]
}

func check(hd ws.Header) error {
	switch {
	case hd.Rsv != 0:
		return &closing{ws.StatusProtocolError, "reserved bits"}
	case !hd.Masked:
		return &closing{ws.StatusProtocolError, "frame without mask"}
	case hd.OpCode.IsControl() && (hd.Length > 125 || !hd.Fin):
		return &closing{ws.StatusProtocolError, "bad control frame"}
	case hd.OpCode == ws.OpClose, hd.OpCode == ws.OpPing, hd.OpCode == ws.OpPong:
		return nil
	case hd.OpCode == ws.OpBinary, hd.OpCode == ws.OpContinuation, hd.OpCode == ws.OpText && !hd.Fin:
		return &closing{ws.StatusUnsupportedData, "one text frame a stanza"}
	case hd.OpCode == ws.OpText:
		return nil
	}
	return &closing{ws.StatusProtocolError, "reserved opcode"}
}

// element reads what a text frame holds.
func (c *carrier) element(h stream.Handler, b []byte) (ended bool, err error) {
	if len(b) == 0 || b[0] != '<' || !utf8.Valid(b) {
		return false, &closing{ws.StatusInvalidFramePayloadData, "not an element"}
	}
	o := stanza.Options{Default: ns.Client}
	o.Bytes = c.limit
	st, err := stanza.Parse(b, &o)
	if err != nil {
		var pe *stanza.ParseError
		if errors.As(err, &pe) {
			return false, stream.Err(pe.Condition, pe.Text)
		}
		return false, err
	}
	if st.Space != ns.Framing {
		h.Element(st)
		return false, nil
	}
	switch st.Name {
	case "open":
		h.Header(stream.Header{From: st.From.String(), To: st.To.String(), Version: st.Attr("version"), Lang: st.Lang, Default: ns.Client})
		return false, nil
	case "close":
		return true, nil
	}
	return false, stream.Err(stream.InvalidNamespace, "only open and close are framing elements")
}

// encoding writes each piece as a frame.
type encoding struct{}

// maxFrameHeader is what a frame header may need.
const maxFrameHeader = 10

// frame calls write and puts the frame header before what it wrote.
func frame(dst []byte, write func([]byte) []byte) []byte {
	start := len(dst)
	dst = append(dst, zero[:]...)
	dst = write(dst)
	return seal(dst, start)
}

// seal fills in the header of a frame whose payload begins maxFrameHeader behind start.
func seal(dst []byte, start int) []byte {
	n := len(dst) - start - maxFrameHeader
	h := dst[start:]
	var size int
	switch {
	case n < 126:
		h[1], size = byte(n), 2
	case n < 1<<16:
		h[1], size = 126, 4
		binary.BigEndian.PutUint16(h[2:], uint16(n))
	default:
		h[1], size = 127, 10
		binary.BigEndian.PutUint64(h[2:], uint64(n))
	}
	h[0] = 0x80 | byte(ws.OpText)
	if size < maxFrameHeader {
		copy(h[size:], h[maxFrameHeader:])
	}
	return dst[:start+size+n]
}

func (encoding) AppendStanza(dst []byte, to stanza.Addr, e *stanza.Encoded) []byte {
	start := len(dst)
	dst = append(dst, zero[:]...)
	dst = e.Append(dst, to, ns.Client)
	return seal(dst, start)
}

var zero [maxFrameHeader]byte

func (encoding) AppendHeader(dst []byte, h stream.Header) []byte {
	return frame(dst, func(b []byte) []byte {
		b = append(b, "<open"...)
		b = stanza.AppendAttr(b, "xmlns", ns.Framing)
		for _, a := range [...][2]string{{"from", h.From}, {"to", h.To}, {"id", h.ID}, {"version", h.Version}, {"xml:lang", h.Lang}} {
			if a[1] != "" {
				b = stanza.AppendAttr(b, a[0], a[1])
			}
		}
		return append(b, "/>"...)
	})
}

func (encoding) AppendFeatures(dst, inner []byte) []byte {
	return frame(dst, func(b []byte) []byte {
		b = append(b, `<stream:features xmlns:stream="`+ns.Stream+`" xmlns="`+ns.Client+`">`...)
		b = append(b, inner...)
		return append(b, "</stream:features>"...)
	})
}

func (encoding) AppendElement(dst, xml []byte) []byte {
	return frame(dst, func(b []byte) []byte { return append(b, xml...) })
}

func (encoding) AppendError(dst []byte, e *stream.Error) []byte {
	return frame(dst, func(b []byte) []byte {
		b = append(b, `<stream:error xmlns:stream="`+ns.Stream+`">`...)
		b = append(b, e.Content()...)
		return append(b, "</stream:error>"...)
	})
}

func (encoding) AppendEnd(dst []byte) []byte {
	dst = frame(dst, func(b []byte) []byte { return append(b, closeElement...) })
	return append(dst, closeNormal...)
}

var closeNormal = ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
