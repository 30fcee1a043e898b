package e2e

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"parley/internal/wire/ns"
)

// line is what carries an actor's stanzas.
type line interface {
	// open begins the stream to a host, or begins it anew, and reads what the server says to that.
	open(ctx context.Context, host string) error
	write(ctx context.Context, text string) error
	read(ctx context.Context) (*element, error)
	// end says goodbye; close goes without a word.
	end(ctx context.Context) error
	close()
}

// webSocket is a line as web clients have it (RFC 7395).
type webSocket struct{ ws *websocket.Conn }

func dialWebSocket(ctx context.Context, url string) (line, error) {
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{"xmpp"}})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(1 << 20)
	return &webSocket{ws}, nil
}

func (l *webSocket) open(ctx context.Context, host string) error {
	if err := l.write(ctx, `<open to="`+host+`" version="1.0" xmlns="`+ns.Framing+`"/>`); err != nil {
		return err
	}
	for _, want := range []string{"open", "features"} {
		e, err := l.read(ctx)
		if err != nil {
			return err
		}
		if e.name.Local != want {
			return fmt.Errorf("%s instead of <%s/>", e, want)
		}
	}
	return nil
}

func (l *webSocket) write(ctx context.Context, text string) error {
	return l.ws.Write(ctx, websocket.MessageText, []byte(text))
}

// read reads one frame, which must be one element.
func (l *webSocket) read(ctx context.Context) (*element, error) {
	_, b, err := l.ws.Read(ctx)
	if err != nil {
		return nil, err
	}
	es, err := parseElements(string(b))
	if err != nil {
		return nil, fmt.Errorf("%w in frame %s", err, b)
	}
	if len(es) != 1 {
		return nil, fmt.Errorf("%d elements in frame %s", len(es), b)
	}
	return es[0], nil
}

func (l *webSocket) end(ctx context.Context) error {
	return l.write(ctx, `<close xmlns="`+ns.Framing+`"/>`)
}

func (l *webSocket) close() { _ = l.ws.CloseNow() }

// bosh is a session over HTTP (XEP-0124, XEP-0206): two requests at a time, of which
// one waits for news.
type bosh struct {
	url    string
	client *http.Client
	ctx    context.Context // of the requests
	cancel context.CancelFunc
	came   chan *element
	wg     sync.WaitGroup

	mu      sync.Mutex // guards what follows
	sid     string
	rid     int
	pending int
	last    chan struct{} // closed when all up to the last request is answered
	failure error
	broken  chan struct{} // closed with failure
}

const firstRid = 4_000_001

func newBOSH(url string) line {
	b := &bosh{url: url, client: &http.Client{Transport: &http.Transport{}}, came: make(chan *element, 1000), rid: firstRid, last: make(chan struct{}), broken: make(chan struct{})}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	close(b.last)
	return b
}

func (b *bosh) open(ctx context.Context, host string) error {
	attrs := ` to="` + host + `" xml:lang="en" xmpp:version="1.0" xmlns:xmpp="` + ns.XBOSH + `"`
	if b.sid == "" {
		attrs += ` wait="60" hold="1" ver="1.6" content="text/xml; charset=utf-8"`
	} else {
		attrs += ` xmpp:restart="true"`
	}
	b.post(attrs, "")
	e, err := b.read(ctx)
	if err == nil && e.name.Local != "features" {
		err = fmt.Errorf("%s instead of <features/>", e)
	}
	return err
}

func (b *bosh) write(_ context.Context, text string) error {
	b.post("", text)
	return b.failed()
}

func (b *bosh) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failure
}

func (b *bosh) read(ctx context.Context) (*element, error) {
	select {
	case e := <-b.came:
		return e, nil
	default:
	}
	select {
	case e := <-b.came:
		return e, nil
	case <-b.broken:
		return nil, b.failed()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// post sends a body. Its answer is taken after those of the bodies before it.
func (b *bosh) post(attrs, payload string) {
	b.mu.Lock()
	if b.sid != "" {
		attrs += ` sid="` + b.sid + `"`
	}
	text := fmt.Sprintf(`<body rid="%d" xmlns="%s"%s>%s</body>`, b.rid, ns.HTTPBind, attrs, payload)
	b.rid++
	b.pending++
	before, done := b.last, make(chan struct{})
	b.last = done
	b.mu.Unlock()
	b.wg.Go(func() {
		defer close(done)
		body, err := b.exchange(text)
		<-before
		b.take(body, err)
	})
}

func (b *bosh) exchange(text string) (*element, error) {
	req, err := http.NewRequestWithContext(b.ctx, http.MethodPost, b.url, strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	res, err := b.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	es, err := parseElements(string(answer))
	if err == nil && (res.StatusCode != http.StatusOK || len(es) != 1 || es[0].name.Local != "body") {
		err = fmt.Errorf("%s: %s", res.Status, answer)
	}
	if err != nil {
		return nil, err
	}
	return es[0], nil
}

// take hands on what an answer brings, and sees to it that one request always waits.
func (b *bosh) take(body *element, err error) {
	if err == nil && body.attr("type") == "terminate" {
		err = fmt.Errorf("session over: %s", body)
	}
	b.mu.Lock()
	b.pending--
	wait := err == nil && b.pending == 0 && b.failure == nil && b.sid != ""
	if err == nil && b.sid == "" {
		b.sid = body.attr("sid")
	}
	if err != nil && b.failure == nil {
		b.failure = err
		close(b.broken)
	}
	b.mu.Unlock()
	if err != nil {
		return
	}
	for _, e := range body.children {
		b.came <- e
	}
	if wait {
		b.post("", "")
	}
}

func (b *bosh) end(context.Context) error {
	b.post(` type="terminate"`, "")
	select {
	case <-b.broken:
		if text := b.failed().Error(); !strings.HasPrefix(text, "session over") {
			return errors.New(text)
		}
		return nil
	case <-time.After(stageTime):
		return errors.New("the session does not end")
	}
}

func (b *bosh) close() {
	b.cancel()
	b.wg.Wait()
	b.client.CloseIdleConnections()
}

// component is the line of a service (XEP-0114).
type component struct {
	conn   net.Conn
	in     *xml.Decoder
	secret string
}

func dialComponent(ctx context.Context, addr, secret string) (line, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &component{conn: conn, in: xml.NewDecoder(conn), secret: secret}, nil
}

// open opens the stream and proves the secret.
func (c *component) open(ctx context.Context, host string) error {
	head := `<stream:stream xmlns="` + ns.Component + `" xmlns:stream="` + ns.Stream + `" to="` + host + `">`
	if err := c.write(ctx, head); err != nil {
		return err
	}
	id := ""
	for id == "" {
		tok, err := c.in.Token()
		if err != nil {
			return err
		}
		if s, ok := tok.(xml.StartElement); ok {
			for _, a := range s.Attr {
				if a.Name.Local == "id" {
					id = a.Value
				}
			}
		}
	}
	sum := sha1.Sum([]byte(id + c.secret))
	if err := c.write(ctx, `<handshake>`+hex.EncodeToString(sum[:])+`</handshake>`); err != nil {
		return err
	}
	e, err := c.read(ctx)
	if err == nil && e.name.Local != "handshake" {
		err = &refusedLine{e}
	}
	return err
}

// refusedLine is a log-in that failed with an element.
type refusedLine struct{ element *element }

func (e *refusedLine) Error() string { return e.element.String() }

// write sends a stanza of the namespace plays are written in.
func (c *component) write(_ context.Context, text string) error {
	_, err := c.conn.Write(bytes.Replace([]byte(text), []byte(` xmlns="`+ns.Client+`"`), nil, 1))
	return err
}

func (c *component) read(context.Context) (*element, error) {
	var stack []*element
	for {
		tok, err := c.in.Token()
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			e := startOf(t)
			if e.name.Space == ns.Component {
				e.name.Space = ns.Client
			}
			if len(stack) > 0 {
				top := stack[len(stack)-1]
				top.children = append(top.children, e)
			}
			stack = append(stack, e)
		case xml.EndElement:
			if len(stack) == 0 {
				return nil, io.EOF // of the stream
			}
			e := stack[len(stack)-1]
			if stack = stack[:len(stack)-1]; len(stack) == 0 {
				return e, nil
			}
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text += string(t)
			}
		}
	}
}

func (c *component) end(ctx context.Context) error { return c.write(ctx, `</stream:stream>`) }

func (c *component) close() { _ = c.conn.Close() }
