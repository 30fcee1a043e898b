package c2s

import (
	"strings"
	"testing"

	"parley/xmppd/stanza"
)

// FuzzInline takes what strangers send with their log-in apart.
func FuzzInline(f *testing.F) {
	for _, s := range []string{
		`<bind xmlns="urn:xmpp:bind:0"><tag>Talk</tag><enable xmlns="urn:xmpp:carbons:2"/><enable xmlns="urn:xmpp:sm:3" resume="true" max="30"/></bind>`,
		`<user-agent id="d4565fa7-4d72-4749-b3d3-740edbf87770"><software>x</software></user-agent><resume xmlns="urn:xmpp:sm:3" previd="x" h="1"/>`,
		`<bind xmlns="urn:xmpp:bind:0"><tag>` + strings.Repeat("ü", 100) + `</tag><tag/><inactive xmlns="urn:xmpp:csi:0"/></bind>`,
		`<bind xmlns="urn:xmpp:bind:0"><tag><b/>x</tag></bind><bind xmlns="urn:xmpp:bind:0"/>`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, asks string) {
		st, err := stanza.Parse([]byte(`<authenticate xmlns="urn:xmpp:sasl:2" mechanism="PLAIN">`+asks+`</authenticate>`), &stanza.Options{})
		if err != nil {
			return
		}
		in, ok := readInline(st)
		if !ok || in.bind == nil {
			return
		}
		if n := len([]rune(in.bind.tag)); n > maxTag {
			t.Errorf("a tag of %d characters", n)
		}
		name := in.resource()
		if in.agent != "" && name != in.resource() {
			t.Error("an installation has two resources")
		}
		if addr, err := stanza.NewAddr("alice", "example.com", name); err == nil && addr.Local() != "alice" {
			t.Errorf("a resource became the account %s", addr.Local())
		}
	})
}
