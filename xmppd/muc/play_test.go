package muc_test

import (
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"parley/xmppd/muc"
	"parley/xmppd/muc/muctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// play runs a test in a bubble of its own time.
func play(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t) })
}

// meeting is a world with the focus, Ann and Bob in the room, and all ears empty.
func meeting(t *testing.T, change func(*muc.Config), hooks *muc.Hooks) (w *muctest.World, f, a, b *muctest.Client) {
	t.Helper()
	w = muctest.New(t, change, hooks)
	f, a, b = w.Account(muctest.Focus), w.Web(muctest.Ann), w.Web(muctest.Bob)
	f.Join("focus")
	f.Take()
	a.Join("aa11bb22")
	b.Join("cc33dd44")
	f.Take()
	a.Take()
	b.Take()
	return w, f, a, b
}
