package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWords: who calls parley wrongly hears what was wrong and where to read more.
func TestWords(t *testing.T) {
	for _, tt := range []struct {
		args []string
		err  string // "" means done
		out  string
	}{
		{nil, "", "parley [command]"},
		{[]string{"--version"}, "", "Parley "},
		{[]string{"help", "ctl"}, "", "Exit codes:"},
		{[]string{"serve", "--help"}, "", "Run everything in one process"},
		{[]string{"sevre"}, "there is no command \"sevre\"; `parley --help` says what can be said", ""},
		{[]string{"serve", "now"}, "serve takes no words, but there is \"now\"; `parley serve --help` says what can be said", ""},
		{[]string{"serve", "--port", "1"}, "unknown flag: --port; `parley serve --help` says what can be said", ""},
	} {
		var out bytes.Buffer
		r := root()
		r.SetOut(&out)
		r.SetErr(&out)
		r.SetArgs(tt.args)
		if tt.args == nil {
			r.SetArgs([]string{})
		}
		err := r.ExecuteContext(t.Context())
		if tt.err != "" {
			require.EqualError(t, err, tt.err)
			continue
		}
		require.NoError(t, err, tt.args)
		require.Contains(t, out.String(), tt.out)
	}
}
