package account

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"parley/internal/logx"
	"parley/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, path string, services ...Service) *Accounts {
	t.Helper()
	db, err := store.Open(path, logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	a, err := New(context.Background(), db, []string{"example.com", "auth.example.com"}, services)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAccounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a?b#c.db")
	ctx := context.Background()
	a := open(t, path)
	check := func(name, password string, want bool) {
		t.Helper()
		if ok, err := a.Check(ctx, name, "example.com", password); ok != want || err != nil {
			t.Errorf("Check(%s, %s) = %v, %v", name, password, ok, err)
		}
	}
	must := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	must(a.Create(ctx, "Alice", "Example.com", "one"), nil)
	must(a.Create(ctx, "alice", "example.com", "two"), ErrExists)
	check("alice", "one", true)
	check("alice", "two", false)
	check("nobody", "one", false)
	must(a.SetPassword(ctx, "alice", "example.com", "two"), nil)
	check("alice", "two", true)
	must(a.Register(ctx, "alice", "example.com", "three"), nil)
	must(a.Register(ctx, "bob", "example.com", "x"), nil)
	must(a.SetPassword(ctx, "carl", "example.com", "x"), ErrNotFound)
	must(a.Create(ctx, "carl", "example.org", "x"), ErrDomain)
	must(a.Create(ctx, "ca rl", "example.com", "x"), ErrName)
	must(a.Create(ctx, "", "example.com", "x"), ErrName)
	must(a.Create(ctx, "carl", "example.com", ""), ErrPassword)
	must(a.Delete(ctx, "bob", "example.com"), nil)
	must(a.Delete(ctx, "bob", "example.com"), ErrNotFound)

	made, _, err := a.Credentials(ctx, "nobody", "example.com", SHA256)
	must(err, nil)
	// Another process, for instance a command while the server runs.
	b := open(t, path, Service{Name: "focus", Domain: "auth.example.com", Password: "f", Setting: "focus.password"})
	must(b.Ensure(ctx), nil)
	must(b.Ensure(ctx), nil)
	if again, real, err := b.Credentials(ctx, "nobody", "example.com", SHA256); real || err != nil || again.Salt != made.Salt {
		t.Errorf("a new process shows another salt for a name nobody has (%v)", err)
	}
	check("alice", "three", true)
	if ok, _ := a.Check(ctx, "focus", "auth.example.com", "f"); !ok {
		t.Error("the service account is not there")
	}
	var managed *ManagedError
	for _, err := range []error{b.SetPassword(ctx, "focus", "auth.example.com", "x"), b.Delete(ctx, "focus", "auth.example.com"), b.Register(ctx, "focus", "auth.example.com", "x")} {
		if !errors.As(err, &managed) || managed.Setting != "focus.password" {
			t.Errorf("got %v", err)
		}
	}
	list, err := b.List(ctx, "")
	if err != nil || len(list) != 2 || list[0].String() != "focus@auth.example.com" || !list[0].Managed || list[1].String() != "alice@example.com" {
		t.Errorf("list %v %v", list, err)
	}
	if list, _ := b.List(ctx, "example.com"); len(list) != 1 {
		t.Errorf("list %v", list)
	}
}

func TestNothingInTheClear(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	a := open(t, path)
	if err := a.Create(context.Background(), "alice", "example.com", "correct-horse-battery"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, path + "-wal"} {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("correct-horse")) {
			t.Errorf("%s holds the password", p)
		}
		if fi, _ := os.Stat(p); fi.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", p, fi.Mode())
		}
	}
}

func TestStrangersLookTheSame(t *testing.T) {
	a := open(t, filepath.Join(t.TempDir(), "x.db"))
	for _, h := range []Hash{SHA1, SHA256} {
		one, real, err := a.Credentials(context.Background(), "nobody", "example.com", h)
		two, _, _ := a.Credentials(context.Background(), "nobody", "example.com", h)
		three, _, _ := a.Credentials(context.Background(), "else", "example.com", h)
		if err != nil || real || one.Salt != two.Salt || one.Salt == three.Salt || one.Iters != Iterations || len(one.Salt) != saltBytes {
			t.Errorf("%s: %+v %v %v", h, one.KeyFactors, real, err)
		}
	}
}
