package xmppd

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	domain   = "meet.example.com"
	commands = `xmlns='http://jabber.org/protocol/commands'`
)

// operator is an administrator's session.
func (w *world) operator() *peer {
	w.t.Helper()
	return w.person("root", "desk")
}

func withRoot(c *Config) { c.Admins = []string{"root@" + domain} }

// fields is a submitted form; pairs of name and values, which commas part.
func fields(pairs ...string) string {
	x := `<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/admin</value></field>`
	for i := 0; i+1 < len(pairs); i += 2 {
		x += `<field var='` + pairs[i] + `'>`
		for _, v := range strings.Split(pairs[i+1], ",") {
			x += `<value>` + v + `</value>`
		}
		x += `</field>`
	}
	return x + `</x>`
}

func command(node, form string) string {
	return `<command ` + commands + ` node='http://jabber.org/protocol/admin#` + node + `' action='complete'>` + form + `</command>`
}

func TestAdministration(t *testing.T) {
	w := start(t, withRoot)
	root, a := w.operator(), w.person("alice", "a")
	w.person("bob", "b")
	const me, list = "root@" + domain, `<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/commands'/>`
	const done, failed = `status="completed"`, `type="error"`
	has(t, root.ask("get", me, list), `admin#add-user"`, `admin#edit-admin"`)
	has(t, root.ask("get", domain, list), `jid="meet.example.com" node="http://jabber.org/protocol/admin#add-user"`)
	has(t, a.ask("get", alice, list), result, `!<item`)
	has(t, a.ask("get", domain, list), result, `!<item`)
	has(t, root.ask("get", domain, `<query xmlns='http://jabber.org/protocol/disco#info' node='http://jabber.org/protocol/admin#announce'/>`), `type="command-node" name="Tell everybody who is online"`)
	has(t, a.ask("set", domain, command("add-user", fields("accountjid", "x@"+domain, "password", "p", "password-verify", "p"))), `<forbidden`)
	has(t, root.ask("set", domain, `<command `+commands+` node='nothing'/>`), `<item-not-found`)
	has(t, root.ask("set", domain, `<command `+commands+` node='http://jabber.org/protocol/admin#add-user' action='prev'/>`), `<bad-request`, `<bad-action`)
	has(t, root.ask("set", domain, `<command `+commands+` node='http://jabber.org/protocol/admin#add-user' sessionid='s' action='cancel'/>`), `status="canceled"`, `sessionid="s"`)
	play(t, root, []step{
		{"the form", "set", me, command("add-user", ""), []string{`status="executing"`, `type="jid-single"`, `<complete/>`, `var="password-verify"`}},
		{"add", "set", me, command("add-user", fields("accountjid", "carl@"+domain, "password", "p", "password-verify", "p")), []string{done, `!` + failed}},
		{"add again", "set", me, command("add-user", fields("accountjid", "carl@"+domain, "password", "p", "password-verify", "p")), []string{failed, "exists"}},
		{"passwords differ", "set", me, command("add-user", fields("accountjid", "dan@"+domain, "password", "p", "password-verify", "q")), []string{done, failed}},
		{"no address", "set", me, command("add-user", fields("accountjid", "x@y@z", "password", "p", "password-verify", "p")), []string{failed}},
		{"another server", "set", me, command("reenable-user", fields("accountjids", "x@elsewhere.example")), []string{failed}},
		{"nobody", "set", me, command("reenable-user", fields("accountjids", "nobody@"+domain)), []string{failed, "does not exist"}},
		{"password", "set", me, command("change-user-password", fields("accountjid", "carl@"+domain, "password", "new")), []string{done, `!` + failed}},
		{"count", "set", me, command("get-registered-users-num", ""), []string{`var="registeredusersnum"`, `<value>4</value>`}},
		{"list form", "set", me, command("get-registered-users-list", ""), []string{`status="executing"`, `var="max_items"`}},
		{"list", "set", me, command("get-registered-users-list", fields("max_items", "25")), []string{done, `<value>carl@` + domain + `</value>`}},
		{"online", "set", me, command("get-online-users-list", fields()), []string{alice, bob, `!carl@`}},
		{"active", "set", me, command("get-active-users-num", ""), []string{`<value>3</value>`}},
		{"idle", "set", me, command("get-idle-users-num", ""), []string{`<value>0</value>`}},
		{"last log-in", "set", me, command("get-user-lastlogin", fields("accountjids", alice)), []string{`var="lastlogin"`}},
		{"statistics", "set", me, command("user-stats", fields("accountjids", alice)), []string{`var="rostersize"`, `<value>127.0.0.1</value>`}},
		{"disable", "set", me, command("disable-user", fields("accountjids", "carl@"+domain)), []string{done, `!` + failed}},
		{"how many", "set", me, command("get-disabled-users-num", ""), []string{`<value>1</value>`}},
		{"managed", "set", "auth." + domain, command("delete-user", fields("accountjids", "focus@auth."+domain)), []string{failed, "service_accounts"}},
	})
	has(t, a.ask("set", "", rosterItem(`jid='x@y' name='n'`, "")), result)
	has(t, root.ask("set", me, command("get-user-roster", fields("accountjids", alice))), `<query xmlns="jabber:iq:roster"><item jid="x@y" name="n"`, `</query></x>`)
	carl := w.tcp("carl", domain)
	carl.expect(`</stream:features>`)
	carl.say(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>=</auth>`)
	carl.expect(`<malformed-request`)
	has(t, root.ask("set", me, command("reenable-user", fields("accountjids", "carl@"+domain))), done, `!`+failed)
	carl = w.account("carl", domain, "new", "c")
	has(t, root.ask("set", me, command("end-user-session", fields("accountjids", "carl@"+domain+"/c"))), done, `!`+failed)
	carl.ended()
	carl = w.account("carl", domain, "new", "c")
	has(t, root.ask("set", me, command("delete-user", fields("accountjids", "carl@"+domain+"/any"))), done, `!`+failed)
	carl.ended()
}

func TestDisabledAccount(t *testing.T) {
	w := start(t, withRoot)
	root, a := w.operator(), w.person("alice", "a")
	has(t, root.ask("set", domain, command("disable-user", fields("accountjids", alice))), `status="completed"`)
	a.ended()
	p := w.tcp("alice", domain)
	p.expect(`</stream:features>`)
	answer := scramAnswer(p, "alice", "pw of alice")
	has(t, answer, `<account-disabled/>`)
	answer = scramAnswer(p, "alice", "wrong")
	has(t, answer, `<not-authorized/>`)
}

// scramAnswer logs in by SCRAM-SHA-1 and returns what the server says in the end.
func scramAnswer(p *peer, user, password string) string {
	p.t.Helper()
	c, err := scramSHA1.NewClient(user, password, "")
	if err != nil {
		p.t.Fatal(err)
	}
	conv := c.NewConversation()
	first, _ := conv.Step("")
	p.say(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>%s</auth>`, b64(first))
	second, err := conv.Step(unb64(p.expect(`<challenge [^>]*>([^<]*)</challenge>`)[1]))
	if err != nil {
		p.t.Fatal(err)
	}
	p.say(`<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>`, b64(second))
	return p.expect(`(?s)<(success|failure).*?</(success|failure)>`)[0]
}

func TestNotices(t *testing.T) {
	w := start(t, withRoot)
	root, a := w.operator(), w.person("alice", "a")
	a.say(`<presence/>`)
	a.expect(`<presence`)
	has(t, root.ask("set", domain, command("announce", fields("announcement", "Tea is ready"))), `status="completed"`)
	a.expect(`<message [^>]*from="meet.example.com"><body>Tea is ready</body>`)
	has(t, root.ask("set", domain, command("set-motd", fields("motd", "one,two"))), `status="completed"`)
	b := w.person("bob", "b")
	b.say(`<presence/>`)
	b.expect(`(?s)<body>one\ntwo</body>`)
	has(t, root.ask("set", domain, command("edit-motd", "")), `<value>one</value><value>two</value>`)
	has(t, root.ask("set", domain, command("delete-motd", "")), `status="completed"`)
	has(t, root.ask("set", domain, command("edit-motd", "")), `!<value>one</value>`)
	b = w.person("bob", "c")
	b.say(`<presence/>`)
	b.quiet(`<body>`)

	// Who comes for the first time is welcomed, and nobody else.
	has(t, root.ask("set", domain, command("set-welcome", fields("welcome", "make yourself,at home"))), `status="completed"`)
	c := w.person("carol", "c")
	c.say(`<presence/>`)
	c.expect(`(?s)<message [^>]*from="meet.example.com"><body>make yourself\nat home</body>`)
	c.say(`</stream:stream>`)
	c.ended()
	eventually(t, func() bool {
		seen, err := w.accounts.Seen(context.Background(), "carol", domain)
		return err == nil && !seen.IsZero()
	})
	c = w.person("carol", "c")
	c.say(`<presence/>`)
	c.quiet(`<body>`)
	has(t, root.ask("set", domain, command("set-welcome", "")), `<value>make yourself</value>`)
	has(t, root.ask("set", domain, command("delete-welcome", "")), `status="completed"`)
	has(t, root.ask("set", domain, command("set-welcome", "")), `!<value>make yourself</value>`)

	// Blocked domains are not talked with.
	has(t, root.ask("set", domain, command("edit-blacklist", fields("blacklistjids", "evil.example"))), `status="completed"`, `!type="error"`)
	has(t, root.ask("set", domain, command("edit-blacklist", "")), `<value>evil.example</value>`)
	a.say(`<message to='x@evil.example' id='m'><body>x</body></message>`)
	a.expect(`id="m"[^>]*><error type="cancel"><not-acceptable`)
	has(t, root.ask("set", domain, command("edit-blacklist", fields("blacklistjids", domain))), `block yourself`)
	has(t, root.ask("set", domain, command("edit-blacklist", fields("blacklistjids", ""))), `status="completed"`)
	has(t, root.ask("set", domain, command("edit-whitelist", fields("whitelistjids", "good.example"))), `status="completed"`)
	has(t, root.ask("set", domain, command("edit-whitelist", "")), `<value>good.example</value>`)
	a.say(`<message to='x@other.example' id='m2'><body>x</body></message><message to='x@good.example' id='m3'><body>x</body></message>`)
	a.expect(`id="m2"[^>]*><error type="cancel"><not-acceptable`)
	a.expect(`id="m3"[^>]*><error type="cancel"><remote-server-not-found`)
	has(t, root.ask("set", domain, command("edit-whitelist", fields("whitelistjids", ""))), `status="completed"`)

	// Administrators name others, and are not for ever.
	has(t, root.ask("set", domain, command("edit-admin", "")), `<value>root@meet.example.com</value>`)
	has(t, root.ask("set", domain, command("edit-admin", fields("adminjids", alice))), `by the configuration`)
	has(t, root.ask("set", domain, command("edit-admin", fields("adminjids", "root@meet.example.com,"+alice))), `!type="error"`)
	has(t, a.ask("set", domain, command("get-online-users-num", "")), `status="completed"`)
	if err := w.Accounts().Delete(context.Background(), "alice", domain); err != nil {
		t.Fatal(err)
	}
	a = w.person("alice", "a")
	has(t, a.ask("set", domain, command("get-online-users-num", "")), `<forbidden`)
}

func TestRegistration(t *testing.T) {
	register := `<query xmlns='jabber:iq:register'>`
	t.Run("off", func(t *testing.T) {
		w := start(t)
		a := w.person("alice", "a")
		has(t, a.ask("get", "", register+`</query>`), `<service-unavailable`)
		has(t, a.ask("get", domain, `<query xmlns='http://jabber.org/protocol/disco#info'/>`), `!jabber:iq:register`)
		p := w.tcp("new", domain)
		p.expect(`</stream:features>`)
		p.say(`<iq type='get' id='r'>%s</query></iq>`, register)
		has(t, p.ended(), `<not-authorized`)
	})
	w := start(t, func(c *Config) { c.Registration.Enabled, c.Registration.PerHour = true, 2 })
	p := w.tcp("new", domain)
	p.expect(`<register xmlns="http://jabber.org/features/iq-register"/></stream:features>`)
	const user = `<username>nina</username>`
	play(t, p, []step{
		{"what is needed", "get", "", register + `</query>`, []string{`<username/><password/>`}},
		{"nothing given", "set", "", register + `</query>`, []string{`<not-acceptable`}},
		{"no password", "set", "", register + user + `</query>`, []string{`<not-acceptable`}},
		{"a service's name", "set", "auth." + domain, register + `<username>@</username><password>p</password></query>`, []string{`<jid-malformed`}},
		{"new", "set", "", register + user + `<password>p</password></query>`, []string{result}},
		{"too many", "set", "", register + user + `<password>p</password></query>`, []string{`<resource-constraint`}},
	})
	nina := w.account("nina", domain, "p", "n")
	play(t, nina, []step{
		{"registered", "get", "", register + `</query>`, []string{`<registered/><username>nina</username>`}},
		{"another's password", "set", domain, register + `<username>bob</username><password>p</password></query>`, []string{`<not-allowed`}},
		{"password", "set", domain, register + user + `<password>q</password></query>`, []string{result}},
		{"too much", "set", "", register + user + `<remove/></query>`, []string{`<bad-request`}},
	})
	again := w.account("nina", domain, "q", "m")
	again.say(`<iq type='set' id='bye'>%s<remove/></query></iq>`, register)
	again.expect(`type="result" id="bye"`)
	nina.ended()
	has(t, again.ended(), `<not-authorized`)
	if ok, err := w.Accounts().Exists(context.Background(), "nina", domain); ok || err != nil {
		t.Errorf("still there: %v %v", ok, err)
	}
}

// An account can be made wherever one could log in, and nowhere else.
func TestRegistrationInTheClear(t *testing.T) {
	const nina = `<query xmlns='jabber:iq:register'><username>nina</username><password>p</password></query>`
	for name, c := range map[string]struct {
		far, require bool
		want         string
	}{
		"on this machine":    {false, true, `type="result" id="r"`},
		"elsewhere":          {true, true, `<not-allowed`},
		"elsewhere, allowed": {true, false, `type="result" id="r"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, func(cfg *Config) {
				cfg.Registration.Enabled, cfg.TrustLoopback, cfg.RequireTLS = true, false, c.require
			})
			if c.far {
				w.c2s = abroad{listen(t)}
				go func(l net.Listener) { _ = w.ServeC2S(l) }(w.c2s)
			}
			p := w.tcp("new", domain)
			p.expect(`</stream:features>`)
			p.say(`<iq type='set' id='r'>%s</iq>`, nina)
			p.expect(c.want)
		})
	}
}

// Whoever fills in the form is not hurried.
func TestRegistrationTakesTime(t *testing.T) {
	w := start(t, func(c *Config) { c.Registration.Enabled, c.Sessions.LoginTime = true, 500*time.Millisecond })
	slow := w.tcp("slow", domain)
	slow.expect(`</stream:features>`)
	slow.ask("get", "", `<query xmlns='jabber:iq:register'/>`)
	has(t, w.tcp("idle", domain).ended(), `<connection-timeout`)
	has(t, slow.ask("set", "", `<query xmlns='jabber:iq:register'><username>nina</username><password>p</password></query>`), result)
}

func TestLeave(t *testing.T) {
	w := start(t, withRoot)
	root, a := w.operator(), w.person("alice", "a")
	a.say(`<presence/>`)
	a.expect(`<presence`)
	has(t, a.ask("set", domain, command("shutdown", "")), `<forbidden`)
	for _, what := range []string{"restart", "shutdown"} {
		has(t, root.ask("set", domain, command(what, "")), `status="executing"`, `var="delay"`, `var="announcement"`)
		has(t, root.ask("set", domain, command(what, fields("delay", "1"))), `Choose one of the delays`)
	}
	has(t, root.ask("set", domain, command("shutdown", fields("delay", "900", "announcement", "Good night"))), `status="completed"`, `!type="error"`)
	a.expect(`<message [^>]*from="meet.example.com"><body>Good night</body>`)
	w.why = ErrRestart
	w.leaving.after(0, ErrRestart) // the last word counts
	a.ended()
	root.ended()
}

func TestLeavingTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, begin := newLeaving(), time.Now()
		l.after(time.Minute, ErrRestart)
		l.after(2*time.Minute, ErrShutdown)
		if why := <-l.now; why != ErrShutdown || time.Since(begin) != 2*time.Minute {
			t.Errorf("%v after %v", why, time.Since(begin))
		}
		l.after(time.Minute, ErrRestart)
		l.end()
		l.after(time.Minute, ErrRestart)
		time.Sleep(time.Hour)
		if len(l.now) != 0 {
			t.Error("it went after its end")
		}
	})
}
