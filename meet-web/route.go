package meetweb

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// route is what a path asks for. Every endpoint exists at the root and below one
// tenant segment.
type route struct {
	kind   routeKind
	tenant string   // lower-case; "" at the root
	name   string   // endpoint or asset, without leading slash
	rest   []string // decoded segments after the endpoint
}

type routeKind uint8

const (
	routeNone     routeKind = iota // nothing lives there
	routePage                      // the page of a room, or the welcome page
	routeEndpoint                  // a well-known path
	routeAsset                     // a file of the page
	routeTenant                    // a tenant whose name breaks the rules
)

// endpoints are the well-known paths; those ending in a slash have more behind.
var endpoints = map[string]bool{
	"config.js": true, "interface_config.js": true, "logging_config.js": true,
	"http-bind": true, "xmpp-websocket": true, "colibri-ws/": true, "colibri-relay-ws/": true, "upload/": true, "conference-request/v1": true,
	"_unlock": true, "about/health": true, "about/version": true, "robots.txt": true, "favicon.ico": true,
	".well-known/host-meta": true, ".well-known/host-meta.json": true,
}

// reserved first segments are never rooms or tenants, whether or not something
// lives there now: a link made today must not change its meaning later.
var reserved = map[string]bool{
	"static": true, "libs": true, "css": true, "images": true, "fonts": true, "lang": true, "sounds": true, "assets": true,
	".well-known": true, "about": true, "check": true, "api": true, "_api": true,
	"config.js": true, "interface_config.js": true, "logging_config.js": true, "external_api.js": true,
	"manifest.json": true, "pwa-worker.js": true, "favicon.ico": true, "favicon.svg": true, "robots.txt": true,
	"index.html": true, "placeholder.html": true,
	"http-bind": true, "xmpp-websocket": true, "colibri-ws": true, "colibri-relay-ws": true, "upload": true, "conference-request": true,
	"_unlock": true, "metrics": true, "stats": true, "debug": true, "rtcstats": true,
	"room-size": true, "room-info": true,
}

const (
	maxRoomBytes   = 1023 // of an XMPP localpart
	maxTenantBytes = 63   // of a domain label
)

// IsRoom says whether the page of a room of that name can be opened: some names
// are files of ours, and an address of a room has its limits.
func IsRoom(name string) bool {
	return name != "" && parseRoute("/"+url.PathEscape(name), func(string) bool { return false }).kind == routePage
}

// parseRoute reads an escaped path. isAsset knows the files of the page.
func parseRoute(escaped string, isAsset func(string) bool) route {
	if !strings.HasPrefix(escaped, "/") || len(escaped) > 8<<10 {
		return route{}
	}
	segments := strings.Split(escaped[1:], "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil || !utf8.ValidString(decoded) || strings.ContainsFunc(decoded, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			return route{}
		}
		if decoded == "." || decoded == ".." { // browsers never send these, and would not come back to such a room
			return route{}
		}
		segments[i] = decoded
	}
	if r, ok := fixed(segments, "", isAsset); ok {
		return r
	}
	first := segments[0]
	if reserved[first] {
		return route{}
	}
	switch {
	case len(segments) == 1:
		return pageRoute("", first)
	case first == "": // "//…" is no address of ours
		return route{}
	case !validTenant(first):
		return route{kind: routeTenant, tenant: first}
	}
	tenant := strings.ToLower(first)
	if r, ok := fixed(segments[1:], tenant, isAsset); ok {
		return r
	}
	if len(segments) == 2 && !reserved[segments[1]] {
		return pageRoute(tenant, segments[1])
	}
	return route{}
}

func pageRoute(tenant, room string) route {
	if len(room) > maxRoomBytes {
		return route{}
	}
	return route{kind: routePage, tenant: tenant}
}

// fixed finds endpoints and assets.
func fixed(segments []string, tenant string, isAsset func(string) bool) (route, bool) {
	path := strings.Join(segments, "/")
	if endpoints[path] {
		return route{kind: routeEndpoint, tenant: tenant, name: path}, true
	}
	if len(segments) > 1 && endpoints[segments[0]+"/"] {
		return route{kind: routeEndpoint, tenant: tenant, name: segments[0], rest: segments[1:]}, true
	}
	if isAsset(path) {
		return route{kind: routeAsset, tenant: tenant, name: path}, true
	}
	return route{}, false
}

// validTenant holds a tenant against the rules of a domain label, since it
// becomes one.
func validTenant(name string) bool {
	return len(name) <= maxTenantBytes && !strings.HasPrefix(name, "-") && !strings.HasSuffix(name, "-") &&
		!strings.ContainsAny(name, " :?#[]@!$&'()*+,;=<>/\"\\%|{}^`")
}
