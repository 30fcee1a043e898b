package focus

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"parley/focus/conference"
	"parley/internal/logx"
	"parley/internal/xmppclient"
)

func TestMemory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "rooms")
	upper := strings.ToUpper
	first := newMemory(dir, logx.Discard())
	if list := first.rooms(upper); len(list) != 0 {
		t.Errorf("before the first life: %v", list)
	}
	first.put("A@X", "a@x", nil)
	first.put("B@X", "b@x", []byte(`{"meeting":"1"}`))
	first.put("C@X", "c@x", nil)
	first.put("A@X", "a@x", []byte(`{"meeting":"2"}`))
	first.remove("C@X")
	first.remove("D@X")
	first.close()
	first.close()
	first.put("E@X", "e@x", nil) // too late

	for name, text := range map[string]string{
		"broken": `{"room":`, "empty": `{}`, "large": `{"room":"l@x","conference":"` + strings.Repeat("x", maxRoomFile) + `"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name+roomFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "killed"+roomFile+newFile), []byte(`{"room":"k@x"`), 0o600); err != nil {
		t.Fatal(err)
	}
	second := newMemory(dir, logx.Discard())
	if got, want := second.rooms(upper), []string{"a@x", "b@x"}; !reflect.DeepEqual(got, want) {
		t.Errorf("in the second life: %v, want %v", got, want)
	}
	for key, want := range map[string]string{"A@X": `{"meeting":"2"}`, "B@X": `{"meeting":"1"}`, "C@X": "", "E@X": ""} {
		if got := string(second.take(key)); got != want {
			t.Errorf("kept of %s: %s, want %s", key, got, want)
		}
		if got := second.take(key); got != nil {
			t.Errorf("kept of %s is given twice", key)
		}
	}
	second.close()
	// What nobody can use does not stay.
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("left behind: %v", files)
	}

	nowhere := newMemory("", logx.Discard())
	nowhere.put("A@X", "a@x", nil)
	if list := nowhere.rooms(upper); list != nil || nowhere.take("A@X") != nil {
		t.Error("something was kept nowhere")
	}
	nowhere.close()
}

// TestMemoryThatCannotBeWritten is told of once, and not for each change.
func TestMemoryThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	log := logx.Discard()
	log.Logger.SetOutput(&said)
	log.Logger.SetLevel(logrus.WarnLevel)
	m := newMemory(filepath.Join(file, "rooms"), log)
	for range 3 {
		m.put("A@X", "a@x", nil)
		m.save()
	}
	if n := strings.Count(said.String(), "could not be remembered"); n != 1 {
		t.Errorf("told of %d times: %s", n, said.String())
	}
}

// unconnected is a link on which nothing comes back.
type unconnected struct{}

func (unconnected) Self() string                                           { return "focus@x/f" }
func (unconnected) Send(xmppclient.Outgoing)                               {}
func (unconnected) Request(xmppclient.IQ, func(*xmppclient.Stanza, error)) {}

// TestStoppingForgetsNothing: conferences may hear that the focus stops, and end, before the
// focus itself is that far.
func TestStoppingForgetsNothing(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	dir := filepath.Join(t.TempDir(), "rooms")
	s := &Service{running: ctx, memory: newMemory(dir, logx.Discard()), conferences: make(map[string]*conference.Conference)}
	s.memory.rooms(s.key)
	c := conference.New("a@x", &conference.Config{}, conference.Request{}, conference.Deps{
		Link: unconnected{}, Counters: new(conference.Counters), Ended: s.conferenceEnded,
	}, logx.Discard())
	s.conferences["a@x"] = c
	s.memory.put("a@x", "a@x", nil)
	c.Run(ctx)
	s.memory.close()
	if files, _ := filepath.Glob(filepath.Join(dir, "*"+roomFile)); len(files) != 1 || len(s.conferences) != 0 {
		t.Errorf("%d rooms are remembered, %d conferences known", len(files), len(s.conferences))
	}
}
