package pubsub

import (
	"context"
	"encoding/xml"
	"path/filepath"
	"slices"
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

func open(t testing.TB, path string) (*Service, *store.Store) {
	t.Helper()
	db, err := store.Open(path, logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(context.Background(), DefaultConfig(), db, router.New(logx.Discard()), logx.Discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		_ = db.Close()
	})
	return s, db
}

// The example of XEP-0115, 5.3, with a form.
func TestCapsHash(t *testing.T) {
	var info infoXML
	err := xml.Unmarshal([]byte(`<query><identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>
		<identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>
		<feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>
		<feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>
		<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>
		<field var='ip_version'><value>ipv4</value><value>ipv6</value></field><field var='os'><value>Mac</value></field>
		<field var='os_version'><value>10.5.1</value></field><field var='software'><value>Psi</value></field>
		<field var='software_version'><value>0.11</value></field></x></query>`), &info)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.hash(); got != "q07IKJEyjvHSyhy//CH0CxmKi8w=" {
		t.Error(got)
	}
}

func TestSettings(t *testing.T) {
	s, _ := open(t, filepath.Join(t.TempDir(), "x.db"))
	for _, tt := range []struct {
		field, value string
		ok           bool
	}{
		{"title", "T", true}, {"max_items", "max", true}, {"max_items", "7", true}, {"max_items", "-1", false}, {"max_items", "99999999", false},
		{"access_model", "roster", true}, {"access_model", "none", false}, {"publish_model", "open", true}, {"publish_model", "any", false},
		{"persist_items", "true", true}, {"persist_items", "perhaps", false}, {"notification_type", "headline", true},
		{"notification_type", "error", false}, {"item_expire", "60", true}, {"itemreply", "publisher", true}, {"itemreply", "x", false},
		{"node_type", "leaf", true}, {"node_type", "collection", true}, {"node_type", "tree", false}, {"collection", "c", true}, {"children_association_policy", "whitelist", false}, {"unknown", "x", true}, {"max_payload_size", "max", true},
	} {
		c := s.defaults(true)
		e := s.apply(&c, dataform.Values{"pubsub#" + tt.field: {tt.value}})
		if (e == nil) != tt.ok {
			t.Errorf("%s=%s: %v", tt.field, tt.value, e)
		}
	}
	// Every field that is shown can be sent back.
	c := s.defaults(false)
	v := make(dataform.Values)
	for _, f := range c.form("form").Fields {
		v[f.Var] = f.Values
	}
	d := c
	if e := s.apply(&d, v); e != nil {
		t.Error(e)
	}
	if ok, e := s.meets(c, v); !ok || e != nil {
		t.Errorf("a form does not meet itself: %v", e)
	}
}

// What was acknowledged is there when the process was killed without a word.
func TestSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s, _ := open(t, path)
	account := stanza.MustAddr("ann@example.com")
	done := make(chan struct{})
	s.Do(account, func() {
		n := s.newNode(account, "n", account, true)
		n.config.MaxItems, n.config.Expire = 2, 60
		if err := s.db.create(n, account); err != nil {
			t.Error(err)
		}
		for _, id := range []string{"1", "2", "3"} {
			if err := s.db.publish(n, []item{{id: id, publisher: account.String(), payload: []byte("<x/>"), published: s.now()}}); err != nil {
				t.Error(err)
			}
		}
		close(done)
	})
	<-done
	again, _ := open(t, path) // while the first still holds the file
	items, ok := again.Items(account, "n")
	if !ok || len(items) != 2 || items[0].ID != "2" || items[1].ID != "3" {
		t.Errorf("%v", items)
	}
	later := time.Now().Add(2 * time.Minute)
	again.now = func() time.Time { return later }
	if items, _ = again.Items(account, "n"); len(items) != 0 {
		t.Errorf("expired: %v", items)
	}
}

func TestCapsCache(t *testing.T) {
	c := newCapsCache()
	a, b := stanza.MustAddr("ann@x/1"), stanza.MustAddr("bob@x/1")
	if _, known := c.begin(a, "v1"); known {
		t.Error("v1 is known before it was learned")
	}
	if fresh := c.learn(a, "v1", []string{"n"}, true); !slices.Equal(fresh, []string{"n"}) || !c.wants(a, "n") {
		t.Error(fresh)
	}
	if fresh, known := c.begin(b, "v1"); !known || !slices.Equal(fresh, []string{"n"}) {
		t.Error(fresh, known)
	}
	if fresh, known := c.begin(b, "v1"); !known || fresh != nil {
		t.Error("the same version is no news")
	}
	c.begin(b, "v2")
	if !c.wants(b, "n") {
		t.Error("what was wanted before is wanted until the new version is known")
	}
	if fresh := c.learn(b, "v3", []string{"m"}, false); fresh != nil || c.wants(b, "m") {
		t.Error("an answer about an old version counts")
	}
	c.drop(a)
	if c.wants(a, "n") {
		t.Error("who went wants nothing")
	}
	for i := range maxCaps + 10 {
		c.learn(a, string(rune(i)), nil, true)
	}
	if len(c.versions) > maxCaps {
		t.Errorf("%d versions are kept", len(c.versions))
	}
}

func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		`<publish node="n"><item id="1"><x xmlns="u:x"/></item></publish>`, `<create/><configure><x xmlns="jabber:x:data" type="submit"/></configure>`,
		`<items node="n" max_items="1"/><set xmlns="http://jabber.org/protocol/rsm"><max>1</max></set>`, `<subscribe node="n" jid="a@b"/>`,
		`<retract node="n" notify="1"><item id="1"/></retract>`, `<affiliations node="n"><affiliation jid="a@b" affiliation="owner"/></affiliations>`,
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	s, _ := open(f, filepath.Join(f.TempDir(), "x.db"))
	f.Fuzz(func(t *testing.T, inner string, set bool) {
		typ, space := stanza.Get, ns.PubSub
		if set {
			typ, space = stanza.Set, ns.PubSubOwner
		}
		st, err := stanza.Parse([]byte(`<iq type="`+typ+`" id="1"><pubsub xmlns="`+space+`">`+inner+`</pubsub></iq>`), nil)
		if err != nil {
			return
		}
		r := &request{s: s, st: st.WithAddrs(stanza.MustAddr("ann@x/1"), stanza.MustAddr("pubsub.x")), service: stanza.MustAddr("pubsub.x"), who: stanza.MustAddr("ann@x")}
		content, e := r.dispatch()
		if e == nil && content != nil {
			if _, err := stanza.Parse(slices.Concat([]byte("<iq>"), content, []byte("</iq>")), nil); err != nil {
				t.Errorf("the answer %s cannot be read: %v", content, err)
			}
		}
		for _, after := range r.after {
			after()
		}
	})
}
