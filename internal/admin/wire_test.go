package admin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"words":["token","new"],"input":"x"}` + "\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		line, err := readLine(bufio.NewReaderSize(bytes.NewReader(data), 16), 1<<10)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(line), 1<<10)
		req, err := parseRequest(line)
		if err != nil {
			return
		}
		again, err := json.Marshal(req)
		require.NoError(t, err)
		second, err := parseRequest(again)
		require.NoError(t, err)
		require.Equal(t, req.Input, second.Input)
		require.Len(t, second.Words, len(req.Words))
	})
}
