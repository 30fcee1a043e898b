package muc_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"parley/xmppd/muc"
	"parley/xmppd/muc/muctest"
	"parley/xmppd/stanza"
)

// TestLookalikeNicks: nobody takes a nick that people would read as somebody else's,
// nor as one of the services'.
func TestLookalikeNicks(t *testing.T) {
	for name, nick := range map[string]string{
		"case":            "ALICE",
		"full width":      "ａｌｉｃｅ",
		"Cyrillic a":      "аlice",
		"Greek iota":      "alιce",
		"dotless i":       "alıce",
		"blank behind":    "alice ",
		"wide blank":      "alice\u3000",
		"no-width blank":  "alice\u200b",
		"joiner":          "ali\u200dce",
		"right to left":   "alice\u202e",
		"soft hyphen":     "al\u00adice",
		"byte order mark": "alice\ufeff",
		"focus, Cyrillic": "fосus",
		"focus, width":    "ｆｏｃｕｓ",
		"focus, case":     "FoCuS",
		"focus, blank":    "focus ",
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T) {
				w := muctest.New(t, func(c *muc.Config) { c.RestrictCreation = false }, nil)
				alice, mallory := w.Account("alice@meet.example.com/x"), w.Account("mallory@meet.example.com/x")
				alice.Join("alice")
				assert.Contains(t, strings.Join(alice.Take(), ""), `code="110"`)
				mallory.Join(nick)
				got := strings.Join(mallory.Take(), "")
				assert.NotContains(t, got, `code="110"`)
				if _, err := stanza.ParseAddr(muctest.Room + "/" + nick); err == nil {
					assert.Contains(t, got, `type="error"`)
				} // else the room never hears of it
				alice.Hears()
			})
		})
	}
}

// TestFocusFindsItsNick: in a room that an account opened nobody can be in the focus's
// place before it comes.
func TestFocusFindsItsNick(t *testing.T) {
	play(t, func(t *testing.T) {
		w := muctest.New(t, func(c *muc.Config) { c.RestrictCreation = false }, nil)
		alice := w.Account("alice@meet.example.com/x")
		alice.Join("fосus")
		assert.Contains(t, strings.Join(alice.Take(), ""), "<conflict ")
		focus := w.Account(muctest.Focus)
		focus.Join("focus")
		assert.Contains(t, strings.Join(focus.Take(), ""), `code="110"`)
	})
}
