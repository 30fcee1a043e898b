// Package wiretest compares wire types with golden files. It is for tests only.
//
// A case is a file testdata/<element>/<case>.xml: one element, with a comment that says
// where it comes from: mostly what an unmodified Jicofo, Jitsi Videobridge or
// lib-jitsi-meet sent in a call of ours that was recorded, with the name of the scene.
// Golden decodes it, encodes it again and compares the result as XML. Where our encoding
// leaves something out on purpose, the file <case>.out.xml beside it holds what we write;
// the flag -update writes these files anew.
package wiretest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley/internal/wire/ns"
)

var update = flag.Bool("update", false, "rewrite the encoded side of golden files")

// Golden runs all cases of an element with the type T. want holds the Go values of some
// of the cases, by name; XMLName fields are not compared.
func Golden[T any](t *testing.T, element string, want map[string]T) {
	t.Helper()
	seen := map[string]bool{}
	for _, file := range Cases(t, element) {
		name := strings.TrimSuffix(filepath.Base(file), ".xml")
		seen[name] = true
		t.Run(element+"/"+name, func(t *testing.T) { golden(t, file, name, want) })
	}
	for name := range want {
		if !seen[name] {
			t.Errorf("no file testdata/%s/%s.xml", element, name)
		}
	}
}

func golden[T any](t *testing.T, file, name string, want map[string]T) {
	raw := Read(t, file)
	v := Decode[T](t, raw)
	if w, ok := want[name]; ok {
		if d := cmp.Diff(w, v, ignoreNames); d != "" {
			t.Errorf("decoded (-want +got):\n%s", d)
		}
	}
	out, err := xml.Marshal(v)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	if err := CheckNamespaces(out); err != nil {
		t.Error(err)
	}
	encoded := strings.TrimSuffix(file, ".xml") + ".out.xml"
	expect, err := os.ReadFile(encoded)
	hasOut := err == nil
	if !hasOut {
		expect = raw
	}
	d := Diff(expect, out)
	switch {
	case d == "":
	case *update:
		if err := os.WriteFile(encoded, append(out, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("encoded (-want +got):\n%s", d)
	}
	if *update && hasOut && Diff(raw, out) == "" {
		_ = os.Remove(encoded)
	}
	again := Decode[T](t, out)
	if d := cmp.Diff(v, again, ignoreNames, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("decoded again (-first +second):\n%s", d)
	}
}

// ignoreNames leaves XMLName fields out where the wanted value does not bother to set them.
var ignoreNames = cmp.FilterPath(func(p cmp.Path) bool {
	f, ok := p.Last().(cmp.StructField)
	return ok && f.Name() == "XMLName"
}, cmp.Ignore())

// Cases lists the files of an element, without the encoded sides.
func Cases(t testing.TB, element string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join("testdata", element, "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range all {
		if !strings.HasSuffix(f, ".out.xml") {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		t.Fatalf("no cases in testdata/%s", element)
	}
	sort.Strings(files)
	return files
}

// Read reads a file.
func Read(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Decode reads one element, in the namespace of a client's stream.
func Decode[T any](t testing.TB, raw []byte) T {
	t.Helper()
	var v T
	d := xml.NewDecoder(bytes.NewReader(raw))
	d.DefaultSpace = ns.Client
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode: %v\n%s", err, raw)
	}
	return v
}

// Node is an element without anything that XML leaves open: prefixes, the order of
// attributes, white space between elements, comments.
type Node struct {
	Name     xml.Name
	Attrs    []string
	Text     string
	Children []*Node
}

// Parse reads one element into a Node.
func Parse(raw []byte) (*Node, error) {
	d := xml.NewDecoder(bytes.NewReader(raw))
	d.DefaultSpace = ns.Client
	var root *Node
	var stack []*Node
	for {
		tok, err := d.Token()
		if err == io.EOF && root != nil && len(stack) == 0 {
			root.settle()
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			n := newNode(t)
			if len(stack) > 0 {
				top := stack[len(stack)-1]
				top.Children = append(top.Children, n)
			} else if root != nil {
				return nil, errors.New("more than one element")
			} else {
				root = n
			}
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].Text += string(t)
			}
		}
	}
}

func newNode(t xml.StartElement) *Node {
	n := &Node{Name: t.Name}
	for _, a := range t.Attr {
		if a.Name.Local == "xmlns" || a.Name.Space == "xmlns" {
			continue
		}
		n.Attrs = append(n.Attrs, fmt.Sprintf("%s %s=%q", a.Name.Space, a.Name.Local, a.Value))
	}
	sort.Strings(n.Attrs)
	return n
}

// settle drops the white space between elements.
func (n *Node) settle() {
	if len(n.Children) > 0 {
		n.Text = strings.TrimSpace(n.Text)
	}
	for _, c := range n.Children {
		c.settle()
	}
	// Unlike children may stand in any order; like ones keep theirs.
	sort.SliceStable(n.Children, func(i, j int) bool {
		return n.Children[i].Name.Local < n.Children[j].Name.Local
	})
}

// Diff says how two elements differ as XML, "" if they do not. The order of unlike
// children does not count.
func Diff(want, got []byte) string {
	w, err := Parse(want)
	if err != nil {
		return fmt.Sprintf("wanted side: %v\n%s", err, want)
	}
	g, err := Parse(got)
	if err != nil {
		return fmt.Sprintf("got: %v\n%s", err, got)
	}
	return cmp.Diff(w, g, cmpopts.EquateEmpty())
}

// CheckNamespaces says whether every element whose namespace differs from its parent's
// has a declaration of its own, and nothing has a prefix: web clients look for the
// literal attribute.
func CheckNamespaces(raw []byte) error {
	d := xml.NewDecoder(bytes.NewReader(raw))
	d.DefaultSpace = ns.Client
	var spaces []string
	for {
		offset := d.InputOffset()
		tok, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			tag := raw[offset:d.InputOffset()]
			if name, _, _ := bytes.Cut(tag, []byte(" ")); bytes.Contains(name, []byte(":")) {
				return fmt.Errorf("prefix in %s", tag)
			}
			if len(spaces) > 0 && spaces[len(spaces)-1] != t.Name.Space && !bytes.Contains(tag, []byte(" xmlns=")) {
				return fmt.Errorf("no declaration in %s", tag)
			}
			spaces = append(spaces, t.Name.Space)
		case xml.EndElement:
			spaces = spaces[:len(spaces)-1]
		}
	}
}
