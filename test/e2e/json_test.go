package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// anything is the pattern of a JSON value that does not matter.
const anything = "{_}"

// matchJSON compares JSON with a pattern, where the order of keys says nothing; ok is
// false if one of the two is none.
func matchJSON(pattern, text string, v vars) (w vars, ok bool, err error) {
	var p, got any
	if !strings.HasPrefix(pattern, `{"`) || json.Unmarshal([]byte(pattern), &p) != nil || json.Unmarshal([]byte(text), &got) != nil {
		return nil, false, nil
	}
	w, err = matchValue(p, got, v)
	if err != nil {
		err = fmt.Errorf("%w in %s", err, text)
	}
	return w, true, err
}

func matchValue(p, got any, v vars) (vars, error) {
	var err error
	switch p := p.(type) {
	case string:
		if p == anything {
			return v, nil
		}
		if s, ok := got.(string); ok {
			return matchText(p, s, v)
		}
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(p) {
			return nil, fmt.Errorf("%v is not a list of %d", got, len(p))
		}
		for i := range p {
			if v, err = matchValue(p[i], list[i], v); err != nil {
				return nil, err
			}
		}
		return v, nil
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok || len(object) != len(p) {
			return nil, fmt.Errorf("%v has not the keys %v", got, slices.Sorted(maps.Keys(p)))
		}
		return matchKeys(p, object, v)
	}
	if p != got {
		return nil, fmt.Errorf("%v is not %v", got, p)
	}
	return v, nil
}

// matchKeys matches the plain keys of a pattern first, then those with variables.
func matchKeys(p, object map[string]any, v vars) (vars, error) {
	left := maps.Clone(object)
	keys := slices.SortedFunc(maps.Keys(p), func(a, b string) int {
		return strings.Compare(fmt.Sprint(variable.MatchString(a), a), fmt.Sprint(variable.MatchString(b), b))
	})
	for _, key := range keys {
		found := false
		var last error
		for _, name := range slices.Sorted(maps.Keys(left)) {
			w, err := matchText(key, name, v)
			if err != nil {
				continue
			}
			if w, last = matchValue(p[key], left[name], w); last == nil {
				delete(left, name)
				found, v = true, w
				break
			}
		}
		switch {
		case !found && last != nil:
			return nil, fmt.Errorf("%s: %w", key, last)
		case !found:
			return nil, fmt.Errorf("key %q is missing", key)
		}
	}
	return v, nil
}
