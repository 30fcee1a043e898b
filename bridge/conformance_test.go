package bridge

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestConformancePageNamesTests: every Go test docs/bridge-conformance.md names exists, in
// the folder it names.
func TestConformancePageNamesTests(t *testing.T) {
	page, err := os.ReadFile("../docs/bridge-conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool) // folder and name
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for _, root := range []string{"bridge", "focus", "internal/wire/bridgemsg", "test/e2e"} {
		err := filepath.WalkDir(filepath.Join("..", root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			folder, err := filepath.Rel("..", filepath.Dir(path))
			for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
				known[filepath.ToSlash(folder)+" "+m[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// `TestOne`, `TestTwo` (folder)
	group := regexp.MustCompile("((?:`(?:Test|Fuzz)\\w+`,? ?)+)\\(([a-z0-9/]+)\\)")
	name := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	named := 0
	for _, g := range group.FindAllStringSubmatch(string(page), -1) {
		for _, m := range name.FindAllStringSubmatch(g[1], -1) {
			named++
			if !known[g[2]+" "+m[1]] {
				t.Errorf("there is no %s in %s", m[1], g[2])
			}
		}
	}
	// One is named in the introduction.
	if all := len(name.FindAllString(string(page), -1)); named != all-1 {
		t.Errorf("%d tests are named, %d of them with a folder", all, named)
	}
}
