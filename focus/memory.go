package focus

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"

	"parley/internal/logx"
)

const (
	// maxRemembered bounds the rooms a new focus returns to.
	maxRemembered = 10000
	// maxRoomFile bounds what is read of one room: a conference of 500 people that send
	// sound, camera and screen takes a fifth of it.
	maxRoomFile = 8 << 20
)

// remembered is the file of a room.
type remembered struct {
	Room       string          `json:"room"`
	Conference json.RawMessage `json:"conference,omitempty"` // what conference.Deps.Keep was told last
}

// encode is json.Marshal without looking through the conference, which is JSON.
func (r *remembered) encode() []byte {
	text, _ := json.Marshal(r.Room) // a string always encodes
	text = append([]byte(`{"room":`), text...)
	if r.Conference != nil {
		text = append(append(text, `,"conference":`...), r.Conference...)
	}
	return append(text, '}')
}

// memory keeps the rooms we are in and their conferences, a file each in one directory, so
// that a focus that was killed returns to them by itself and goes on. Rooms are named by
// their key. A writer goroutine saves the newest state; states in between are skipped.
type memory struct {
	dir string
	log *logrus.Entry

	mu     sync.Mutex                 // guards what follows; nothing is sent on wake after closed is set
	kept   map[string]json.RawMessage // conferences of the last life that nobody took yet
	dirty  map[string]*remembered     // to be written; nil: to be removed
	faulty bool                       // the last write failed
	closed bool

	wake chan struct{} // capacity 1
	done chan struct{}
	once sync.Once
}

func newMemory(dir string, log *logrus.Entry) *memory {
	return &memory{
		dir: dir, log: log, kept: make(map[string]json.RawMessage), dirty: make(map[string]*remembered),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// rooms reads the rooms of the last life and starts to keep those of this one. key names
// them.
func (m *memory) rooms(key func(room string) string) []string {
	if m.dir == "" {
		return nil
	}
	m.once.Do(func() { go m.write() })
	files, err := os.ReadDir(m.dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			m.log.WithError(err).WithField(logx.Path, m.dir).Warn("The rooms of before are not known.")
		}
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for _, f := range files {
		path := filepath.Join(m.dir, f.Name())
		if strings.HasSuffix(f.Name(), roomFile+newFile) {
			_ = os.Remove(path) // the last life ended while it was written
			continue
		}
		if !strings.HasSuffix(f.Name(), roomFile) || len(list) >= maxRemembered {
			continue
		}
		r, err := readRoom(path)
		if err != nil {
			m.log.WithError(err).WithField(logx.Path, f.Name()).Warn("A room of before is not known.")
			if errors.Is(err, errNoUse) {
				_ = os.Remove(path)
			}
			continue
		}
		m.kept[key(r.Room)] = r.Conference
		list = append(list, r.Room)
	}
	slices.Sort(list)
	return list
}

// errNoUse is a file that was read and will never make sense.
var errNoUse = errors.New("of no use")

// readRoom reads a file of the last life.
func readRoom(path string) (*remembered, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRoomFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxRoomFile {
		return nil, fmt.Errorf("%w: more than %d bytes", errNoUse, maxRoomFile)
	}
	r := new(remembered)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoUse, err)
	}
	if r.Room == "" {
		return nil, fmt.Errorf("%w: no room in it", errNoUse)
	}
	return r, nil
}

// expects says whether the last life had a conference that nobody took yet.
func (m *memory) expects(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, there := m.kept[key]
	return there
}

// take returns what is known of the room's conference of the last life, once.
func (m *memory) take(key string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	text := m.kept[key]
	delete(m.kept, key)
	return text
}

// put remembers the room, and its conference unless that is nil.
func (m *memory) put(key, room string, conference []byte) {
	m.change(key, &remembered{Room: room, Conference: conference})
}

// remove forgets the room.
func (m *memory) remove(key string) { m.change(key, nil) }

func (m *memory) change(key string, to *remembered) {
	if m.dir == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.dirty[key] = to
	select {
	case m.wake <- struct{}{}:
	default: // the writer will see it
	}
}

// close saves what is left to save. It may be called twice.
func (m *memory) close() {
	if m.dir == "" {
		return
	}
	started := true
	m.once.Do(func() { started = false })
	if !started {
		return
	}
	m.mu.Lock()
	if !m.closed {
		m.closed = true
		close(m.wake)
	}
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

// save writes what changed.
func (m *memory) save() {
	m.mu.Lock()
	dirty := m.dirty
	m.dirty = make(map[string]*remembered)
	m.mu.Unlock()
	var failed error
	for key, r := range dirty {
		if err := m.saveRoom(key, r); err != nil {
			failed = err
		}
	}
	m.mu.Lock()
	tell := failed != nil && !m.faulty
	m.faulty = failed != nil
	m.mu.Unlock()
	if tell { // once, not for each change
		m.log.WithError(failed).WithField(logx.Path, m.dir).Warn("The rooms could not be remembered.")
	}
}

const (
	roomFile = ".room.json" // how the names of the files end
	newFile  = ".new"       // and what follows until one is complete
)

// saveRoom replaces a room's file as a whole.
func (m *memory) saveRoom(key string, r *remembered) error {
	sum := sha256.Sum256([]byte(key))
	path := filepath.Join(m.dir, hex.EncodeToString(sum[:16])+roomFile)
	if r == nil {
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	}
	text := r.encode()
	err := os.MkdirAll(m.dir, 0o700)
	tmp := path + newFile
	if err == nil {
		err = os.WriteFile(tmp, text, 0o600)
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	return err
}
