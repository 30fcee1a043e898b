package app

import (
	"encoding"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"parley/internal/config"
)

var update = flag.Bool("update", false, "write configs/reference.yaml anew from the comments and defaults in the code")

const referenceFile = "../../configs/reference.yaml"

// The reference is made of the comments and defaults in the code; this keeps all
// three the same. `go test ./internal/app -run Reference -update` writes it.
func TestReferenceIsComplete(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Every setting of Parley with its default. Copy the lines you want to change; a\n" +
		"# file with nothing in it is a working server. Durations carry units (30s, 5m); sizes are\n" +
		"# in bytes.\n" +
		"#\n" +
		"# A value can also come from elsewhere: `!file PATH` reads a file, `!env NAME` a\n" +
		"# variable. And every key is a variable: web.http_listen is PARLEY_WEB_HTTP_LISTEN;\n" +
		"# with _FILE appended it names a file that holds the value.\n")
	w := referenceWriter{out: &b, docs: map[string]map[string]string{}, keys: keysOf(reflect.TypeFor[Config](), map[string]string{})}
	w.group(reflect.ValueOf(DefaultConfig()), "")
	want := b.String()
	if *update {
		require.NoError(t, os.WriteFile(referenceFile, []byte(want), 0o644))
	}
	have, err := os.ReadFile(referenceFile)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, string(have)), "run: go test ./internal/app -run Reference -update")

	got := Config{}
	require.NoError(t, config.Decode(referenceFile, have, nil, &got))
	require.Empty(t, cmp.Diff(DefaultConfig(), got, emptyIsNil))
	require.Empty(t, w.undocumented, "these keys have no comment for the operator")
}

// emptyIsNil: a list the file shows as [] is the one the code leaves out.
var emptyIsNil = cmp.FilterValues(func(a, b any) bool {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	if !va.IsValid() || !vb.IsValid() || va.Kind() != vb.Kind() || (va.Kind() != reflect.Slice && va.Kind() != reflect.Map) {
		return false
	}
	return va.Len() == 0 && vb.Len() == 0
}, cmp.Comparer(func(_, _ any) bool { return true }))

type referenceWriter struct {
	out          *strings.Builder
	docs         map[string]map[string]string // type → field → comment
	keys         map[string]string            // field → key
	undocumented []string
	path         []string
}

// group writes the keys of a struct.
func (w *referenceWriter) group(v reflect.Value, indent string) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		name, opts, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		if !sf.IsExported() || name == "-" {
			continue
		}
		if opts == "inline" {
			w.group(v.Field(i), indent)
			continue
		}
		if name == "" {
			name = strings.ToLower(sf.Name)
		}
		w.path = append(w.path, name)
		doc := w.doc(v.Type(), sf.Name, name)
		if doc == "" {
			w.undocumented = append(w.undocumented, strings.Join(w.path, "."))
		}
		w.key(name, doc, v.Field(i), indent)
		w.path = w.path[:len(w.path)-1]
	}
}

func (w *referenceWriter) key(name, doc string, v reflect.Value, indent string) {
	if indent == "" || isGroup(v) {
		w.out.WriteByte('\n')
	}
	for _, line := range wrap(doc, 88-len(indent)) {
		fmt.Fprintf(w.out, "%s# %s\n", indent, line)
	}
	if isGroup(v) {
		fmt.Fprintf(w.out, "%s%s:\n", indent, name)
		w.group(v, indent+"  ")
		return
	}
	text, err := yaml.Dump(v.Interface())
	if err != nil {
		panic(err)
	}
	value := strings.TrimRight(string(text), "\n")
	switch {
	case v.Kind() == reflect.Slice && v.Len() == 0:
		value = "[]"
	case v.Kind() == reflect.Map && v.Len() == 0:
		value = "{}"
	case strings.Contains(value, "\n") || v.Kind() == reflect.Slice || v.Kind() == reflect.Map:
		value = "\n" + indent + "  " + strings.ReplaceAll(value, "\n", "\n"+indent+"  ")
		fmt.Fprintf(w.out, "%s%s:%s\n", indent, name, value)
		return
	}
	fmt.Fprintf(w.out, "%s%s: %s\n", indent, name, value)
	w.example(v, indent)
}

// example shows, commented out, what an item of an empty list or map looks like.
func (w *referenceWriter) example(v reflect.Value, indent string) {
	if (v.Kind() != reflect.Slice && v.Kind() != reflect.Map) || v.Type().Elem().Kind() != reflect.Struct {
		return
	}
	var b strings.Builder
	inner := referenceWriter{out: &b, docs: w.docs, keys: w.keys, path: append(w.path, "[]")}
	inner.group(reflect.New(v.Type().Elem()).Elem(), "")
	w.undocumented = append(w.undocumented, inner.undocumented...)
	first := true
	for line := range strings.SplitSeq(strings.TrimRight(b.String(), "\n"), "\n") {
		if line == "" {
			continue
		}
		mark := "  "
		if first {
			mark, first = "- ", false
			if v.Kind() == reflect.Map {
				fmt.Fprintf(w.out, "%s#   NAME:\n", indent)
				mark = "  "
			}
		}
		fmt.Fprintf(w.out, "%s#   %s%s\n", indent, mark, line)
	}
}

func isGroup(v reflect.Value) bool {
	_, isText := v.Interface().(encoding.TextMarshaler)
	return v.Kind() == reflect.Struct && !isText
}

// goName is a field of ours as comments in the code name it: CamelCase, as no English word is.
var goName = regexp.MustCompile(`\b([A-Z][a-z0-9]+[A-Z][A-Za-z0-9]*|[A-Z]{2,}[a-z][A-Za-z0-9]*)\b`)

// second is the other name in a comment above two fields.
var second = regexp.MustCompile(`^and ([A-Z][A-Za-z0-9]*) `)

// keysOf maps the names of fields, of a type and all below it, to the keys operators know.
func keysOf(t reflect.Type, into map[string]string) map[string]string {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return into
	}
	for i := range t.NumField() {
		sf := t.Field(i)
		if name, _, _ := strings.Cut(sf.Tag.Get("yaml"), ","); name != "" && name != "-" && sf.Name != "WebSocket" { // which is also a word
			into[sf.Name] = name
		}
		if sf.IsExported() {
			keysOf(sf.Type, into)
		}
	}
	return into
}

// doc is the comment of a field, from the source of its type, with keys instead of the
// names of fields.
func (w *referenceWriter) doc(t reflect.Type, field, name string) string {
	return goName.ReplaceAllStringFunc(w.comment(t, field, name), func(word string) string {
		if key := w.keys[word]; key != "" {
			return key
		}
		return word
	})
}

// comment is the comment of a field, beginning with its key where it begins with its name.
func (w *referenceWriter) comment(t reflect.Type, field, name string) string {
	key := t.PkgPath() + "." + t.Name()
	if w.docs[key] == nil {
		w.docs[key] = fieldDocs(t)
	}
	text := w.docs[key][field]
	for _, verb := range []string{" is ", " are "} {
		if rest, ok := strings.CutPrefix(text, field+verb); ok {
			return strings.ToUpper(rest[:1]) + rest[1:]
		}
	}
	if rest, ok := strings.CutPrefix(text, field+" "); ok {
		if m := second.FindStringSubmatch(rest); m != nil && w.keys[m[1]] != "" {
			rest = strings.Replace(rest, m[1], w.keys[m[1]], 1)
		}
		return name + " " + rest
	}
	return text
}

// fieldDocs reads the comments of a struct's fields.
func fieldDocs(t reflect.Type) map[string]string {
	docs := map[string]string{}
	dir := filepath.Join("../..", strings.TrimPrefix(strings.TrimPrefix(t.PkgPath(), "parley"), "/"))
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		panic(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			panic(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != t.Name() {
				return true
			}
			s, ok := spec.Type.(*ast.StructType)
			if !ok {
				return false
			}
			last := ""
			for _, field := range s.Fields.List {
				text := strings.Join(strings.Fields(field.Doc.Text()+field.Comment.Text()), " ")
				if text == "" {
					text = last // one comment above several fields speaks of all
				}
				last = text
				for _, name := range field.Names {
					docs[name.Name] = text
				}
			}
			return false
		})
	}
	return docs
}

func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
