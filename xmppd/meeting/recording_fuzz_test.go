package meeting

import (
	"encoding/json"
	"testing"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// What a client writes into app_data never keeps the server from saying who it is, and
// what comes out can be read.
func FuzzAppData(f *testing.F) {
	f.Add(`{"file_recording_metadata":{"share":true}}`)
	f.Add(`{"file_recording_metadata":[]}`)
	f.Add(`null`)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		var b stanza.Builder
		b.Empty(ns.Jibri, "jibri", "action", "start", "app_data", text)
		st, err := stanza.Parse(append(append([]byte(`<iq type="set" id="x">`), b.Bytes()...), "</iq>"...), nil)
		if err != nil {
			return
		}
		p, _ := st.Payload()
		before := st.ChildAttr(p, "app_data")
		out := withAppData(st, p, keyInitiator, holder{ID: "u1"})
		c, ok := out.Payload()
		if !ok || !c.Is(ns.Jibri, "jibri") || out.ChildAttr(c, "action") != "start" {
			t.Fatalf("%s became %s", st, out)
		}
		if again, err := stanza.Parse([]byte(out.String()), nil); err != nil {
			t.Fatalf("%v in %s of %s", err, out, again)
		}
		after := out.ChildAttr(c, "app_data")
		if after == before {
			return // was no object
		}
		var v map[string]map[string]any
		var whole map[string]json.RawMessage
		if json.Unmarshal([]byte(after), &whole) != nil || json.Unmarshal([]byte(`{"x":`+string(whole[keyRecording])+`}`), &v) != nil || v["x"][keyInitiator] == nil {
			t.Fatalf("%s became %s", before, after)
		}
	})
}

// A request to dial is read or not, whatever it holds.
func FuzzDial(f *testing.F) {
	f.Add([]byte(`<dial xmlns="urn:xmpp:rayo:1" to="+49" from="x"><header name="JvbRoomName" value="a@b"/></dial>`))
	f.Add([]byte(`<dial xmlns="urn:xmpp:rayo:1"><header/><header name=""/><x/></dial>`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		st, err := stanza.Parse(append(append([]byte(`<iq type="set" id="x">`), raw...), "</iq>"...), nil)
		if err != nil {
			return
		}
		var d dial
		if p, ok := st.Payload(); ok && st.Decode(p, &d) == nil {
			for _, h := range d.Headers {
				if s := oneLine(h.Value); len(s) != len(h.Value) {
					t.Fatalf("%q became %q", h.Value, s)
				}
			}
		}
	})
}
