package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"
)

// Call runs words at the socket, hands input to the command and copies its
// output to out. The error is the command's own, or [ErrNotRunning] when nobody
// answers there.
func Call(ctx context.Context, path string, words []string, input string, out io.Writer) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s belongs to another user; run this as that user or as root", path)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return ErrNotRunning
	case err != nil:
		return fmt.Errorf("call the service: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()

	if err := writeLine(conn, request{Words: words, Input: input}); err != nil {
		return fmt.Errorf("send the command: %w", err)
	}
	r := bufio.NewReaderSize(conn, 32<<10)
	for {
		line, err := readLine(r, maxLine)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return errors.New("the service stopped before it answered")
			}
			return fmt.Errorf("read the answer: %w", err)
		}
		var rep reply
		if err := json.Unmarshal(line, &rep); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if rep.Out != "" {
			if _, err := io.WriteString(out, rep.Out); err != nil {
				return err
			}
		}
		if !rep.Done {
			continue
		}
		if rep.Error == "" {
			return nil
		}
		return &kindError{kind: kinds[rep.Kind], text: rep.Error}
	}
}
