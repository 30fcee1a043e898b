//go:build linux

package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"

	"parley/internal/wire/colibri"
	"parley/internal/wire/jingle"
)

// Names on the wire between the bridge and its focus.
const (
	bridgeDomain = "bridge.load.test"
	focusAddress = "focus.load.test/focus"
)

// focus is the XMPP server a bridge logs in to as a component (XEP-0114), and the focus
// behind it that asks for endpoints.
type focus struct {
	listener net.Listener
	up       chan struct{} // closed when the bridge has logged in
	lost     chan struct{} // closed when its stream ended

	mu      sync.Mutex // guards what follows and writing
	conn    net.Conn
	number  int
	waiting map[string]chan answer
}

// answer is what came for a request.
type answer struct {
	Type     string            `xml:"type,attr"`
	ID       string            `xml:"id,attr"`
	To       string            `xml:"to,attr"`
	From     string            `xml:"from,attr"`
	Modified *colibri.Modified `xml:"jitsi:colibri2 conference-modified"`
	Error    *struct {
		Inner string `xml:",innerxml"`
	} `xml:"error"`
}

func newFocus() (*focus, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &focus{listener: l, up: make(chan struct{}), lost: make(chan struct{}), waiting: map[string]chan answer{}}
	go func() {
		defer close(f.lost)
		_ = f.serve()
	}()
	return f, nil
}

func (f *focus) close() {
	_ = f.listener.Close()
	f.mu.Lock()
	if f.conn != nil {
		_ = f.conn.Close()
	}
	f.mu.Unlock()
	<-f.lost
}

// serve lets one component in, whatever its password, and takes its answers.
func (f *focus) serve() error {
	conn, err := f.listener.Accept()
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.conn = conn
	f.mu.Unlock()
	d := xml.NewDecoder(conn)
	opened := false
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch {
		case !opened:
			opened = true
			err = f.write("<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1' from='" + bridgeDomain + "'>")
		case start.Name.Local == "handshake":
			if err = d.Skip(); err == nil {
				err = f.write("<handshake/>")
			}
			close(f.up)
		case start.Name.Local == "iq":
			var a answer
			if err = d.DecodeElement(&a, &start); err == nil {
				err = f.heard(a)
			}
		default:
			err = d.Skip()
		}
		if err != nil {
			return err
		}
	}
}

func (f *focus) write(s string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn == nil {
		return io.ErrClosedPipe
	}
	_, err := io.WriteString(f.conn, s)
	return err
}

func (f *focus) heard(a answer) error {
	if a.Type == "get" || a.Type == "set" { // a ping: the server lives
		return f.write(fmt.Sprintf(`<iq type="result" id="%s" from="%s" to="%s"/>`, escape(a.ID), escape(a.To), escape(a.From)))
	}
	f.mu.Lock()
	w := f.waiting[a.ID]
	delete(f.waiting, a.ID)
	f.mu.Unlock()
	if w != nil {
		w <- a
	}
	return nil
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

// ask sends a conference-modify and waits for the answer.
func (f *focus) ask(ctx context.Context, meeting string, create bool, endpoint string) (*colibri.Modified, error) {
	w := make(chan answer, 1)
	f.mu.Lock()
	f.number++
	id := strconv.Itoa(f.number)
	f.waiting[id] = w
	f.mu.Unlock()
	attributes := ""
	if create {
		attributes = ` create="true" name="` + meeting + `@conference.load.test"`
	}
	err := f.write(`<iq type="get" id="` + id + `" from="` + focusAddress + `" to="` + bridgeDomain + `"><conference-modify xmlns="jitsi:colibri2" meeting-id="` + meeting + `"` + attributes + `>` + endpoint + `</conference-modify></iq>`)
	if err != nil {
		return nil, err
	}
	select {
	case a := <-w:
		switch {
		case a.Error != nil:
			return nil, fmt.Errorf("the bridge answers %s", a.Error.Inner)
		case a.Modified == nil:
			return nil, errors.New("the bridge answers nothing of use")
		}
		return a.Modified, nil
	case <-f.lost:
		return nil, errors.New("the bridge is gone")
	case <-ctx.Done():
		return nil, fmt.Errorf("COLIBRI: %w", ctx.Err())
	}
}

const endpointMedia = `<media type="audio"><payload-type xmlns="urn:xmpp:jingle:apps:rtp:1" id="111" name="opus" clockrate="48000" channels="2"/>
<rtp-hdrext xmlns="urn:xmpp:jingle:apps:rtp:rtp-hdrext:0" id="1" uri="urn:ietf:params:rtp-hdrext:ssrc-audio-level"/></media>
<media type="video"><payload-type xmlns="urn:xmpp:jingle:apps:rtp:1" id="100" name="VP8" clockrate="90000">
<rtcp-fb xmlns="urn:xmpp:jingle:apps:rtp:rtcp-fb:0" type="nack"/><rtcp-fb xmlns="urn:xmpp:jingle:apps:rtp:rtcp-fb:0" type="nack" subtype="pli"/><rtcp-fb xmlns="urn:xmpp:jingle:apps:rtp:rtcp-fb:0" type="transport-cc"/></payload-type>
<payload-type xmlns="urn:xmpp:jingle:apps:rtp:1" id="96" name="rtx" clockrate="90000"><parameter name="apt" value="100"/></payload-type>
<rtp-hdrext xmlns="urn:xmpp:jingle:apps:rtp:rtp-hdrext:0" id="5" uri="http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"/></media>`

// invite asks for an endpoint and returns its transport.
func (f *focus) invite(ctx context.Context, meeting, id string, first bool) (*jingle.Transport, error) {
	m, err := f.ask(ctx, meeting, first, `<endpoint id="`+id+`" create="true">`+endpointMedia+
		`<transport ice-controlling="true"/><capability name="source-names"/></endpoint>`)
	if err != nil {
		return nil, err
	}
	if len(m.Endpoints) != 1 || m.Endpoints[0].Transport == nil || m.Endpoints[0].Transport.ICE == nil || len(m.Endpoints[0].Transport.ICE.Candidates) == 0 {
		return nil, errors.New("the bridge's answer has no transport")
	}
	return m.Endpoints[0].Transport.ICE, nil
}

// accept tells the bridge about the participant's side and what it sends.
func (f *focus) accept(ctx context.Context, meeting string, c *client) error {
	cert, err := certificate()
	if err != nil {
		return err
	}
	const ssma = `xmlns="urn:xmpp:jingle:apps:rtp:ssma:0"`
	var audio, video strings.Builder
	var group []string
	for _, s := range c.sources {
		if !s.video {
			fmt.Fprintf(&audio, `<media-source type="audio" id="%[1]s-a0"><source %[2]s ssrc="%[3]d" name="%[1]s-a0"/></media-source>`, c.name, ssma, s.ssrc)
			continue
		}
		fmt.Fprintf(&video, `<source %s ssrc="%d"/><source %s ssrc="%d"/>`, ssma, s.ssrc, ssma, s.repairSSRC())
		fmt.Fprintf(&video, `<ssrc-group %s semantics="FID"><source ssrc="%d"/><source ssrc="%d"/></ssrc-group>`, ssma, s.ssrc, s.repairSSRC())
		group = append(group, fmt.Sprintf(`<source ssrc="%d"/>`, s.ssrc))
	}
	if len(group) > 1 {
		fmt.Fprintf(&video, `<ssrc-group %s semantics="SIM">%s</ssrc-group>`, ssma, strings.Join(group, ""))
	}
	if len(group) > 0 {
		audio.WriteString(`<media-source type="video" id="` + c.name + `-v0">` + video.String() + `</media-source>`)
	}
	_, err = f.ask(ctx, meeting, false, fmt.Sprintf(`<endpoint id="%s"><transport><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="%s" pwd="%s"><fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="sha-256" setup="active">%s</fingerprint></transport></transport><sources>%s</sources></endpoint>`,
		c.name, c.ufrag, c.pwd, fingerprint(cert.Certificate[0]), audio.String()))
	return err
}
