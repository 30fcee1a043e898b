package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedPlay    = regexp.MustCompile("`([\\w-]+\\.play)`")
	namedTests   = regexp.MustCompile("`([\\w/]+): (Test\\w+)`((?:, `Test\\w+`)*)")
	furtherTests = regexp.MustCompile("`(Test\\w+)`")
)

// TestConformancePage holds docs/xmpp-conformance.md against what is there.
func TestConformancePage(t *testing.T) {
	text, err := os.ReadFile("../../docs/xmpp-conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	plays := map[string]bool{}
	for _, m := range namedPlay.FindAllStringSubmatch(string(text), -1) {
		plays[m[1]] = true
		if _, err := os.Stat(filepath.Join("plays", m[1])); err != nil {
			t.Errorf("the page names %s: %v", m[1], err)
		}
	}
	files, err := filepath.Glob("plays/*.play")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !plays[filepath.Base(f)] {
			t.Errorf("the page does not name %s", f)
		}
	}
	found := 0
	for _, m := range namedTests.FindAllStringSubmatch(string(text), -1) {
		there := testsOf(t, filepath.Join("../..", m[1]))
		for _, name := range append([]string{m[2]}, names(m[3])...) {
			found++
			if !strings.Contains(there, "func "+name+"(") {
				t.Errorf("the page names %s, which is not in %s", name, m[1])
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d tests are found on the page", found)
	}
}

func names(list string) []string {
	var out []string
	for _, m := range furtherTests.FindAllStringSubmatch(list, -1) {
		out = append(out, m[1])
	}
	return out
}

// testsOf is the text of all tests of a folder.
func testsOf(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Errorf("the page names %s, which has no tests: %v", dir, err)
	}
	var b strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
	}
	return b.String()
}
