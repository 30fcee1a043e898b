package sasl

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/xdg-go/scram"
	"go.uber.org/goleak"

	"parley/internal/logx"
	"parley/internal/store"
	"parley/jwtauth"
	"parley/xmppd/account"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func accounts(t testing.TB) *account.Accounts {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "x.db"), logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	a, err := account.New(context.Background(), db, []string{"example.com"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Create(context.Background(), "ann", "example.com", "pencil"); err != nil {
		t.Fatal(err)
	}
	return a
}

func condition(err error) string {
	var f *Failure
	if errors.As(err, &f) {
		return f.Condition
	}
	return ""
}

func TestPlain(t *testing.T) {
	a := accounts(t)
	for in, want := range map[string]string{
		"\x00ann\x00pencil":                "",
		"\x00ANN\x00pencil":                "",
		"ann@example.com\x00ann\x00pencil": "",
		"bob@example.com\x00ann\x00pencil": InvalidAuthzid,
		"\x00ann\x00pen":                   NotAuthorized,
		"\x00bob\x00pencil":                NotAuthorized,
		"\x00a nn\x00pencil":               NotAuthorized,
		"\x00ann\x00":                      MalformedRequest,
		"ann\x00pencil":                    MalformedRequest,
		"":                                 MalformedRequest,
	} {
		x := NewPassword(Plain, "example.com", a, nil)
		_, done, err := x.Next(context.Background(), []byte(in))
		if condition(err) != want || done != (want == "") || done && x.Identity().Name != "ann" {
			t.Errorf("%q: %v %v", in, done, err)
		}
	}
}

func TestScram(t *testing.T) {
	a := accounts(t)
	for _, tt := range []struct {
		mech, user, password, authz string
		h                           scram.HashGeneratorFcn
		want                        string
	}{
		{ScramSHA1, "ann", "pencil", "", scram.SHA1, ""},
		{ScramSHA256, "ann", "pencil", "ann@example.com", scram.SHA256, ""},
		{ScramSHA256, "ann", "pencil", "bob@example.com", scram.SHA256, InvalidAuthzid},
		{ScramSHA1, "ann", "wrong", "", scram.SHA1, NotAuthorized},
		{ScramSHA256, "bob", "pencil", "", scram.SHA256, NotAuthorized},
	} {
		c, err := tt.h.NewClient(tt.user, tt.password, tt.authz)
		if err != nil {
			t.Fatal(err)
		}
		conv := c.NewConversation()
		first, _ := conv.Step("")
		x := NewPassword(tt.mech, "example.com", a, nil)
		challenge, done, err := x.Next(context.Background(), []byte(first))
		if err != nil || done {
			t.Fatalf("%+v: %v", tt, err)
		}
		second, err := conv.Step(string(challenge))
		if err != nil {
			t.Fatal(err)
		}
		last, done, err := x.Next(context.Background(), []byte(second))
		if condition(err) != tt.want || done != (tt.want == "") {
			t.Errorf("%s %s: %v", tt.mech, tt.user, err)
		}
		if done {
			if _, err := conv.Step(string(last)); err != nil || x.Identity().Name != "ann" {
				t.Errorf("server signature: %v", err)
			}
		}
	}
}

func FuzzScram(f *testing.F) {
	a := accounts(f)
	f.Add("n,,n=ann,r=abc", "c=biws,r=abc,p=AAAA")
	f.Fuzz(func(t *testing.T, first, second string) {
		x := NewPassword(ScramSHA256, "example.com", a, nil)
		if _, done, err := x.Next(context.Background(), []byte(first)); done || err != nil {
			if done {
				t.Error("logged in by one message")
			}
			return
		}
		if _, done, _ := x.Next(context.Background(), []byte(second)); done {
			t.Error("logged in without the password")
		}
	})
}

func FuzzPlain(f *testing.F) {
	a := accounts(f)
	f.Add([]byte("\x00ann\x00wrong"))
	f.Add([]byte("ann@example.com\x00ann\x00wrong"))
	f.Fuzz(func(t *testing.T, first []byte) {
		x := NewPassword(Plain, "example.com", a, nil)
		_, done, err := x.Next(context.Background(), first)
		if done && err == nil && !bytes.HasSuffix(first, []byte("\x00pencil")) {
			t.Errorf("logged in as %+v with %q", x.Identity(), first)
		}
	})
}

type verifier struct{ err error }

func (v verifier) Verify(_ context.Context, token string, _ time.Time) (*jwtauth.Claims, error) {
	if v.err != nil || token == "" {
		return nil, v.err
	}
	return &jwtauth.Claims{Room: "demo"}, nil
}

func TestAnonymous(t *testing.T) {
	next := func(o AnonymousOptions) (Identity, error) {
		x := NewAnonymous(o)
		_, _, err := x.Next(context.Background(), []byte("trace"))
		return x.Identity(), err
	}
	if id, err := next(AnonymousOptions{Token: "x"}); err != nil || id.Token != nil || !id.Anonymous || len(id.Name) != 36 {
		t.Errorf("an unverified token counts: %+v %v", id, err)
	}
	if id, err := next(AnonymousOptions{Token: "x", Verifier: verifier{}}); err != nil || id.Token.(*jwtauth.Claims).Room != "demo" {
		t.Errorf("%+v %v", id, err)
	}
	if id, err := next(AnonymousOptions{Verifier: verifier{}}); err != nil || id.Token != nil {
		t.Errorf("a guest has claims: %+v %v", id, err)
	}
	if id, _ := next(AnonymousOptions{Name: "same"}); id.Name != "same" {
		t.Errorf("%+v", id)
	}
	_, err := next(AnonymousOptions{Verifier: verifier{&jwtauth.Error{Kind: jwtauth.Expired, Text: "too late", Condition: "not-allowed"}}})
	var f *Failure
	if !errors.As(err, &f) || f.Condition != "not-allowed" || f.Text != "too late" {
		t.Errorf("%v", err)
	}
}

// A secret that services share opens the host under any name (Jitsi's
// mod_auth_jitsi-shared-secret).
func TestSharedSecret(t *testing.T) {
	const now, before = "the secret of today", "the secret of yesterday"
	a, err := account.NewShared(now, before)
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]string{now: "", before: "", "": MalformedRequest, "the secret": NotAuthorized} {
		x := NewPassword(Plain, "example.com", a, nil)
		_, done, err := x.Next(context.Background(), []byte("\x00jvb-7\x00"+password))
		if condition(err) != want || done != (want == "") || done && x.Identity().Name != "jvb-7" {
			t.Errorf("%q: %v %v", password, done, err)
		}
	}
	for mechanism, h := range map[string]scram.HashGeneratorFcn{ScramSHA1: scram.SHA1, ScramSHA256: scram.SHA256} {
		for password, good := range map[string]bool{now: true, "another": false} {
			client, err := h.NewClient("jvb-8", password, "")
			if err != nil {
				t.Fatal(err)
			}
			conv := client.NewConversation()
			x := NewPassword(mechanism, "example.com", a, nil)
			text, _ := conv.Step("")
			answer, _, err := x.Next(context.Background(), []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if text, err = conv.Step(string(answer)); err != nil {
				t.Fatal(err)
			}
			if _, done, err := x.Next(context.Background(), []byte(text)); done != good || condition(err) == NotAuthorized == good {
				t.Errorf("%s with %q: %v %v", mechanism, password, done, err)
			}
		}
	}
	if _, err := account.NewShared("", ""); err == nil {
		t.Error("an empty secret is taken")
	}
	if a, _ := account.NewShared(now, ""); a != nil {
		if ok, _ := a.Check(context.Background(), "x", "example.com", ""); ok {
			t.Error("a missing previous secret is an empty password")
		}
	}
}
