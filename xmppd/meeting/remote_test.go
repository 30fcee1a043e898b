package meeting

import (
	"net/http"
	"testing"
)

// TestRedirectsKeepTheQuestion: another server is followed to the same question only, and
// never out of TLS.
func TestRedirectsKeepTheQuestion(t *testing.T) {
	for _, c := range []struct {
		from, to, method string
		follows          bool
	}{
		{"http://a/x", "http://a/y", http.MethodPost, true},
		{"http://a/x", "https://a/x", http.MethodPost, true},
		{"https://a/x", "http://a/x", http.MethodPost, false},
		{"http://a/x", "http://b/x", http.MethodPost, false},
		{"http://a/x", "http://a/x", http.MethodGet, false},
	} {
		first, err := http.NewRequest(http.MethodPost, c.from, nil)
		if err != nil {
			t.Fatal(err)
		}
		next, err := http.NewRequest(c.method, c.to, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := sameQuestion(next, []*http.Request{first}); (err == nil) != c.follows {
			t.Errorf("%s to %s %s: %v", c.from, c.method, c.to, err)
		}
	}
}
