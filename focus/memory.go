package focus

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/sirupsen/logrus"

	"parley/internal/logx"
)

// maxRemembered bounds the rooms a new focus returns to.
const maxRemembered = 10000

// memory keeps the names of the rooms we are in, in a file, so that a focus that was
// killed returns to them by itself. A writer goroutine saves the newest state; states
// in between are skipped.
type memory struct {
	path string
	log  *logrus.Entry

	mu     sync.Mutex // guards what follows; nothing is sent on wake after closed is set
	now    map[string]bool
	dirty  bool
	closed bool

	wake chan struct{} // capacity 1
	done chan struct{}
	once sync.Once
}

func newMemory(path string, log *logrus.Entry) *memory {
	return &memory{path: path, log: log, now: make(map[string]bool), wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// rooms reads the rooms of the last life and starts to keep those of this one.
func (m *memory) rooms() []string {
	if m.path == "" {
		return nil
	}
	var list []string
	text, err := os.ReadFile(m.path)
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.log.WithError(err).WithField(logx.Path, m.path).Warn("The rooms of before are not known.")
	}
	m.once.Do(func() { go m.write() })
	return list[:min(len(list), maxRemembered)]
}

func (m *memory) add(room string)    { m.change(func() { m.now[room] = true }) }
func (m *memory) remove(room string) { m.change(func() { delete(m.now, room) }) }

func (m *memory) change(f func()) {
	if m.path == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
	m.dirty = true
	if m.closed {
		return
	}
	select {
	case m.wake <- struct{}{}:
	default: // the writer will see it
	}
}

// close saves what is left to save.
func (m *memory) close() {
	if m.path == "" {
		return
	}
	started := true
	m.once.Do(func() { started = false })
	if !started {
		return
	}
	m.mu.Lock()
	m.closed = true
	close(m.wake)
	m.mu.Unlock()
	<-m.done
}

func (m *memory) write() {
	defer close(m.done)
	for range m.wake {
		m.save()
	}
	m.save()
}

// save replaces the file as a whole.
func (m *memory) save() {
	m.mu.Lock()
	if !m.dirty {
		m.mu.Unlock()
		return
	}
	m.dirty = false
	list := make([]string, 0, len(m.now))
	for room := range m.now {
		list = append(list, room)
	}
	m.mu.Unlock()
	slices.Sort(list)
	text, _ := json.Marshal(list) // strings always encode
	tmp := m.path + ".new"
	err := os.MkdirAll(filepath.Dir(m.path), 0o700)
	if err == nil {
		err = os.WriteFile(tmp, text, 0o600)
	}
	if err == nil {
		err = os.Rename(tmp, m.path)
	}
	if err != nil {
		m.log.WithError(err).WithField(logx.Path, m.path).Warn("The rooms could not be remembered.")
	}
}
