package meetweb

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"maps"
	"net/http"
	"runtime"
	"strconv"
	"strings"
)

// configJS is the script that tells the page where to connect, by the name the
// browser itself used.
func (s *Server) configJS(o origin, tenant string) ([]byte, error) {
	muc, prefix := s.cfg.MUCDomain, ""
	if tenant != "" {
		label, rest, _ := strings.Cut(muc, ".")
		muc, prefix = label+"."+strings.ReplaceAll(tenant, ".", "_")+"."+rest, "/"+tenant
	}
	hosts := map[string]any{"domain": s.cfg.Domain, "muc": muc, "focus": s.cfg.FocusDomain}
	if s.cfg.AnonymousDomain != "" {
		hosts["anonymousdomain"] = s.cfg.AnonymousDomain
	}
	config := map[string]any{
		"hosts":                     hosts,
		"focusUserJid":              s.cfg.FocusUser,
		"bosh":                      o.http() + prefix + "/http-bind",
		"websocket":                 o.ws() + prefix + "/xmpp-websocket",
		"websocketKeepAliveUrl":     o.http() + "/_unlock",
		"bridgeChannel":             map[string]any{"preferSctp": true, "ownPage": "websocket"},
		"p2p":                       map[string]any{"enabled": false},
		"deploymentInfo":            map[string]any{},
		"deeplinking":               map[string]any{"disabled": true},
		"disableThirdPartyRequests": true,
		"gravatar":                  map[string]any{"disabled": true},
		"analytics":                 map[string]any{"disabled": true},
	}
	if s.cfg.HiddenDomain != "" {
		config["hiddenDomain"] = s.cfg.HiddenDomain
	}
	if s.cfg.ConferenceRequestAddress != "" {
		config["conferenceRequestUrl"] = o.http() + prefix + "/conference-request/v1"
	}
	maps.Copy(config, s.cfg.Page)
	// json.Marshal writes < > & and the line separators as escapes, so the object
	// is also a script.
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write config.js: %w", err)
	}
	return append(append([]byte("var config = "), text...), ";\n"...), nil
}

// link is one way to an XMPP session (XEP-0156).
type link struct {
	XMLName xml.Name `xml:"Link" json:"-"`
	Rel     string   `xml:"rel,attr" json:"rel"`
	Href    string   `xml:"href,attr" json:"href"`
}

func links(o origin) []link {
	return []link{
		{Rel: "urn:xmpp:alt-connections:xbosh", Href: o.http() + "/http-bind"},
		{Rel: "urn:xmpp:alt-connections:websocket", Href: o.ws() + "/xmpp-websocket"},
	}
}

func hostMetaXML(o origin) ([]byte, error) {
	doc := struct {
		XMLName xml.Name `xml:"http://docs.oasis-open.org/ns/xri/xrd-1.0 XRD"`
		Links   []link
	}{Links: links(o)}
	text, err := xml.Marshal(doc)
	return append([]byte(xml.Header), text...), err
}

func hostMetaJSON(o origin) ([]byte, error) {
	return json.Marshal(map[string]any{"links": links(o)})
}

func (s *Server) versionJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"name": "Parley", "version": s.opts.Version, "os": runtime.GOOS})
}

// send answers with generated content.
func send(w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-cache")
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// sentence answers with one plain line.
func sentence(w http.ResponseWriter, r *http.Request, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	send(w, r, status, "text/plain; charset=utf-8", []byte(text+"\n"))
}

// smallPage is a page of ours that needs no script: what is wrong, and the way on.
func smallPage(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	w.Header().Set("Cache-Control", "no-store")
	page := fmt.Sprintf(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><meta name="color-scheme" content="light dark"><title>%[1]s – Parley</title></head>
<body><h1>%[1]s</h1><p>%[2]s</p><p><a href="/">Back to the start</a></p></body></html>
`, html.EscapeString(title), html.EscapeString(text))
	send(w, r, status, "text/html; charset=utf-8", []byte(page))
}
