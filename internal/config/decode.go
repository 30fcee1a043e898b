package config

import (
	"encoding"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	yamlType     = reflect.TypeFor[yaml.Unmarshaler]()
)

// decoder walks nodes and struct side by side and gathers every mistake.
type decoder struct {
	file    string
	dir     string
	environ []string
	errs    []error
}

func (d *decoder) fail(n *yaml.Node, key, format string, args ...any) {
	d.errs = append(d.errs, &Error{File: d.file, Line: n.Line, Key: key, Msg: fmt.Sprintf(format, args...)})
}

// value stores n in v, which is settable.
func (d *decoder) value(n *yaml.Node, v reflect.Value, key string) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && (n.Tag == "!file" || n.Tag == "!env") {
		text, err := d.elsewhere(n)
		if err != nil {
			d.fail(n, key, "%v", err)
			return
		}
		n = scalarFor(text, v.Type(), n.Line)
	}
	switch {
	case isLeaf(v.Type()):
		d.leaf(n, v, key)
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem(), key)
	case v.Kind() == reflect.Struct:
		d.structure(n, v, key)
	case v.Kind() == reflect.Map:
		d.mapping(n, v, key)
	default:
		d.list(n, v, key)
	}
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // a heading with nothing under it
	}
	if n.Kind != yaml.MappingNode {
		d.fail(n, key, "must be a group of keys")
		return
	}
	fields := fieldsOf(v)
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		path := join(key, k.Value)
		f, ok := fields[k.Value]
		switch {
		case !ok:
			d.fail(k, path, "unknown key%s", suggest(k.Value, fields))
		case seen[k.Value] > 0:
			d.fail(k, path, "given twice; the first is in line %d", seen[k.Value])
		default:
			d.value(val, f, path)
		}
		seen[k.Value] = k.Line
	}
}

// mapping replaces the whole map: a file that names its own entries does not
// want to inherit ours.
func (d *decoder) mapping(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		v.SetZero()
		return
	}
	if n.Kind != yaml.MappingNode {
		d.fail(n, key, "must be a group of keys")
		return
	}
	m := reflect.MakeMap(v.Type())
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		path := join(key, k.Value)
		mk, mv := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		d.value(k, mk, path)
		if m.MapIndex(mk).IsValid() {
			d.fail(k, path, "given twice")
			continue
		}
		d.value(val, mv, path)
		m.SetMapIndex(mk, mv)
	}
	v.Set(m)
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		v.SetZero()
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(n, key, "must be a list")
		return
	}
	s := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(item, s.Index(i), key+"["+strconv.Itoa(i)+"]")
	}
	v.Set(s)
}

func (d *decoder) leaf(n *yaml.Node, v reflect.Value, key string) {
	if v.Type() == durationType && n.Tag == "!!int" && n.Value != "0" {
		d.fail(n, key, "a duration needs its unit, as in 30s or 5m")
		return
	}
	if n.Kind != yaml.ScalarNode && v.Kind() != reflect.Interface && !reflect.PointerTo(v.Type()).Implements(yamlType) {
		d.fail(n, key, "must be %s, not a list or group", describe(v.Type()))
		return
	}
	if n.Tag == "!!null" && v.Kind() != reflect.Interface {
		d.fail(n, key, "has no value; leave the key out to keep the default")
		return
	}
	if v.Kind() == reflect.String && n.Kind == yaml.ScalarNode && !reflect.PointerTo(v.Type()).Implements(textType) {
		v.SetString(n.Value) // 5222 and yes are texts where a text is wanted
		return
	}
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok && n.Kind == yaml.ScalarNode {
		if err := t.UnmarshalText([]byte(n.Value)); err != nil {
			d.fail(n, key, "%v", err)
		}
		return
	}
	if err := n.Decode(v.Addr().Interface()); err != nil {
		d.fail(n, key, "%s is not %s", quote(n, key), describe(v.Type()))
	}
}

// elsewhere reads the value of a `!file` or `!env` scalar.
func (d *decoder) elsewhere(n *yaml.Node) (string, error) {
	if n.Tag == "!env" {
		text, ok := lookup(d.environ, n.Value)
		if !ok {
			return "", fmt.Errorf("the environment variable %s is not set", n.Value)
		}
		return text, nil
	}
	path := n.Value
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.dir, path)
	}
	return valueFile(path)
}

func valueFile(path string) (string, error) {
	data, err := readFile(path)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// scalarFor makes the node that a text from outside YAML stands for.
func scalarFor(text string, t reflect.Type, line int) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Line: line}
	if t == durationType || t.Kind() == reflect.String || reflect.PointerTo(t).Implements(textType) {
		if text == "0" {
			n.Tag = "!!int"
		}
		return n
	}
	var doc yaml.Node
	if err := yaml.Load([]byte(text), &doc); err == nil && len(doc.Content) == 1 {
		doc.Content[0].Line = line
		return doc.Content[0]
	}
	return n
}

// isLeaf tells values from containers.
func isLeaf(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(textType) || reflect.PointerTo(t).Implements(yamlType) {
		return true
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array, reflect.Pointer:
		return false
	}
	return true
}

func structOf(dst any) reflect.Value {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic("config: want a pointer to a struct")
	}
	return v.Elem()
}

// fieldsOf maps keys to fields, those of inlined structs included.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for _, f := range orderedFields(v) {
		fields[f.key] = f.value
	}
	return fields
}

type field struct {
	key   string
	value reflect.Value
}

func orderedFields(v reflect.Value) []field {
	var list []field
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		name, opts, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		switch {
		case !sf.IsExported() || name == "-":
		case opts == "inline" || (sf.Anonymous && name == "" && sf.Type.Kind() == reflect.Struct):
			list = append(list, orderedFields(v.Field(i))...)
		default:
			if name == "" {
				name = strings.ToLower(sf.Name)
			}
			list = append(list, field{name, v.Field(i)})
		}
	}
	return list
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func describe(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration such as 30s or 5m"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64:
		return "a whole number"
	case t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64:
		return "a whole number, zero or more"
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		return "a number"
	case t.Kind() == reflect.String:
		return "a text"
	}
	return "a " + strings.ToLower(t.Name())
}

// quote shows a bad value, unless its key says that it is a secret.
func quote(n *yaml.Node, key string) string {
	if IsSecret(key) {
		return "the value"
	}
	if n.Kind != yaml.ScalarNode {
		return "a list or group"
	}
	return strconv.Quote(n.Value)
}

// suggest names the known key nearest to a misspelt one.
func suggest(key string, fields map[string]reflect.Value) string {
	best, distance := "", 3
	for k := range fields {
		if n := editDistance(key, k); n < distance || (n == distance && best != "" && k < best) {
			best, distance = k, n
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

func editDistance(a, b string) int {
	if max(len(a), len(b)) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// IsSecret says whether the value of a key must not be shown: its last word
// tells (password, secret, key_secret, …).
func IsSecret(key string) bool {
	key = strings.ToLower(key)
	return strings.HasSuffix(key, "secret") || strings.HasSuffix(key, "password") || strings.HasSuffix(key, "token")
}
