package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// header opens a stream so that the garbage behind it is read as stanzas.
const header = "<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='http://etherx.jabber.org/streams' to='%s' version='1.0'>"

// garbageXML is what must end a stream, with an error where there is a stream to say it on.
func garbageXML(space, host string) map[string]string {
	open := fmt.Sprintf(header, space, host)
	return map[string]string{
		"binary":             "\x00\xff\xfe\x01\x02garbage\x00" + strings.Repeat("\x00", 5000),
		"another protocol":   "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"TLS hello":          "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("a", 600) + "<",
		"doctype":            "<?xml version='1.0'?><!DOCTYPE stream [<!ENTITY x 'y'>]>" + open,
		"wrong root":         "<html xmlns='http://www.w3.org/1999/xhtml'>",
		"not well-formed":    open + "<message><body></message></message>",
		"oversized":          open + "<message><body>" + strings.Repeat("x", 12<<20),
		"deep":               open + strings.Repeat("<a>", 20_000) + strings.Repeat("</a>", 20_000),
		"many attributes":    open + "<message " + manyAttributes(100_000) + "/>",
		"bad UTF-8":          open + "<message><body>\xc3\x28\xff</body></message>",
		"control characters": open + "<message><body>\x01</body></message>",
		"entity":             open + "<message><body>&xxe;</body></message>",
		"comment":            open + "<message><!-- hello --></message>",
		"before log-in":      open + "<message to='a@b'><body>x</body></message>",
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d='' ", i)
	}
	return b.String()
}

// TestGarbage throws rubbish at every port while two people are in a call. Each
// connection must be closed, and the two must notice nothing.
func TestGarbage(t *testing.T) {
	srv := startServer(t)
	if srv.ports == nil {
		t.Skip("the server under test is somebody else's")
	}
	call, err := readPlay("plays/parts/two-in-a-call.play")
	if err != nil {
		t.Fatal(err)
	}
	st := call.perform(t, srv)

	for _, port := range []struct{ name, space, host string }{
		{"c2s", "jabber:client", srv.domain},
		{"components", "jabber:component:accept", "focus." + srv.domain},
	} {
		for name, text := range garbageXML(port.space, port.host) {
			t.Run(port.name+"/"+name, func(t *testing.T) { mustEnd(t, srv.ports[port.name], text) })
		}
	}
	for name, text := range garbageXML("jabber:client", srv.domain) {
		t.Run("websocket/"+name, func(t *testing.T) { mustEndWebSocket(t, srv, text) })
		t.Run("bosh/"+name, func(t *testing.T) { mustRefuseBOSH(t, srv, text) })
	}
	t.Run("datagrams", func(t *testing.T) { throwDatagrams(t, srv.ports["media"]) })
	halfOpen := openAndWait(t, srv.ports["media-tcp"], srv.ports["components"], srv.ports["c2s"])
	defer halfOpen()

	after, err := parsePlay("after the garbage", `
Ann sends
	<message id="alive" to="{room}" type="groupchat" xmlns="jabber:client"><body>still there?</body></message>
Bob receives
	<message id="alive" to="{Bob.jid}" type="groupchat" from="{room}/{Ann.nick}" xmlns="jabber:client" play:more="x"><body>still there?</body></message>
Ann receives
	<message id="alive" to="{Ann.jid}" type="groupchat" from="{room}/{Ann.nick}" xmlns="jabber:client" play:more="x"><body>still there?</body></message>
Ann receives nothing else
Bob receives nothing else
`)
	if err != nil {
		t.Fatal(err)
	}
	st.perform(after)
	again := call.perform(t, srv) // and newcomers find everything as it was
	again.perform(after)
}

// mustEnd writes the text and waits for the end of the connection.
func mustEnd(t *testing.T, port int, text string) {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(stageTime))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.Copy(c, strings.NewReader(text)) // the server may hang up in the middle
	}()
	answer, err := io.ReadAll(c)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Errorf("the connection stays open after %.60q; answer %.200q", text, answer)
	}
	_ = c.Close()
	<-sent
	if bytes.Contains(answer, []byte("<stream:stream")) && !bytes.Contains(answer, []byte("<stream:error")) {
		t.Errorf("no stream error after %.60q; answer %.200q", text, answer)
	}
}

func mustEndWebSocket(t *testing.T, srv server, text string) {
	ctx, cancel := context.WithTimeout(context.Background(), stageTime)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, srv.websocket+"?room=x", &websocket.DialOptions{Subprotocols: []string{"xmpp"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.CloseNow() }()
	_ = ws.Write(ctx, websocket.MessageText, []byte(text))
	for {
		if _, _, err := ws.Read(ctx); err != nil {
			break
		}
	}
	if ctx.Err() != nil {
		t.Errorf("the connection stays open after %.60q", text)
	}
}

func mustRefuseBOSH(t *testing.T, srv server, text string) {
	client := &http.Client{Timeout: stageTime}
	defer client.CloseIdleConnections()
	url := fmt.Sprintf("http://127.0.0.1:%d/http-bind", srv.ports["http"])
	resp, err := client.Post(url, "text/xml", strings.NewReader(text))
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Errorf("no answer to %.60q", text)
	}
	if err != nil {
		return // hung up on an oversized body: also an end
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusOK && !bytes.Contains(body, []byte("terminate")) {
		t.Errorf("%.60q is answered with %.200q", text, body)
	}
}

// throwDatagrams sends 10,000 datagrams of noise, some of which begin like STUN, DTLS,
// RTP or RTCP.
func throwDatagrams(t *testing.T, port int) {
	c, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	first := []byte{0, 1, 20, 22, 23, 63, 64, 128, 144, 191, 255}
	for range 10_000 {
		b := make([]byte, rnd.IntN(1500))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		if len(b) > 0 && rnd.IntN(4) > 0 {
			b[0] = first[rnd.IntN(len(first))]
		}
		if len(b) >= 20 && b[0] <= 1 { // a STUN header that is right so far
			copy(b[2:], []byte{byte(len(b) >> 8), byte(len(b)), 0x21, 0x12, 0xa4, 0x42})
		}
		_, _ = c.Write(b) // a full socket drops: that is the network
	}
}

// openAndWait opens connections that say nothing, and closes them in the end.
func openAndWait(t *testing.T, ports ...int) func() {
	var conns []net.Conn
	for _, p := range ports {
		for range 50 {
			c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p))
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
	}
	return func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}
}
