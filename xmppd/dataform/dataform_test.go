package dataform

import (
	"encoding/xml"
	"slices"
	"strings"
	"testing"

	"parley/xmppd/stanza"
)

func read(t testing.TB, s string) (*XML, error) {
	t.Helper()
	x := &XML{}
	return x, xml.Unmarshal([]byte(s), x)
}

func TestReadForm(t *testing.T) {
	field := func(name string, values ...string) string {
		return `<field var="` + name + `"><value>` + strings.Join(values, "</value><value>") + `</value></field>`
	}
	for _, tt := range []struct {
		name, xml string
		err       error
		want      string
	}{
		{"submit", `<x type="submit">` + field("FORM_TYPE", "t") + field("a", "1", "2") + `</x>`, nil, "1\n2"},
		{"no form type", `<x type="submit">` + field("a", "1") + `</x>`, nil, "1"},
		{"other form type", `<x type="submit">` + field("FORM_TYPE", "u") + `</x>`, ErrType, ""},
		{"two form types", `<x type="submit">` + field("FORM_TYPE", "t", "t") + `</x>`, ErrType, ""},
		{"cancelled", `<x type="cancel"/>`, ErrType, ""},
		{"many fields", `<x type="submit">` + strings.Repeat(field("a", "1"), maxFields+1) + `</x>`, ErrTooLarge, ""},
		{"long", `<x type="submit">` + field("a", strings.Repeat("x", maxBytes+1)) + `</x>`, ErrTooLarge, ""},
	} {
		x, err := read(t, tt.xml)
		if err != nil {
			t.Fatal(err)
		}
		v, err := x.Read("t")
		got, _ := v.Text("a")
		if err != tt.err || got != tt.want {
			t.Errorf("%s: %q %v", tt.name, got, err)
		}
	}
}

func TestAppend(t *testing.T) {
	var b stanza.Builder
	f := &Form{Type: "form", FormType: "t", Fields: []Field{{Var: "a", Type: "list-single", Label: "A", Values: []string{"1"}, Options: []string{"1", "2"}},
		{Var: "b", Type: "text-single", Values: []string{""}}}}
	f.Append(&b)
	const want = `<x xmlns="jabber:x:data" type="form"><field type="hidden" var="FORM_TYPE"><value>t</value></field>` +
		`<field type="list-single" label="A" var="a"><value>1</value><option label="1"><value>1</value></option><option label="2"><value>2</value></option></field>` +
		`<field type="text-single" var="b"></field></x>`
	if got := string(b.Bytes()); got != want {
		t.Errorf("got %s", got)
	}
}

func TestPages(t *testing.T) {
	ids := []string{"a", "b", "c", "d"}
	for _, tt := range []struct{ name, xml, want string }{
		{"all", `<set/>`, "a b c d"},
		{"first", `<set><max>2</max></set>`, "a b"},
		{"empty after", `<set><max>2</max><after/></set>`, "a b"},
		{"after", `<set><max>1</max><after>b</after></set>`, "c"},
		{"before", `<set><max>2</max><before>d</before></set>`, "b c"},
		{"last", `<set><max>1</max><before/></set>`, "d"},
		{"last by default", `<set><before/></set>`, "a b c d"},
		{"between", `<set><after>a</after><before>d</before></set>`, "b c"},
		{"inside out", `<set><after>c</after><before>b</before></set>`, ""},
		{"index", `<set><max>2</max><index>1</index></set>`, "b c"},
		{"behind", `<set><index>9</index></set>`, ""},
		{"none", `<set><max>0</max></set>`, ""},
		{"unknown", `<set><after>z</after></set>`, "not found"},
		{"negative", `<set><max>-1</max></set>`, "bad"},
		{"words", `<set><max>two</max></set>`, "bad"},
		{"both ways", `<set><index>1</index><after>a</after></set>`, "bad"},
	} {
		var x SetXML
		if err := xml.Unmarshal([]byte(tt.xml), &x); err != nil {
			t.Fatal(err)
		}
		p, err := x.Read()
		got := "bad"
		if err == nil {
			got = "not found"
			if from, to, ok := p.Cut(ids); ok {
				got = strings.Join(ids[from:to], " ")
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, not %q", tt.name, got, tt.want)
		}
	}
}

func FuzzForm(f *testing.F) {
	f.Add(`<x type="submit"><field var="FORM_TYPE"><value>t</value></field><field var="a"><value>1</value></field></x>`)
	f.Fuzz(func(t *testing.T, s string) {
		x, err := read(t, s)
		if err != nil {
			return
		}
		v, err := x.Read("t")
		if err != nil {
			return
		}
		for name, values := range v {
			if len(values) > maxValues || name == "" {
				t.Errorf("%q has %d values", name, len(values))
			}
		}
	})
}

func FuzzPage(f *testing.F) {
	f.Add(`<set><max>2</max><after>b</after></set>`)
	f.Add(`<set><index>1</index></set>`)
	f.Fuzz(func(t *testing.T, s string) {
		var x SetXML
		if xml.Unmarshal([]byte(s), &x) != nil {
			return
		}
		p, err := x.Read()
		if err != nil {
			return
		}
		ids := []string{"a", "b", "c"}
		from, to, ok := p.Cut(ids)
		if ok && (from < 0 || to > len(ids) || from > to || p.Max >= 0 && to-from > p.Max) {
			t.Errorf("%+v cuts %d to %d", p, from, to)
		}
		_ = slices.Clone(ids[from:to])
	})
}
