package config

import (
	"errors"
	"reflect"
	"slices"
	"sort"
	"strings"

	"go.yaml.in/yaml/v4"
)

// overlay stores the variables of src in dst.
func overlay(dst any, src Source) error {
	if src.Prefix == "" {
		return nil
	}
	targets := map[string]target{}
	gather(structOf(dst), "", targets)
	d := decoder{file: "environment", dir: ".", environ: src.Environ}
	for _, pair := range sorted(src.Environ) {
		name, text, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, src.Prefix) || slices.Contains(src.Ignore, name) {
			continue
		}
		rest := strings.TrimPrefix(name, src.Prefix)
		t, ok := targets[rest]
		if !ok {
			if t, ok = targets[strings.TrimSuffix(rest, "_FILE")]; !ok {
				if src.Unknown != nil {
					src.Unknown(name)
					continue
				}
				d.errs = append(d.errs, &Error{File: "environment", Key: name, Msg: "no setting belongs to this variable"})
				continue
			}
			value, err := valueFile(text)
			if err != nil {
				d.errs = append(d.errs, &Error{File: "environment", Key: name, Msg: err.Error()})
				continue
			}
			text = value
		}
		d.value(nodeFor(text, t.value.Type()), t.value, name)
	}
	return errors.Join(d.errs...)
}

// target is a key that a variable may set.
type target struct {
	key   string
	value reflect.Value
}

// gather maps variable names without prefix to values. Lists and maps are set
// as a whole.
func gather(v reflect.Value, path string, into map[string]target) {
	for _, f := range orderedFields(v) {
		key := join(path, f.key)
		if f.value.Kind() == reflect.Struct && !isLeaf(f.value.Type()) {
			gather(f.value, key, into)
			continue
		}
		into[variable(key)] = target{key, f.value}
	}
}

func variable(key string) string {
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(key))
}

// nodeFor reads the text of a variable: a list is YAML when it begins like one,
// else its items stand between commas.
func nodeFor(text string, t reflect.Type) *yaml.Node {
	if t.Kind() == reflect.Slice && !isLeaf(t) && !strings.HasPrefix(strings.TrimSpace(text), "[") {
		list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				list.Content = append(list.Content, scalarFor(item, t.Elem(), 0))
			}
		}
		return list
	}
	return scalarFor(text, t, 0)
}

func lookup(environ []string, name string) (string, bool) {
	for _, pair := range environ {
		if k, v, ok := strings.Cut(pair, "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}

func sorted(environ []string) []string {
	list := slices.Clone(environ)
	sort.Strings(list)
	return list
}
