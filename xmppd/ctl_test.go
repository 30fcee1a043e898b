package xmppd

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"parley/internal/admin"
)

func TestShell(t *testing.T) {
	w := start(t, withRoot)
	w.operator()
	table, err := admin.NewTable(w.Commands()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ words, out, err string }{
		{"user create carl@meet.example.com pw", "OK: Created carl@meet.example.com with role 'prosody:member'", ""},
		{"user create carl@meet.example.com pw", "", "user exists"},
		{"user create carl@elsewhere.example pw", "", "no account of this server"},
		{"shell user create dan@meet.example.com pw prosody:admin", "role 'prosody:admin'", ""},
		{"shell|user:create('eve@meet.example.com', \"p w\")", "OK: Created eve@meet.example.com", ""},
		{"user role dan@meet.example.com", "prosody:admin", ""},
		{"user set_role dan@meet.example.com prosody:member", "OK: Role", ""},
		{"user role dan@meet.example.com", "prosody:member", ""},
		{"user set_role root@meet.example.com prosody:member", "", "by the configuration"},
		{"user set_role dan@meet.example.com king", "", "no role"},
		{"user password carl@meet.example.com new", "OK: User password changed", ""},
		{"user list meet.example.com", "carl@meet.example.com\ndan@meet.example.com\neve@meet.example.com\nroot@meet.example.com\nOK: Showing all 4 users", ""},
		{"user list meet.example.com d*", "OK: Showing 1 of 4 users", ""},
		{"user list nowhere.example.com", "", "the given hostname does not exist in the config"},
		{"user disable carl@meet.example.com", "OK: User disabled", ""},
		{"user enable carl@meet.example.com", "OK: User enabled", ""},
		{"user delete carl@meet.example.com", "OK: User deleted", ""},
		{"user delete carl@meet.example.com", "", "does not exist"},
		{"user delete focus@auth.meet.example.com", "", "service_accounts[0].password"},
		{"muc create tea@conference.meet.example.com", "OK: Room created", ""},
		{"muc list conference.meet.example.com", "tea@conference.meet.example.com\nOK: 1 room", ""},
		{"muc affiliation tea@conference.meet.example.com dan@meet.example.com owner", "OK: dan@meet.example.com is now owner", ""},
		{"shell|muc room tea@conference.meet.example.com :set_affiliation eve@meet.example.com member", "OK: eve", ""},
		{"muc affiliations tea@conference.meet.example.com", "member       eve@meet.example.com\nowner        dan@meet.example.com\nOK: 2 affiliations listed", ""},
		{"muc occupants tea@conference.meet.example.com", "OK: 0 occupants listed", ""},
		{"muc kick tea@conference.meet.example.com nobody", "", "nobody has this nick"},
		{"shell muc room tea@conference.meet.example.com :destroy", "OK: Room destroyed", ""},
		{"muc list nowhere", "", "nowhere has no rooms"},
		{"muc", "", "after \"muc\" comes one of affiliation, affiliations, create"},
		{"help muc", "muc occupants ROOM@HOST [FILTER]", ""},
		{"c2s show root@meet.example.com", "root@meet.example.com/desk", ""},
		{"c2s count", "OK: 1 client connection", ""},
		{"host list", "conference.meet.example.com", ""},
		{"server version", "OK: Parley test", ""},
		{"announce meet.example.com hello", "OK: told 0 sessions", ""},
		{"mod_roster_command subscribe focus.meet.example.com focus@auth.meet.example.com", "OK: nothing to do", ""},
		{"shell nonsense", "", "no such verb"},
		{"c2s closeall", "OK: 1 session closed", ""},
	} {
		words := strings.Fields(tt.words)
		if head, call, ok := strings.Cut(tt.words, "|"); ok {
			words = []string{head, call}
		}
		var out bytes.Buffer
		err := table.Run(context.Background(), words, strings.NewReader(""), &out)
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) || !strings.Contains(out.String(), tt.out) {
			t.Errorf("%s: got %q, %v", tt.words, out.String(), err)
		}
	}
}
