package xmppd

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

// A log-in that was begun for one host proves nothing to another one, whose name the
// stream may have after STARTTLS: there the account of the same name is somebody else.
func TestLoginDoesNotChangeHosts(t *testing.T) {
	w := start(t, func(c *Config) { c.TrustLoopback = false })
	if err := w.Accounts().Create(context.Background(), "focus", "meet.example.com", "mine"); err != nil {
		t.Fatal(err)
	}
	for name, words := range map[string][2]string{
		"SASL": {`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>%s</auth>`,
			`<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>`},
		"SASL2": {`<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256'><initial-response>%s</initial-response></authenticate>`,
			`<response xmlns='urn:xmpp:sasl:2'>%s</response>`},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := scram.SHA256.NewClient("focus", "mine", "")
			if err != nil {
				t.Fatal(err)
			}
			conv := c.NewConversation()
			first, _ := conv.Step("")
			conn := dial(t, w.c2s)
			fmt.Fprintf(conn, header+words[0], "meet.example.com", base64.StdEncoding.EncodeToString([]byte(first)))
			said := strings.TrimSuffix(readThrough(t, conn, "</challenge>"), "</challenge>")
			challenge, err := base64.StdEncoding.DecodeString(said[strings.LastIndexByte(said, '>')+1:])
			if err != nil {
				t.Fatal(err)
			}
			second, err := conv.Step(string(challenge))
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(conn, `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`)
			readThrough(t, conn, `<proceed xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>`)
			p := connPeer(t, name, tls.Client(conn, &tls.Config{InsecureSkipVerify: true}))
			p.say(header, "auth.meet.example.com")
			p.expect(`</stream:features>`)
			p.say(words[1], base64.StdEncoding.EncodeToString([]byte(second)))
			if got := p.expect(`<(success|failure) [^>]*>.*`)[0]; !strings.Contains(got, "<malformed-request") {
				t.Errorf("heard %s", got)
			}
		})
	}
}

// readThrough reads as far as end and not further.
func readThrough(t *testing.T, r io.Reader, end string) string {
	t.Helper()
	var got []byte
	for one := make([]byte, 1); !strings.HasSuffix(string(got), end); got = append(got, one[0]) {
		if _, err := io.ReadFull(r, one); err != nil {
			t.Fatalf("%v while waiting for %s; had %s", err, end, got)
		}
	}
	return string(got)
}
