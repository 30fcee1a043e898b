package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/logx"
	"parley/internal/store"
	"parley/internal/wire/ns"
	"parley/xmppd/dataform"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openAt(t testing.TB, path string, change func(*Config)) *Archive {
	t.Helper()
	db, err := store.Open(path, logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	if change != nil {
		change(&cfg)
	}
	a, err := Open(context.Background(), cfg, db, router.New(logx.Discard()), logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		a.Close()
		_ = db.Close()
	})
	return a
}

var (
	ann = stanza.MustAddr("ann@example.com")
	bob = stanza.MustAddr("bob@example.com/b")
)

func message(text string) *stanza.Stanza {
	var b stanza.Builder
	return stanza.New(stanza.Message, stanza.Chat, bob, ann, "").WithContent(b.Leaf("", "body", text).Bytes())
}

func (a *Archive) all(t testing.TB, p dataform.Page) ([]found, dataform.Set, bool) {
	t.Helper()
	ctx := context.Background()
	if err := a.settle(ctx); err != nil {
		t.Fatal(err)
	}
	f, _ := readFilter(ann, nil)
	list, set, complete, e := a.page(ctx, ann, f, p)
	if e != nil {
		t.Fatal(e)
	}
	return list, set, complete
}

var everything = dataform.Page{Max: -1, Index: -1}

func TestBoundedByNumber(t *testing.T) {
	a := openAt(t, filepath.Join(t.TempDir(), "x.db"), func(c *Config) { c.MaxMessages = 10 })
	for i := range 200 {
		a.Append(ann, bob, message(fmt.Sprint(i)))
	}
	_, set, _ := a.all(t, everything)
	if set.Count < 10 || set.Count >= 20 {
		t.Errorf("%d messages are kept", set.Count)
	}
}

func TestBoundedByAge(t *testing.T) {
	a := openAt(t, filepath.Join(t.TempDir(), "x.db"), nil)
	a.Append(ann, bob, message("old"))
	a.all(t, everything)
	later := time.Now().Add(a.cfg.MaxAge + time.Hour)
	a.now = func() time.Time { return later }
	a.sweep()
	if _, set, _ := a.all(t, everything); set.Count != 0 {
		t.Errorf("%d messages are kept", set.Count)
	}
}

// Messages of many senders come out whole, and each sender's in order.
func TestManyWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	a := openAt(t, path, nil)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 50 {
				a.Append(ann, bob, message(fmt.Sprintf("%d %03d", w, i)))
			}
		})
	}
	wg.Wait()
	a.all(t, everything)
	again := openAt(t, path, nil) // what is written is there without a polite end
	last := make(map[byte]string)
	p := dataform.Page{Max: 100, Index: -1}
	n := 0
	for {
		list, _, complete := again.all(t, p)
		for _, x := range list {
			st, err := stanza.Parse(x.stanza, nil)
			if err != nil {
				t.Fatal(err)
			}
			c, _ := st.Child("jabber:client", "body")
			text := st.ChildText(c)
			if text <= last[text[0]] {
				t.Fatalf("%q after %q", text, last[text[0]])
			}
			last[text[0]] = text
			n++
		}
		if complete {
			break
		}
		p.After = list[len(list)-1].id
	}
	if n != 400 {
		t.Errorf("%d messages were kept", n)
	}
}

func TestDrop(t *testing.T) {
	a := openAt(t, filepath.Join(t.TempDir(), "x.db"), nil)
	a.Append(ann, bob, message("x"))
	a.Drop(ann)
	a.Close() // what was posted is done
	var n int
	if err := a.one(context.Background(), &n, `SELECT count(*) FROM archive_messages`); err != nil || n != 0 {
		t.Errorf("%d messages are kept: %v", n, err)
	}
}

func TestKeeps(t *testing.T) {
	for _, tt := range []struct {
		inner string
		want  bool
	}{
		{`<body>x</body>`, true},
		{`<composing xmlns="http://jabber.org/protocol/chatstates"/>`, false},
		{`<body>x</body><no-store xmlns="urn:xmpp:hints"/>`, false},
		{`<store xmlns="urn:xmpp:hints"/>`, true},
		{`<encrypted xmlns="eu.siacs.conversations.axolotl"/>`, true},
		{`<received xmlns="urn:xmpp:receipts" id="x"/>`, true},
		{`<displayed xmlns="urn:xmpp:chat-markers:0" id="x"/>`, true},
		{`<markable xmlns="urn:xmpp:chat-markers:0"/>`, false},
		{``, false},
	} {
		if got := Keeps(message("").WithContent([]byte(tt.inner))); got != tt.want {
			t.Errorf("%s: %v", tt.inner, got)
		}
	}
}

func FuzzQuery(f *testing.F) {
	f.Add(`<x xmlns="jabber:x:data" type="submit"><field var="with"><value>a@b</value></field><field var="start"><value>2026-01-01T00:00:00Z</value></field></x>`)
	f.Add(`<x xmlns="jabber:x:data"><field var="ids"><value>1</value><value>2</value></field></x><set xmlns="http://jabber.org/protocol/rsm"><before/></set>`)
	a := openAt(f, filepath.Join(f.TempDir(), "x.db"), nil)
	f.Fuzz(func(t *testing.T, inner string) {
		st, err := stanza.Parse([]byte(`<iq type="set" id="1"><query xmlns="urn:xmpp:mam:2">`+inner+`</query></iq>`), nil)
		if err != nil {
			return
		}
		p, ok := st.Payload()
		if !ok {
			return
		}
		if content, e := a.search(context.Background(), ann, st.WithAddrs(ann, ann), p); e == errStore {
			t.Errorf("%s breaks the database, %s", inner, content)
		}
	})
}

// hold keeps the database busy until it is released.
func hold(t *testing.T, a *Archive) (release func()) {
	t.Helper()
	holding, free, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- a.db.Write(context.Background(), func(*sql.Tx) error {
			close(holding)
			<-free
			return nil
		})
	}()
	<-holding
	return func() {
		t.Helper()
		close(free)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// TestNameMeansKept: a message names its place in the archive only if it is there.
func TestNameMeansKept(t *testing.T) {
	a := openAt(t, filepath.Join(t.TempDir(), "x.db"), nil)
	named := func(text string) bool { return a.Append(ann, bob, message(text)).Has(ns.StanzaID, "stanza-id") }
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for i := range 20 {
		if !named(fmt.Sprint(i)) {
			t.Fatalf("message %d is not kept", i)
		}
		var n int // read without waiting for anything
		if err := a.db.Read().QueryRow(`SELECT count(*) FROM archive_messages`).Scan(&n); err != nil || n != i+1 {
			t.Fatalf("%d of %d messages on disk, %v", n, i+1, err)
		}
	}
	// Somebody holds the database: talk goes on, without names.
	a.patience = time.Nanosecond
	release := hold(t, a)
	if named("late") {
		t.Error("a message that is not on disk has a name")
	}
	if err := a.settle(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("settled: %v", err)
	}
	release()
	if list, _, _ := a.all(t, everything); len(list) != 21 {
		t.Errorf("%d messages in the end", len(list))
	}
	if !a.late.Load() {
		t.Error("a disk that was too slow a moment ago is waited for")
	}
	// It is held again, and this time a message that waits would wait for it.
	a.patience = time.Minute
	release = hold(t, a)
	began := time.Now()
	if named("still late") || time.Since(began) >= a.patience {
		t.Error("the disk is waited for before it was quick again")
	}
	release()
	if err := a.settle(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !named("again") {
		t.Error("not kept when the database is back")
	}
	_ = a.db.Close() // as a broken disk
	if named("lost") {
		t.Error("a message that could not be written has a name")
	}
}

func TestRewrite(t *testing.T) {
	a := openAt(t, filepath.Join(t.TempDir(), "x.db"), nil)
	st := a.Append(ann, bob, message("old"))
	c, _ := st.Child(ns.StanzaID, "stanza-id")
	id := st.ChildAttr(c, "id")
	swap := func(old *stanza.Stanza) *stanza.Stanza {
		if !strings.Contains(string(old.Content()), "old") {
			return nil
		}
		return old.WithContent([]byte("<body>new</body>"))
	}
	for _, x := range []struct {
		owner stanza.Addr
		id    string
		found bool
	}{{ann, "unknown", false}, {bob, id, false}, {ann, id, true}, {ann, id, false}} {
		if found, err := a.Rewrite(x.owner, x.id, swap); found != x.found || err != nil {
			t.Errorf("%v: %v, %v", x, found, err)
		}
	}
	list, _, _ := a.all(t, everything)
	if len(list) != 1 || list[0].id != id || !strings.Contains(string(list[0].stanza), "<body>new</body>") {
		t.Errorf("kept: %v", list)
	}
	_ = a.db.Close() // as a broken disk
	if _, err := a.Rewrite(ann, id, swap); err == nil {
		t.Error("nothing was written, and nobody is told")
	}
}
