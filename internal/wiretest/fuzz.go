package wiretest

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"testing"
)

// Stable is the fuzz test of an element: what decodes must not panic, and what is encoded
// from that must decode again. The seeds are the files that match the pattern.
func Stable[T any](f *testing.F, seeds string) {
	f.Helper()
	files, err := filepath.Glob(seeds)
	if err != nil || len(files) == 0 {
		f.Fatalf("%s: no seeds (%v)", seeds, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v, again T
		if xml.Unmarshal(b, &v) != nil {
			return
		}
		out, err := xml.Marshal(v)
		if err != nil {
			return // a name that no tag may have
		}
		if err := xml.Unmarshal(out, &again); err != nil {
			t.Fatalf("%s does not decode again: %v", out, err)
		}
	})
}
