package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"parley/internal/app"
)

// start starts the server a play needs.
func (n needs) start(t *testing.T) server {
	t.Helper()
	in := newInstallation(t)
	web := ""
	if n.web != nil {
		web = startWeb(t, n.web)
	}
	for _, s := range n.settings {
		name := "PARLEY_" + strings.ToUpper(strings.ReplaceAll(s[0], ".", "_"))
		in.environ = append(in.environ, name+"="+strings.ReplaceAll(s[1], "{web}", web))
	}
	for _, a := range n.accounts {
		in.register(a[0], a[1])
	}
	parts := n.parts
	if parts == nil {
		parts = app.All
	}
	p := in.start(parts...)
	if slices.Contains(parts, app.Focus) {
		p.says("component connected")    // so that the focus hears requests
		p.says("Added new videobridge.") // and has where to send people
	}
	return in.server()
}

// register makes an account before the server runs, as an operator does.
func (in *installation) register(account, password string) {
	in.t.Helper()
	data := filepath.Join(in.dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		in.t.Fatal(err)
	}
	tool, err := app.NewTool(app.Options{ConfigFile: in.config(), Data: data, Environ: in.environ, Stderr: io.Discard})
	if err == nil {
		err = tool.Offline.Run(in.t.Context(), []string{"adduser", account}, strings.NewReader(password), io.Discard)
	}
	if err != nil {
		in.t.Fatalf("account %s: %v", account, err)
	}
}

// startWeb is a server that says what a play tells it to.
func startWeb(t *testing.T, answers map[string]string) string {
	t.Helper()
	key, err := publicKey()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[fmt.Sprintf("%s %s", r.Method, r.URL.Path)]
		status, text, _ := strings.Cut(answer, " ")
		code, err := strconv.Atoi(status)
		if !ok || err != nil {
			code = http.StatusTeapot
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, strings.ReplaceAll(text, "{key}", key))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}
