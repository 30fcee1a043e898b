package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	maxCalls       = 32               // at once; a further one is told to come back
	requestTimeout = 10 * time.Second // for the client to say what it wants
	writeTimeout   = 10 * time.Second // for the client to take a line
)

// Server answers calls at a unix socket. It keeps no state beyond its listener;
// each call runs on a goroutine of its own, which Serve waits for.
type Server struct {
	table *Table
	log   *logrus.Entry
	ln    net.Listener
	slots chan struct{} // maxCalls tokens
}

// Listen opens the socket at path with mode 0600. A file left there by a process
// that died is replaced, a socket that answers is not.
func Listen(path string, table *Table, log *logrus.Entry) (*Server, error) {
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("another process already answers at %s", path)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("%s is in the way: it is not a socket", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the old socket: %w", err)
		}
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		if errors.Is(err, os.ErrInvalid) || strings.Contains(err.Error(), "invalid argument") {
			return nil, fmt.Errorf("the socket path %s is longer than the system allows (107 bytes)", path)
		}
		return nil, fmt.Errorf("open the socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, fmt.Errorf("close the socket to others: %w", err)
	}
	return &Server{table: table, log: log, ln: ln, slots: make(chan struct{}, maxCalls)}, nil
}

// Serve answers until ctx is done, then waits for the calls under way, whose
// context has ended too. It returns nil after a stop that ctx asked for.
func (s *Server) Serve(ctx context.Context) error {
	var calls sync.WaitGroup
	defer calls.Wait()
	stop := context.AfterFunc(ctx, func() { s.ln.Close() })
	defer stop()
	defer s.ln.Close()
	for {
		conn, err := s.ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("accept on the control socket: %w", err)
		}
		select {
		case s.slots <- struct{}{}:
		default:
			s.finish(conn, errors.New("too many commands are running; try again in a moment"))
			conn.Close()
			continue
		}
		calls.Go(func() {
			defer func() { <-s.slots }()
			defer conn.Close()
			s.call(ctx, conn)
		})
	}
}

// Close frees the socket of a server that is never served.
func (s *Server) Close() error { return s.ln.Close() }

func (s *Server) call(ctx context.Context, conn net.Conn) {
	if err := allowed(conn); err != nil {
		s.finish(conn, err)
		return
	}
	conn.SetReadDeadline(time.Now().Add(requestTimeout))
	r := bufio.NewReaderSize(conn, 4<<10)
	line, err := readLine(r, maxRequest)
	if err != nil {
		s.finish(conn, fmt.Errorf("read the request: %w", err))
		return
	}
	req, err := parseRequest(line)
	if err != nil {
		s.finish(conn, err)
		return
	}
	conn.SetReadDeadline(time.Time{})

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The client says nothing more; when its half closes or it sends anything
	// else, it has given up. The read ends at the latest when conn is closed.
	go func() {
		r.ReadByte()
		cancel()
	}()
	out := &chunkWriter{conn: conn}
	err = s.run(ctx, req, out)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = errors.New("stopped")
	}
	s.finish(conn, err)
}

// run keeps a mistake of ours inside one call: the others and the service go on.
func (s *Server) run(ctx context.Context, req request, out *chunkWriter) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.WithField("panic", fmt.Sprint(p)).Error("a control command broke")
			err = errors.New("internal error; the log has more")
		}
	}()
	return s.table.Run(ctx, req.Words, strings.NewReader(req.Input), out)
}

func (s *Server) finish(conn net.Conn, err error) {
	end := reply{Done: true}
	if err != nil {
		end.Error, end.Kind = err.Error(), kindOf(err)
	}
	conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := writeLine(conn, end); err != nil {
		s.log.WithError(err).Debug("a control client left before its answer")
	}
}

// chunkWriter turns what a command writes into lines of the answer. Commands
// may write from several goroutines.
type chunkWriter struct {
	mu   sync.Mutex // one line at a time
	conn net.Conn
}

func (w *chunkWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for rest := p; len(rest) > 0; {
		n := min(len(rest), maxChunk)
		if n < len(rest) { // do not cut a rune in two: JSON would replace both halves
			for n > maxChunk-4 && rest[n]&0xc0 == 0x80 {
				n--
			}
		}
		w.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if err := writeLine(w.conn, reply{Out: string(rest[:n])}); err != nil {
			return len(p) - len(rest), err
		}
		rest = rest[n:]
	}
	return len(p), nil
}
