package xmppd

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestExternalServices(t *testing.T) {
	w := start(t, func(c *Config) {
		c.Services.External = []ExternalService{
			{Type: "turn", Host: "turn.example.com", Port: 3478, Transport: "udp", Secret: "shared", TTL: time.Hour},
			{Type: "stun", Host: "turn.example.com", Port: 3478},
		}
		c.Services.Contacts = map[string][]string{"abuse": {"mailto:abuse@example.com"}, "admin": {"xmpp:root@example.com"}}
	})
	a := w.person("alice", "a")
	answer := a.ask("get", "meet.example.com", `<services xmlns='urn:xmpp:extdisco:2'/>`)
	has(t, answer, `type="stun" host="turn.example.com" port="3478"`, `restricted="1"`)
	m := regexp.MustCompile(`username="(\d+)" password="([^"]+)"`).FindStringSubmatch(answer)
	if m == nil {
		t.Fatal(answer)
	}
	mac := hmac.New(sha1.New, []byte("shared"))
	mac.Write([]byte(m[1]))
	until, _ := strconv.ParseInt(m[1], 10, 64)
	if left := time.Until(time.Unix(until, 0)); m[2] != base64.StdEncoding.EncodeToString(mac.Sum(nil)) || left < 50*time.Minute || left > time.Hour {
		t.Errorf("credentials %v, good for %s", m, left)
	}
	const credentials = `<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='turn.example.com'/></credentials>`
	has(t, a.ask("get", "meet.example.com", credentials), `<credentials xmlns="urn:xmpp:extdisco:2"><service type="turn"`, `password="`)
	has(t, a.ask("get", "meet.example.com", strings.Replace(credentials, "turn.", "other.", 1)), `item-not-found`)
	has(t, a.ask("get", "meet.example.com", `<credentials xmlns='urn:xmpp:extdisco:2'/>`), `bad-request`)
	has(t, a.ask("get", "meet.example.com", `<query xmlns='http://jabber.org/protocol/disco#info'/>`), `http://jabber.org/network/serverinfo`,
		`<field var="abuse-addresses" type="list-multi"><value>mailto:abuse@example.com</value></field>`)
}

func TestServicesOff(t *testing.T) {
	w := start(t, func(c *Config) { c.Services.Enabled = false })
	a := w.person("alice", "a")
	has(t, a.ask("get", "", `<vCard xmlns='vcard-temp'/>`), `item-not-found`)
	has(t, a.ask("get", "", pub(`<items node='x'/>`)), `service-unavailable`)
	has(t, a.ask("get", "meet.example.com", `<query xmlns='http://jabber.org/protocol/disco#items'/>`), "!pubsub.")
	has(t, a.ask("get", alice, `<query xmlns='http://jabber.org/protocol/disco#info'/>`), "!pep")
}

func TestServicesConfig(t *testing.T) {
	for _, tt := range []struct {
		want   string
		change func(*ServicesConfig)
	}{
		{"pubsub.create", func(c *ServicesConfig) { c.PubSub.Create = "everybody" }},
		{"pubsub.max_items", func(c *ServicesConfig) { c.PubSub.MaxItems = 0 }},
		{"people.max_card", func(c *ServicesConfig) { c.People.MaxCard = -1 }},
		{"archive.default", func(c *ServicesConfig) { c.Archive.Default = "sometimes" }},
		{"archive.max_age", func(c *ServicesConfig) { c.Archive.MaxAge = 0 }},
		{"upload.directory", func(c *ServicesConfig) { c.Upload.Enabled, c.Upload.URL = true, "https://x/" }},
		{"upload.url", func(c *ServicesConfig) { c.Upload.Enabled, c.Upload.Directory, c.Upload.URL = true, "x", "ftp://x" }},
		{"external[0].type", func(c *ServicesConfig) { c.External = []ExternalService{{Type: "ftp", Host: "x"}} }},
		{"external[0].host", func(c *ServicesConfig) { c.External = []ExternalService{{Type: "stun"}} }},
		{"contacts", func(c *ServicesConfig) { c.Contacts = map[string][]string{"cook": nil} }},
	} {
		c := DefaultServicesConfig()
		tt.change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.want, err)
		}
	}
	if err := DefaultServicesConfig().Validate(); err != nil {
		t.Error(err)
	}
}
