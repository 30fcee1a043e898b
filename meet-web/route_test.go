package meetweb

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func knownAsset(name string) bool { return name == "assets/app-12345678.js" || name == "favicon.svg" }

func TestRoutes(t *testing.T) {
	for path, want := range map[string]route{
		"/":                                  {kind: routePage},
		"/Daily":                             {kind: routePage},
		"/daily.meeting":                     {kind: routePage},
		"/Gr%C3%B6%C3%9Fe%20x":               {kind: routePage},
		"/Acme/daily":                        {kind: routePage, tenant: "acme"},
		"/acme/":                             {kind: routePage, tenant: "acme"},
		"/config.js":                         {kind: routeEndpoint, name: "config.js"},
		"/acme/config.js":                    {kind: routeEndpoint, tenant: "acme", name: "config.js"},
		"/http-bind":                         {kind: routeEndpoint, name: "http-bind"},
		"/acme/xmpp-websocket":               {kind: routeEndpoint, tenant: "acme", name: "xmpp-websocket"},
		"/colibri-ws/b1/c/e":                 {kind: routeEndpoint, name: "colibri-ws", rest: []string{"b1", "c", "e"}},
		"/conference-request/v1":             {kind: routeEndpoint, name: "conference-request/v1"},
		"/.well-known/host-meta":             {kind: routeEndpoint, name: ".well-known/host-meta"},
		"/assets/app-12345678.js":            {kind: routeAsset, name: "assets/app-12345678.js"},
		"/acme/assets/app-12345678.js":       {kind: routeAsset, tenant: "acme", name: "assets/app-12345678.js"},
		"/favicon.svg":                       {kind: routeAsset, name: "favicon.svg"},
		"/-acme/daily":                       {kind: routeTenant, tenant: "-acme"},
		"/acme-/daily":                       {kind: routeTenant, tenant: "acme-"},
		"/" + strings.Repeat("a", 64) + "/x": {kind: routeTenant, tenant: strings.Repeat("a", 64)},

		// Nothing lives there, and a room must not hide it.
		"/about":                               {},
		"/check":                               {},
		"/static/x":                            {},
		"/assets/gone-12345678.js":             {},
		"/api/v1/rooms":                        {},
		"/.well-known/acme":                    {},
		"/acme/static":                         {},
		"/a/b/c":                               {},
		"//evil.example":                       {},
		"/colibri-ws":                          {},
		"/index.html":                          {},
		"/external_api.js":                     {},
		"/..":                                  {},
		"/acme/%2e%2e":                         {},
		"/colibri-ws/b1/../e":                  {},
		"/bad%zz":                              {},
		"/bad%00":                              {},
		"/bad%FF":                              {},
		"/" + strings.Repeat("a", 1024):        {},
		"/" + strings.Repeat("a/", 5000) + "b": {},
		"":                                     {},
	} {
		require.Equal(t, want, parseRoute(path, knownAsset), path)
	}
}

// A room link never becomes an endpoint or leaves the tenant it was made for.
func FuzzRoute(f *testing.F) {
	for _, seed := range []string{"/", "/a/b", "/colibri-ws/a/../c", "/%2e%2e/x", "/a%2fb", "//", "/config.js"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r := parseRoute(path, knownAsset)
		if r.kind == routeEndpoint {
			require.NotEmpty(t, handlers[r.name].methods)
		}
		if r.tenant != "" && r.kind != routeTenant {
			require.True(t, validTenant(r.tenant) || len(r.tenant) > maxTenantBytes, r.tenant)
		}
		u := url.URL{Path: path}
		parseRoute(u.EscapedPath(), knownAsset)
	})
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"/room?jwt=eyJ.a.b":            "/room?jwt=…",
		"/room?lang=de&jwt=x&a=b":      "/room?lang=de&jwt=…&a=b",
		"/http-bind?room=r&token=x":    "/http-bind?room=r&token=…",
		"/colibri-ws/a/b/c?pwd=secret": "/colibri-ws/a/b/c?pwd=…",
		"/x?JWT=a":                     "/x?JWT=…",
		"/x?%74oken=a&b=c":             "/x?%74oken=…&b=c",
		"/x?a=b;token=c":               "/x?a=b;token=…",
		"/x?%zz=a":                     "/x?%zz=…",
		"/x?notjwt=a":                  "/x?notjwt=a",
		"/plain":                       "/plain",
	} {
		u, err := url.Parse(in)
		require.NoError(t, err)
		require.Equal(t, want, redact(u))
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("a=b&jwt=SECRET", "x")
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "s3cr3t-t0ken"
		if strings.Contains(before+after, secret) {
			return
		}
		u := &url.URL{Path: "/r", RawQuery: before + "&jwt=" + secret + "&" + after}
		require.NotContains(t, redact(u), secret)
	})
}

func TestRoomNames(t *testing.T) {
	for name, want := range map[string]bool{
		"daily": true, "Größe": true, "daily.meeting": true, "%2e": true, strings.Repeat("a", 1023): true,
		"": false, "config.js": false, "..": false, "about": false, "http-bind": false, strings.Repeat("a", 1024): false, "a\x00": false,
	} {
		require.Equal(t, want, IsRoom(name), name)
	}
}
