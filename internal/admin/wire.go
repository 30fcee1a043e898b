package admin

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// request is the one line a client sends.
type request struct {
	Words []string `json:"words"`
	Input string   `json:"input,omitempty"`
}

// reply is a line of the answer: output, or the end.
type reply struct {
	Out   string `json:"out,omitempty"`
	Done  bool   `json:"done,omitempty"`
	Error string `json:"error,omitempty"`
	Kind  string `json:"kind,omitempty"` // of the error: "usage", "unknown", "problems", ""
}

// kinds are the errors that keep their identity across the socket.
var kinds = map[string]error{"usage": ErrUsage, "unknown": ErrUnknown, "problems": ErrProblems}

func kindOf(err error) string {
	for name, kind := range kinds {
		if errors.Is(err, kind) {
			return name
		}
	}
	return ""
}

// errTooLong is a line beyond its bound.
var errTooLong = errors.New("the line is too long")

// readLine reads one line of at most limit bytes, without its end.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > limit {
			return nil, errTooLong
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// parseRequest decodes what a client sent.
func parseRequest(line []byte) (request, error) {
	var req request
	if err := json.Unmarshal(line, &req); err != nil {
		return request{}, fmt.Errorf("the request is not the JSON line this socket expects: %w", err)
	}
	if len(req.Words) > maxWords {
		return request{}, fmt.Errorf("more than %d words", maxWords)
	}
	return req, nil
}

func writeLine(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}
