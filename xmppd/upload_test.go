package xmppd

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

const files = "upload.meet.example.com"

func wish(name, size string) string {
	return `<request xmlns='urn:xmpp:http:upload:0' filename='` + name + `' size='` + size + `' content-type='text/html'/>`
}

func TestUpload(t *testing.T) {
	dir := t.TempDir()
	w := start(t, func(c *Config) {
		u := &c.Services.Upload
		u.Enabled, u.Directory, u.URL, u.MaxFile, u.MaxDaily = true, dir, "http://placeholder/upload/", 100, 150
	})
	a := w.person("alice", "a")
	has(t, a.ask("get", "meet.example.com", `<query xmlns='http://jabber.org/protocol/disco#items'/>`), `jid="`+files+`"`)
	has(t, a.ask("get", files, `<query xmlns='http://jabber.org/protocol/disco#info'/>`), `category="store" type="file"`, `urn:xmpp:http:upload:0`,
		`<field type="text-single" var="max-file-size"><value>100</value></field>`)
	for _, tt := range []struct{ name, request, want string }{
		{"too large", wish("a", "101"), `<file-too-large xmlns="urn:xmpp:http:upload:0"><max-file-size>100</max-file-size></file-too-large>`},
		{"no size", wish("a", "many"), `<bad-request`},
		{"empty", wish("a", "0"), `<bad-request`},
		{"no name", wish("", "1"), `<bad-request`},
		{"path", wish("../x", "1"), `<bad-request`},
	} {
		has(t, a.ask("get", files, tt.request), `type="error"`, tt.want)
	}
	slot := a.ask("get", files, wish("bäd name.html", "80"))
	m := regexp.MustCompile(`<put url="http://placeholder([^"]+)"><header name="Authorization">([^<]+)</header></put><get url="http://placeholder([^"]+)"/>`).FindStringSubmatch(slot)
	if m == nil {
		t.Fatal(slot)
	}
	has(t, a.ask("get", files, wish("b", "80")), `<resource-constraint`, `<retry xmlns="urn:xmpp:http:upload:0" stamp="`)

	body := strings.Repeat("x", 80)
	do := func(method, path, auth, body string) (int, string, http.Header) {
		req, err := http.NewRequest(method, w.web.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if auth != "" {
			req.Header.Set("Authorization", auth)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b), res.Header
	}
	for _, tt := range []struct {
		name, method, path, auth, body string
		status                         int
	}{
		{"not there yet", "GET", m[3], "", "", 404},
		{"not allowed", "PUT", m[1], "", body, 403},
		{"wrong secret", "PUT", m[1], "Bearer x", body, 403},
		{"wrong size", "PUT", m[1], m[2], body + "y", 400},
		{"wrong name", "PUT", m[1] + "x", m[2], body, 404},
		{"put", "PUT", m[1], m[2], body, 201},
		{"again", "PUT", m[1], m[2], body, 409},
		{"got", "GET", m[3], "", "", 200},
		{"got the head", "HEAD", m[3], "", "", 200},
		{"nothing", "GET", "/upload/none/x", "", "", 404},
		{"a folder", "GET", "/upload/", "", "", 404},
		{"other verb", "DELETE", m[3], "", "", 405},
	} {
		status, got, head := do(tt.method, tt.path, tt.auth, tt.body)
		if status != tt.status {
			t.Errorf("%s: %d %s", tt.name, status, got)
		}
		if tt.name == "got" {
			if got != body || !strings.HasPrefix(head.Get("Content-Disposition"), "attachment") || head.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("got %q with %v", got, head)
			}
		}
	}
	http.DefaultClient.CloseIdleConnections()
	for range 50 {
		has(t, a.ask("get", files, wish("tiny", "1")), `<slot `)
	}
	has(t, a.ask("get", files, wish("tiny", "1")), `<retry `)
}
