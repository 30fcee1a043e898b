// Package parley holds no code: this folder's test keeps the import law of the house.
package parley

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Sets of rooms, named with @ in the law.
var sets = map[string][]string{
	// Floor 0: plain values of the wire.
	"@words": {"internal/wire/ns", "internal/wire/jingle", "internal/wire/colibri", "internal/wire/jitsimeet",
		"internal/wire/bridgemsg", "internal/source"},
	// Floor 1: what every service stands on.
	"@plumbing": {"internal/loop", "internal/logx", "internal/config", "internal/metrics", "internal/network", "internal/admin",
		"internal/store", "internal/xmppclient"},
	// What rooms inside a service take from floor 1 without asking.
	"@daily": {"internal/loop", "internal/logx", "internal/metrics", "internal/network", "internal/admin"},
}

// rule is one room of the house: what it may import of ours, and why no more.
type rule struct {
	may []string // packages of ours, sets (@…) or subtrees (x/...)
	why string
}

const (
	whyWords   = "words are plain values; a service, a clock or a log in them would be in every part of the product"
	whyFloor1  = "plumbing knows no service, or it could not be used by all of them"
	whyService = "services meet only on the wire, also in one process, so that there is one code path to test"
	whySibling = "a room of a service sees the rooms below it, so that its neighbours can change without it"
	whyPackets = "the packet path never sees XML, JSON, logging or string-keyed maps: a packet must not wait for signalling"
	whyPure    = "decisions are pure functions of numbers and time, so that recorded traces can test them"
	whyFakes   = "fakes for tests live in a …test package, so that none is linked into the binary"
	whyDoor    = "doors are thin: what they open is assembled in internal/app"
)

// law is the import table of the house. A new line is a design decision: the
// commit that adds it says why.
var law = map[string]rule{
	"": {nil, "the root folder is only this test"},

	"internal/wire/ns":        {nil, whyWords},
	"internal/wire/jingle":    {[]string{"internal/wire/ns"}, whyWords},
	"internal/wire/colibri":   {[]string{"internal/wire/ns", "internal/wire/jingle"}, whyWords},
	"internal/wire/jitsimeet": {[]string{"internal/wire/ns"}, whyWords},
	"internal/wire/bridgemsg": {nil, whyWords},
	"internal/source":         {[]string{"internal/wire/ns", "internal/wire/jingle", "internal/wire/colibri"}, whyWords},
	"internal/wiretest":       {[]string{"@words"}, "it compares words; fakes of services live in their own tests"},
	"internal/udptest":        {nil, "a bad network does not know what it carries"},
	"internal/calltest":       {[]string{"internal/wire/ns", "internal/wire/jingle"}, "the media side of a participant; how it comes into a call is the test's business"},

	"internal/loop":       {nil, whyFloor1},
	"internal/logx":       {nil, whyFloor1},
	"internal/config":     {nil, whyFloor1},
	"internal/metrics":    {nil, whyFloor1},
	"internal/network":    {nil, whyFloor1},
	"internal/admin":      {[]string{"internal/logx"}, whyFloor1},
	"internal/store":      {[]string{"internal/logx"}, "tables belong to those who use them"},
	"internal/xmppclient": {[]string{"@words", "internal/logx", "internal/loop", "internal/metrics"}, whyFloor1},
	// Whose requests a token may cause is counted as all others count people.
	"jwtauth": {[]string{"internal/network"}, "the tokens are checked the same way wherever they arrive"},

	"xmppd":           {[]string{"xmppd/...", "internal/wire/ns", "internal/wire/jitsimeet", "@plumbing", "jwtauth"}, whyService},
	"xmppd/stanza":    {[]string{"internal/wire/ns"}, "the framed stanza all rooms of the server pass on; nothing of the house lies below it"},
	"xmppd/stream":    {[]string{"xmppd/stanza", "internal/wire/ns", "@daily"}, whySibling},
	"xmppd/bosh":      {[]string{"xmppd/stanza", "xmppd/stream", "internal/wire/ns", "@daily"}, whySibling},
	"xmppd/websocket": {[]string{"xmppd/stanza", "xmppd/stream", "internal/wire/ns", "@daily"}, whySibling},
	"xmppd/account":   {[]string{"jwtauth", "internal/store", "@daily"}, whySibling},
	"xmppd/sasl":      {[]string{"xmppd/account", "jwtauth", "internal/store", "internal/wire/ns", "@daily"}, whySibling},
	"xmppd/c2s":       {[]string{"xmppd/stanza", "xmppd/stream", "xmppd/sasl", "xmppd/router", "internal/wire/ns", "@daily"}, whySibling},
	"xmppd/component": {[]string{"xmppd/stanza", "xmppd/stream", "xmppd/router", "internal/wire/ns", "@daily"}, whySibling},
	"xmppd/router":    {[]string{"xmppd/stanza", "internal/wire/ns", "@daily"}, whySibling},
	// A card, a block list and private fragments are small answers that must outlive a restart.
	"xmppd/module":      {[]string{"xmppd/stanza", "xmppd/router", "internal/store", "internal/wire/ns", "internal/wire/jitsimeet", "@daily"}, whySibling},
	"xmppd/dataform":    {[]string{"xmppd/stanza", "internal/wire/ns"}, "forms and result pages are values; what they mean is the business of who asks"},
	"xmppd/pubsub":      {[]string{"xmppd/stanza", "xmppd/router", "xmppd/dataform", "internal/store", "internal/wire/ns", "@daily"}, whySibling},
	"xmppd/archive":     {[]string{"xmppd/stanza", "xmppd/router", "xmppd/dataform", "internal/store", "internal/wire/ns", "@daily"}, "rooms and accounts keep archives alike, so it knows neither"},
	"xmppd/upload":      {[]string{"xmppd/stanza", "xmppd/router", "xmppd/dataform", "internal/store", "internal/wire/ns", "@daily"}, whySibling},
	"xmppd/muc":         {[]string{"xmppd/stanza", "xmppd/router", "internal/store", "internal/wire/ns", "@daily"}, whySibling},
	"xmppd/muc/muctest": {[]string{"xmppd/...", "@words", "@daily", "internal/store"}, whyFakes},
	"xmppd/meeting":     {[]string{"xmppd/stanza", "xmppd/router", "xmppd/muc", "jwtauth", "internal/wire/ns", "internal/wire/jitsimeet", "@daily"}, whySibling},

	"focus":                {[]string{"focus/...", "@words", "@plumbing"}, whyService},
	"focus/chatroom":       {[]string{"@words", "@daily", "internal/xmppclient"}, whySibling},
	"focus/jinglesession":  {[]string{"@words", "@daily", "internal/xmppclient"}, whySibling},
	"focus/colibrisession": {[]string{"@words", "@daily", "internal/xmppclient"}, whySibling},
	"focus/conference": {[]string{"focus/chatroom", "focus/jinglesession", "focus/colibrisession", "focus/selector",
		"@words", "@daily", "internal/xmppclient"}, whySibling},
	"focus/selector": {[]string{"internal/wire/colibri"}, whyPure},

	"bridge": {[]string{"bridge/...", "@words", "@plumbing"}, whyService},
	// COLIBRI's words become values of the rooms below: descriptions, sources, layers.
	"bridge/signal": {[]string{"bridge/conference", "bridge/endpoint", "bridge/transport", "bridge/allocate", "bridge/media", "@words", "@daily", "internal/xmppclient"},
		"the only room of the bridge that sees XML; it starts nothing and moves no packet"},
	"bridge/conference": {[]string{"bridge/endpoint", "bridge/relay", "bridge/transport", "bridge/channel", "bridge/speaker", "bridge/allocate", "bridge/estimate",
		"bridge/media", "bridge/rtp", "internal/source", "internal/wire/bridgemsg", "@daily"}, whySibling},
	"bridge/conference/conferencetest": {[]string{"bridge/...", "@words", "@daily"}, whyFakes},
	"bridge/endpoint": {[]string{"bridge/transport", "bridge/rtp", "bridge/channel", "bridge/allocate", "bridge/estimate", "bridge/codec",
		"bridge/media", "internal/source", "internal/wire/bridgemsg", "@daily"}, whySibling},
	// A relay stands on the same legs as an endpoint, and brings participants of its own.
	"bridge/relay":     {[]string{"bridge/endpoint", "bridge/transport", "bridge/rtp", "bridge/channel", "bridge/media", "internal/source", "internal/wire/bridgemsg", "@daily"}, whySibling},
	"bridge/channel":   {[]string{"internal/wire/bridgemsg", "@daily"}, whySibling},
	"bridge/transport": {[]string{"@daily"}, "the only importer of the ICE and DTLS code"},
	"bridge/rtp":       {[]string{"bridge/media", "bridge/codec", "internal/metrics"}, whyPackets},
	"bridge/codec":     {[]string{"bridge/media"}, whyPackets},
	"bridge/media":     {nil, whyPackets},
	"bridge/estimate":  {[]string{"bridge/media"}, whyPure},
	"bridge/allocate":  {[]string{"bridge/media"}, whyPure},
	"bridge/speaker":   {[]string{"bridge/media"}, whyPure},

	"meet-web": {[]string{"@plumbing", "jwtauth"}, whyService},

	"internal/app": {[]string{"xmppd", "xmppd/account", "focus", "bridge", "meet-web", "jwtauth", "@plumbing"},
		"assembly sees the front of every service, not its rooms; accounts are the exception, since commands on them work while nothing runs"},
	"internal/ctl": {[]string{"internal/admin", "internal/config", "jwtauth"}, "the operator's door speaks words to a socket; it must not start a service by accident"},
	"cmd/parley":   {[]string{"internal/app", "internal/ctl"}, whyDoor},

	"test/process":  {nil, "what a process uses is told by the system alone"},
	"test/load":     {[]string{"test/process"}, "the load tool sees a server as its clients do, ours or another's"},
	"test/sfuload":  {[]string{"test/process", "@words"}, "the load tool sees the bridge as its focus and its clients do"},
	"test/udprelay": {[]string{"internal/udptest"}, "a bad network does not know what it carries"},
	"test/e2e":      {[]string{"internal/app", "@words", "internal/wiretest", "internal/calltest"}, "tests see the product as a stranger does"},
	"test/interop":  {[]string{"internal/app", "@words", "internal/wiretest"}, "tests see the product as a stranger does"},
}

// inTests is what the tests of every room may import beyond the law: words, and
// the tools that compare them. They may also join a room with others of its
// service.
var inTests = []string{"@words", "internal/wiretest", "internal/udptest", "internal/calltest", "internal/logx", "internal/metrics"}

// service is the first folder of a room's path.
func service(path string) string {
	first, _, _ := strings.Cut(path, "/")
	return first
}

// only names the foreign modules that have one home among ours, tests aside.
var only = map[string]struct {
	homes []string
	why   string
}{
	"github.com/golang-jwt/jwt":           {[]string{"jwtauth"}, "one place decides what a valid token is"},
	"github.com/pion/ice":                 {[]string{"bridge/transport"}, "the transport is the one room that knows how packets arrive"},
	"github.com/pion/dtls":                {[]string{"bridge/transport"}, "the transport is the one room that knows how packets arrive"},
	"github.com/pion/webrtc":              {nil, "the bridge is built on the layers; webrtc is for the clients in tests"},
	"github.com/stretchr/testify":         {nil, "test tools are not linked into the binary"},
	"go.uber.org/goleak":                  {nil, "test tools are not linked into the binary"},
	"github.com/google/go-cmp":            {nil, "test tools are not linked into the binary"},
	"modernc.org/sqlite":                  {[]string{"internal/store"}, "one place opens the database"},
	"github.com/spf13/cobra":              {[]string{"cmd/parley"}, "the command line is a door"},
	"mellium.im/xmpp/component":           {[]string{"internal/xmppclient"}, "one way to the server"},
	"github.com/prometheus/client_golang": {nil, "internal/metrics writes the text itself"},
}

// packetPath must not have these anywhere below it.
var packetPath = []string{"bridge/rtp", "bridge/codec", "bridge/media"}
var notUnderPackets = []string{"encoding/xml", "encoding/json", "github.com/sirupsen/logrus", "net/http", "text/template"}

type pkg struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
	Deps                               []string
}

const module = "parley"

// touch looks at every source file, since go test must know what the result of
// `go list` depends on before it may reuse an earlier one.
func touch(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist): // others may be at work here
			return err
		case err == nil && d.IsDir() && (d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && path != "."):
			return fs.SkipDir
		case err == nil && strings.HasSuffix(path, ".go"):
			os.Stat(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T) map[string]pkg {
	t.Helper()
	touch(t)
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", "./...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	found := map[string]pkg{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		found[ours(p.ImportPath)] = p
	}
}

// ours is the path inside the module.
func ours(path string) string { return strings.TrimPrefix(strings.TrimPrefix(path, module), "/") }

func isOurs(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

// allowed says whether may, which can hold sets and subtrees, names path.
func allowed(may []string, path string) bool {
	for _, m := range may {
		switch {
		case strings.HasPrefix(m, "@"):
			if slices.Contains(sets[m], path) {
				return true
			}
		case strings.HasSuffix(m, "/..."):
			if strings.HasPrefix(path, strings.TrimSuffix(m, "...")) {
				return true
			}
		case m == path:
			return true
		}
	}
	return false
}

func TestImportLaw(t *testing.T) {
	found := list(t)
	for _, path := range slices.Sorted(maps.Keys(found)) {
		p := found[path]
		r, known := law[path]
		if !known {
			t.Errorf("%s has no line in the import law: name the room in layout_test.go and say what it may see", path)
			continue
		}
		for _, imp := range p.Imports {
			if isOurs(imp) && !allowed(r.may, ours(imp)) {
				t.Errorf("%s must not import %s: %s", path, ours(imp), r.why)
			}
			if isOurs(imp) && strings.HasSuffix(imp, "test") && !strings.HasSuffix(path, "test") && !strings.HasPrefix(path, "test/") {
				t.Errorf("%s must not import %s: %s", path, ours(imp), whyFakes)
			}
		}
		for _, imp := range slices.Concat(p.TestImports, p.XTestImports) {
			in := ours(imp)
			sameService := service(in) == service(path) && service(path) != "internal"
			if isOurs(imp) && in != path && !sameService && !allowed(r.may, in) && !allowed(inTests, in) {
				t.Errorf("the tests of %s must not import %s: %s", path, in, r.why)
			}
		}
	}
}

func TestForeignModulesHaveOneHome(t *testing.T) {
	for path, p := range list(t) {
		if strings.HasPrefix(path, "test/") || strings.HasSuffix(path, "test") {
			continue
		}
		for _, imp := range p.Imports {
			for foreign, rule := range only {
				if (imp == foreign || strings.HasPrefix(imp, foreign+"/")) && !slices.Contains(rule.homes, path) {
					t.Errorf("%s must not import %s (at home in %v): %s", path, imp, rule.homes, rule.why)
				}
			}
		}
	}
}

func TestPacketPathStaysLean(t *testing.T) {
	found := list(t)
	for _, path := range packetPath {
		for _, dep := range found[path].Deps {
			if slices.Contains(notUnderPackets, dep) {
				t.Errorf("%s has %s below it: %s", path, dep, whyPackets)
			}
		}
	}
}
