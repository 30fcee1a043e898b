//go:build linux

package main

import (
	"strings"
	"testing"
	"time"
)

func TestElement(t *testing.T) {
	in := "<?xml version='1.0'?><stream:stream to='a'> <a x='>'><b/><b>t</b></a><c/><d"
	var got []string
	for {
		el, n := element([]byte(in))
		if n == 0 {
			break
		}
		got, in = append(got, string(el)), in[n:]
	}
	want := "<?xml version='1.0'?> <stream:stream to='a'> <a x='>'><b/><b>t</b></a> <c/>"
	if strings.Join(got, " ") != want || in != "<d" {
		t.Errorf("got %q, and %q is left", got, in)
	}
}

func TestAttr(t *testing.T) {
	el := []byte(`<m xto="1" to='a"b' from="c"><x type="y"/></m>`)
	for name, want := range map[string]string{"to": `a"b`, "from": "c", "type": ""} {
		if got := string(attr(el, name)); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// One thing is wrong at a time, and each is noticed.
func TestWrongDeliveriesAreNoticed(t *testing.T) {
	good := func(number int) string {
		return `<message to="b" type="groupchat" from="r@h/o` + string(rune('0'+number%2)) + `"><body>PL:` + string(rune('0'+number)) + `:` + strings.Repeat("x", chatBytes) + `</body></message>`
	}
	for name, tt := range map[string]struct {
		say  []string
		fine bool
	}{
		"all well":     {[]string{good(0), good(1)}, true},
		"other order":  {[]string{good(1), good(0)}, true}, // the first receiver's is the order
		"twice":        {[]string{good(0), good(0)}, false},
		"not sent":     {[]string{good(2)}, false},
		"sender":       {[]string{strings.Replace(good(0), "/o0", "/o1", 1)}, false},
		"receiver":     {[]string{strings.Replace(good(0), `to="b"`, `to="c"`, 1)}, false},
		"other room":   {[]string{strings.Replace(good(0), "r@h", "s@h", 1)}, false},
		"text changed": {[]string{strings.Replace(good(0), "xx<", "xy<", 1)}, false},
	} {
		r := &room{l: &loop{}, name: "r@h", kind: "message", limit: 2, paced: true, padding: []byte(strings.Repeat("x", chatBytes)),
			sent: make([]time.Time, 2), left: []int{2, 2}}
		r.clients = []*client{{nick: "o0", jid: []byte("b")}, {nick: "o1", jid: []byte("b")}}
		for _, st := range tt.say {
			r.delivered(r.clients[0], []byte(st))
		}
		if (r.l.err == nil) != tt.fine {
			t.Errorf("%s: %v", name, r.l.err)
		}
	}
	// The second receiver must see the first one's order.
	r := &room{l: &loop{}, name: "r@h", kind: "message", paced: true, padding: []byte(strings.Repeat("x", chatBytes)), sent: make([]time.Time, 2), left: []int{2, 2}}
	r.clients = []*client{{nick: "o0", jid: []byte("b")}, {nick: "o1", jid: []byte("b")}}
	for i, number := range []int{0, 1, 1, 0} {
		r.delivered(r.clients[i/2], []byte(good(number)))
	}
	if r.l.err == nil {
		t.Error("another order was not noticed")
	}
}
