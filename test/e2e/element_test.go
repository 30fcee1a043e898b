package e2e

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"sort"
	"strings"
	"testing"

	"parley/internal/wire/ns"
)

// element is XML as plays compare it: without prefixes and order of attributes.
type element struct {
	name     xml.Name
	attrs    map[xml.Name]string
	text     string
	children []*element
}

// playSpace is the prefix of attributes that are words to the matcher.
const playSpace = "play"

// parseElements reads a sequence of elements in the namespace of a client's stream.
func parseElements(text string) ([]*element, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	d.DefaultSpace = ns.Client
	var out, stack []*element
	for {
		tok, err := d.Token()
		if err == io.EOF && len(stack) == 0 {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			e := startOf(t)
			if len(stack) == 0 {
				out = append(out, e)
			} else {
				top := stack[len(stack)-1]
				top.children = append(top.children, e)
			}
			stack = append(stack, e)
		case xml.EndElement:
			e := stack[len(stack)-1]
			if len(e.children) > 0 {
				e.text = strings.TrimSpace(e.text)
			}
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text += string(t)
			} else if strings.TrimSpace(string(t)) != "" {
				return nil, fmt.Errorf("text outside of elements: %q", t)
			}
		}
	}
}

func startOf(t xml.StartElement) *element {
	e := &element{name: t.Name, attrs: map[xml.Name]string{}}
	for _, a := range t.Attr {
		if a.Name.Local != "xmlns" && a.Name.Space != "xmlns" {
			e.attrs[a.Name] = a.Value
		}
	}
	return e
}

// String writes the element with a declaration wherever the namespace changes.
func (e *element) String() string {
	var b strings.Builder
	e.write(&b, "")
	return b.String()
}

func (e *element) write(b *strings.Builder, parent string) {
	b.WriteString("<" + e.name.Local)
	if e.name.Space != parent {
		fmt.Fprintf(b, ` xmlns="%s"`, escape(e.name.Space))
	}
	var names []string
	byName := map[string]string{}
	for n, v := range e.attrs {
		name := n.Local
		if n.Space == ns.XML {
			name = "xml:" + name
		} else if n.Space != "" {
			name = n.Space + ":" + name
		}
		names = append(names, name)
		byName[name] = v
	}
	sort.Strings(names)
	for _, n := range names {
		fmt.Fprintf(b, ` %s="%s"`, n, escape(byName[n]))
	}
	if e.text == "" && len(e.children) == 0 {
		b.WriteString("/>")
		return
	}
	b.WriteString(">" + escape(e.text))
	for _, c := range e.children {
		c.write(b, e.name.Space)
	}
	b.WriteString("</" + e.name.Local + ">")
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}

func (e *element) attr(local string) string { return e.attrs[xml.Name{Local: local}] }

// child is the first child of that name, nil if there is none.
func (e *element) child(local string) *element {
	for _, c := range e.children {
		if c.name.Local == local {
			return c
		}
	}
	return nil
}

// vars are the texts that {x} stands for.
type vars map[string]string

var variable = regexp.MustCompile(`\{([A-Za-z_][\w.]*)\}`)

// fill is a copy of e with its variables replaced.
func (e *element) fill(v vars) (*element, error) {
	var missing error
	replace := func(s string) string {
		return variable.ReplaceAllStringFunc(s, func(x string) string {
			value, ok := v[x[1:len(x)-1]]
			if !ok {
				missing = fmt.Errorf("%s is not known yet", x)
			}
			return value
		})
	}
	c := &element{name: e.name, attrs: map[xml.Name]string{}, text: replace(e.text)}
	for n, a := range e.attrs {
		c.attrs[n] = replace(a)
	}
	for _, k := range e.children {
		f, err := k.fill(v)
		if err != nil {
			return nil, err
		}
		c.children = append(c.children, f)
	}
	return c, missing
}

// matchText compares and takes variables.
func matchText(pattern, text string, v vars) (vars, error) {
	var re strings.Builder
	var taken []string
	re.WriteString("(?s)^")
	at := 0
	for _, m := range variable.FindAllStringSubmatchIndex(pattern, -1) {
		re.WriteString(regexp.QuoteMeta(pattern[at:m[0]]))
		at = m[1]
		name := pattern[m[2]:m[3]]
		value, known := v[name]
		switch {
		case name == "_":
			re.WriteString(".*")
		case known:
			re.WriteString(regexp.QuoteMeta(value))
		default:
			re.WriteString("(.+)")
			taken = append(taken, name)
		}
	}
	re.WriteString(regexp.QuoteMeta(pattern[at:]) + "$")
	got := regexp.MustCompile(re.String()).FindStringSubmatch(text)
	if got == nil {
		return nil, fmt.Errorf("%q is not %q", text, pattern)
	}
	if len(taken) == 0 {
		return v, nil
	}
	v = maps.Clone(v)
	for i, name := range taken {
		v[name] = got[i+1]
	}
	return v, nil
}

// freeAttr may be there without being named: they differ with every run or say nothing.
var freeAttr = map[xml.Name]bool{{Local: "id"}: true, {Space: ns.XML, Local: "lang"}: true}

// match compares an element with a pattern. On success the variables are returned, with
// those the pattern takes.
func match(p, e *element, v vars) (vars, error) {
	if p.name != e.name {
		return nil, fmt.Errorf("<%s xmlns=%q> is not <%s xmlns=%q>", e.name.Local, e.name.Space, p.name.Local, p.name.Space)
	}
	_, more := p.attrs[xml.Name{Space: playSpace, Local: "more"}]
	v, err := matchAttrs(p, e, v, more)
	if err != nil {
		return nil, err
	}
	if v, err = matchChildren(p, e, v, more); err != nil {
		return nil, err
	}
	if more && p.text == "" {
		return v, nil
	}
	if w, ok, err := matchJSON(p.text, e.text, v); ok {
		if err != nil {
			return nil, fmt.Errorf("<%s>: %w", p.name.Local, err)
		}
		return w, nil
	}
	if v, err = matchText(strings.TrimSpace(p.text), strings.TrimSpace(e.text), v); err != nil {
		return nil, fmt.Errorf("<%s>: %w", p.name.Local, err)
	}
	return v, nil
}

func matchAttrs(p, e *element, v vars, more bool) (vars, error) {
	for n, want := range p.attrs {
		if n.Space == playSpace {
			continue
		}
		got, ok := e.attrs[n]
		if !ok {
			return nil, fmt.Errorf("<%s> lacks %s", p.name.Local, n.Local)
		}
		var err error
		if v, err = matchText(want, got, v); err != nil {
			return nil, fmt.Errorf("<%s> %s: %w", p.name.Local, n.Local, err)
		}
	}
	for n, got := range e.attrs {
		if _, named := p.attrs[n]; !named && !more && !freeAttr[n] {
			return nil, fmt.Errorf("<%s> has %s=%q", e.name.Local, n.Local, got)
		}
	}
	return v, nil
}

func matchChildren(p, e *element, v vars, more bool) (vars, error) {
	used := make([]bool, len(e.children))
	for _, pc := range p.children {
		found := false
		var last error
		for i, ec := range e.children {
			if used[i] {
				continue
			}
			w, err := match(pc, ec, v)
			if err == nil {
				used[i], found, v = true, true, w
				break
			}
			if pc.name == ec.name {
				last = err
			}
		}
		_, optional := pc.attrs[xml.Name{Space: playSpace, Local: "optional"}]
		if !found && last != nil {
			return nil, last
		}
		if !found && !optional {
			return nil, fmt.Errorf("<%s> lacks <%s xmlns=%q>", p.name.Local, pc.name.Local, pc.name.Space)
		}
	}
	for i, ec := range e.children {
		if !used[i] && !more {
			return nil, fmt.Errorf("<%s> has %s", e.name.Local, ec)
		}
	}
	return v, nil
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		bound         string // value of {x} after the match, "!" if it must not match
	}{
		{`<a b='{x}'>t</a>`, `<a b='1' id='7' xml:lang='en'>t</a>`, "1"},
		{`<a b='{x}'/>`, `<a b='1' c='2'/>`, "!"},
		{`<a b='{x}' play:more='y'/>`, `<a b='1' c='2'><d/>text</a>`, "1"},
		{`<a><b>{x}</b><c>{x}</c></a>`, `<a><c>1</c><b>1</b></a>`, "1"},
		{`<a><b>{x}</b><c>{x}</c></a>`, `<a><c>2</c><b>1</b></a>`, "!"},
		{`<a><b play:optional='y'/></a>`, `<a/>`, ""},
		{`<a><b play:optional='y' c='1'/></a>`, `<a><b c='2'/></a>`, "!"},
		{`<a/>`, `<a><b/></a>`, "!"},
		{`<a xmlns='x'/>`, `<a xmlns='y'/>`, "!"},
		{`<a>r/{x}-0 {_}</a>`, `<a>r/me-0 123</a>`, "me"},
		{`<a>(.*)</a>`, `<a>x</a>`, "!"},
		{`<a>{"b":["{x}",1],"c":"{_}"}</a>`, `<a>{"c":{"d":[]},"b":["me",1]}</a>`, "me"},
		{`<a>{"{x}":1,"b":2}</a>`, `<a>{"b":2,"c":1}</a>`, "c"},
		{`<a>{"b":{}}</a>`, `<a>{"b":[]}</a>`, "!"},
		{`<a>{"b":1}</a>`, `<a>{"b":1,"c":2}</a>`, "!"},
	} {
		p, err := parseElements(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		e, err := parseElements(c.text)
		if err != nil {
			t.Fatal(err)
		}
		v, err := match(p[0], e[0], vars{})
		if (err != nil) != (c.bound == "!") || err == nil && v["x"] != c.bound {
			t.Errorf("%s with %s: %v %v", c.pattern, c.text, v, err)
		}
	}
	f := &element{text: "{nobody}"}
	if _, err := f.fill(vars{}); err == nil || errors.Is(err, io.EOF) {
		t.Error("an unknown variable is sent")
	}
}
