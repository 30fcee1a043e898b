package c2s

import (
	"testing"
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

func TestRate(t *testing.T) {
	cfg := Config{StanzasPerSecond: 10, BytesPerSecond: 1000}
	now := time.Unix(1000, 0)
	var r rate
	for i := range 100 {
		if nap := r.take(now, 0, &cfg); nap != 0 {
			t.Fatalf("stanza %d waits %v", i, nap)
		}
	}
	if nap := r.take(now, 0, &cfg); nap != 100*time.Millisecond {
		t.Errorf("stanza 101 waits %v", nap)
	}
	if nap := r.take(now.Add(time.Second), 0, &cfg); nap != 0 {
		t.Errorf("a second later: %v", nap)
	}
	if nap := r.take(now.Add(time.Second), 1<<20, &cfg); nap != maxNap {
		t.Errorf("a large one: %v", nap)
	}
	r = rate{}
	if nap := r.take(now, 1<<30, &Config{}); nap != 0 {
		t.Errorf("without limits: %v", nap)
	}
}

func TestHeld(t *testing.T) {
	from := stanza.MustAddr("a@b/c")
	presence := func(typ string) sent {
		return sent{e: stanza.New(stanza.Presence, typ, from, stanza.Addr{}, "").Encode()}
	}
	h := held{on: true}
	if !h.take(presence("")) || !h.take(presence(stanza.Unavailable)) || len(h.list) != 1 || h.list[0].e.Stanza().Type != stanza.Unavailable {
		t.Errorf("held %v", h.list)
	}
	if h.take(presence(stanza.Subscribe)) || h.take(message()) {
		t.Error("what matters was held")
	}
	var b stanza.Builder
	typing := stanza.New(stanza.Message, stanza.Chat, from, stanza.Addr{}, "").WithContent(b.Empty(ns.ChatStates, "composing").Bytes())
	if !h.take(sent{e: typing.Encode()}) || len(h.list) != 1 {
		t.Error("a chat state was kept")
	}
	h.on = false
	if h.take(presence("")) {
		t.Error("held from an active client")
	}
}
