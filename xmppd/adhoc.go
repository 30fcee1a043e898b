package xmppd

import (
	"parley/internal/wire/ns"
	"parley/xmppd/dataform"
	"parley/xmppd/module"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// adhocCommand is a command administrators find by service discovery (XEP-0050).
type adhocCommand struct {
	node, name string
	// ask makes the form to fill in; nil if there is nothing to ask.
	ask func() *dataform.Form
	// run does it. The problem is one sentence for the administrator.
	run func(r *module.Request, v dataform.Values) (answer *dataform.Form, extra []byte, problem string)
}

// adhoc are the commands of a host: at its domain, and at each administrator's own
// address, where some clients look.
type adhoc struct {
	router *router.Router
	users  *router.Users
	list   []adhocCommand
}

// install answers commands and lists them. It is called after svc.Disco.
func (a *adhoc) install(svc *module.Service) {
	svc.OnHost(stanza.Set, ns.Commands, "command", "", a.execute)
	svc.OnAccount(stanza.Set, ns.Commands, "command", "", a.execute)
	svc.Wrap(stanza.Get, ns.DiscoItems, "query", a.items)
	svc.Wrap(stanza.Get, ns.DiscoInfo, "query", a.info)
}

// may says whether the asker may use commands here.
func (a *adhoc) may(r *module.Request) bool {
	return a.router.IsAdmin(r.From) && (!r.Account || r.From.Bare() == r.To)
}

func (a *adhoc) items(r *module.Request, next module.Answer) ([]byte, *stanza.Error) {
	var b stanza.Builder
	if r.Attr("node") != ns.Commands || r.Account && r.From.Bare() != r.To {
		if r.Account && !a.users.MayHear(r.To, r.From) {
			// XEP-0030 §8: to a stranger every account is one that is not there.
			return b.Empty(ns.DiscoItems, "query", "node", r.Attr("node")).Bytes(), nil
		}
		return next(r)
	}
	b.Start(ns.DiscoItems, "query", "node", ns.Commands)
	if a.may(r) {
		for _, c := range a.list {
			b.Empty("", "item", "jid", r.To.String(), "node", c.node, "name", c.name)
		}
	}
	return b.End().Bytes(), nil
}

func (a *adhoc) info(r *module.Request, next module.Answer) ([]byte, *stanza.Error) {
	node := r.Attr("node")
	name := ""
	for _, c := range a.list {
		if c.node == node {
			name = c.name
		}
	}
	if r.Account && r.From.Bare() != r.To && node != "" && !a.users.MayHear(r.To, r.From) {
		return nil, stanza.Err(stanza.Cancel, stanza.ServiceUnavailable, "")
	}
	if node == "" || node != ns.Commands && name == "" || r.Account && r.From.Bare() != r.To {
		return next(r)
	}
	var b stanza.Builder
	b.Start(ns.DiscoInfo, "query", "node", node)
	if node == ns.Commands {
		b.Empty("", "identity", "category", "automation", "type", "command-list")
	} else {
		b.Empty("", "identity", "category", "automation", "type", "command-node", "name", name)
		b.Empty("", "feature", "var", ns.Commands).Empty("", "feature", "var", ns.Data)
	}
	return b.End().Bytes(), nil
}

func badCommand(condition, detail string) *stanza.Error {
	e := stanza.Err(stanza.Modify, condition, "")
	if detail != "" {
		var b stanza.Builder
		e.App = b.Empty(ns.Commands, detail).Bytes()
	}
	return e
}

func (a *adhoc) execute(r *module.Request) ([]byte, *stanza.Error) {
	var q struct {
		Node    string        `xml:"node,attr"`
		Action  string        `xml:"action,attr"`
		Session string        `xml:"sessionid,attr"`
		Form    *dataform.XML `xml:"jabber:x:data x"`
	}
	if err := r.Decode(r.Payload, &q); err != nil {
		return nil, badCommand(stanza.BadRequest, "bad-payload")
	}
	var c *adhocCommand
	for i := range a.list {
		if a.list[i].node == q.Node {
			c = &a.list[i]
		}
	}
	switch {
	case c == nil:
		return nil, stanza.Err(stanza.Cancel, stanza.ItemNotFound, "")
	case !a.may(r):
		return nil, stanza.Err(stanza.Auth, stanza.Forbidden, "This is for administrators")
	}
	switch q.Action {
	case "cancel":
		return answerCommand(q.Node, q.Session, "canceled", nil, nil, ""), nil
	case "", "execute", "complete", "next":
	case "prev":
		return nil, badCommand(stanza.BadRequest, "bad-action")
	default:
		return nil, badCommand(stanza.BadRequest, "malformed-action")
	}
	if q.Session == "" {
		q.Session = router.NewID()
	}
	if q.Form.Cancelled() {
		return answerCommand(q.Node, q.Session, "canceled", nil, nil, ""), nil
	}
	if c.ask != nil && q.Form == nil {
		return answerCommand(q.Node, q.Session, "executing", c.ask(), nil, ""), nil
	}
	v, err := q.Form.Read(ns.Admin)
	if err != nil {
		return nil, badCommand(stanza.BadRequest, "bad-payload")
	}
	form, extra, problem := c.run(r, v)
	return answerCommand(q.Node, q.Session, "completed", form, extra, problem), nil
}

func answerCommand(node, session, status string, form *dataform.Form, extra []byte, problem string) []byte {
	var b stanza.Builder
	b.Start(ns.Commands, "command", "node", node, "sessionid", session, "status", status)
	if status == "executing" {
		b.Start("", "actions", "execute", "complete").Empty("", "complete").End()
	}
	if form != nil {
		appendForm(&b, form, extra)
	}
	switch {
	case problem != "":
		b.Leaf("", "note", problem, "type", "error")
	case status == "completed" && form == nil:
		b.Leaf("", "note", "Done", "type", "info")
	}
	return b.End().Bytes()
}

// appendForm writes a form with something else inside (XEP-0133 §4.8).
func appendForm(b *stanza.Builder, form *dataform.Form, extra []byte) {
	form.Append(b)
	if extra == nil {
		return
	}
	const end = "</x>"
	b.Insert(len(end), extra)
}
