package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/dataform"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

const stampFormat = "2006-01-02T15:04:05.000Z"

var (
	errBadRequest = stanza.Err(stanza.Modify, stanza.BadRequest, "The query cannot be read")
	errJID        = stanza.Err(stanza.Modify, stanza.JIDMalformed, "")
	errStamp      = stanza.Err(stanza.Modify, stanza.BadRequest, "The time cannot be read")
	errField      = stanza.Err(stanza.Cancel, stanza.FeatureNotImplemented, "The query has a field that is not known here")
	errNoItem     = stanza.Err(stanza.Cancel, stanza.ItemNotFound, "The archive has no message of that id")
	errStore      = stanza.Err(stanza.Wait, stanza.InternalServerError, "")
	errBusy       = stanza.Err(stanza.Wait, stanza.ResourceConstraint, "The archive is busy")
)

// Form is what a query may ask for (XEP-0313, 4.1.5).
func Form() []byte {
	f := &dataform.Form{Type: "form", FormType: ns.MAM}
	f.Add("with", "jid-single", "")
	f.Add("start", "text-single", "")
	f.Add("end", "text-single", "")
	f.Add("before-id", "text-single", "")
	f.Add("after-id", "text-single", "")
	f.Add("ids", "list-multi", "")
	var b stanza.Builder
	b.Start(ns.MAM, "query")
	f.Append(&b)
	return b.Bytes()
}

// queryXML is a query as it comes.
type queryXML struct {
	ID   string           `xml:"queryid,attr"`
	Form *dataform.XML    `xml:"jabber:x:data x"`
	Set  *dataform.SetXML `xml:"http://jabber.org/protocol/rsm set"`
	Flip *struct{}        `xml:"flip-page"`
}

// filter is what is asked for: the SQL condition and its arguments.
type filter struct {
	where []string
	args  []any
	ids   int // how many messages were named; all must be there
}

func (f *filter) and(cond string, args ...any) {
	f.where = append(f.where, cond)
	f.args = append(f.args, args...)
}

func (f *filter) sql() string { return strings.Join(f.where, " AND ") }

// readFilter understands the form (XEP-0313, 4.1).
func readFilter(owner stanza.Addr, v dataform.Values) (*filter, *stanza.Error) {
	f := &filter{}
	f.and("owner = ?", owner.String())
	for name, values := range v {
		text := strings.Join(values, "")
		switch name {
		case "with":
			addr, err := stanza.ParseAddr(text)
			if err != nil {
				return nil, errJID
			}
			if addr.IsFull() {
				f.and("peer = ?", addr.String())
			} else {
				f.and("bare = ?", addr.String())
			}
		case "start", "end":
			t, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				return nil, errStamp
			}
			if name == "start" {
				f.and("at >= ?", t.UnixMilli())
			} else {
				f.and("at <= ?", t.UnixMilli())
			}
		case "before-id":
			f.and("seq < (SELECT seq FROM archive_messages WHERE owner = ? AND id = ?)", owner.String(), text)
		case "after-id":
			f.and("seq > (SELECT seq FROM archive_messages WHERE owner = ? AND id = ?)", owner.String(), text)
		case "ids":
			if len(values) == 0 || len(values) > maxNamed {
				return nil, errBadRequest
			}
			var args []any
			for _, id := range values {
				args = append(args, id)
			}
			f.ids = len(values)
			f.and("id IN (?"+strings.Repeat(", ?", len(values)-1)+")", args...)
		default:
			return nil, errField
		}
	}
	return f, nil
}

// found is a message of an archive.
type found struct {
	seq    int64
	id     string
	at     time.Time
	stanza []byte
}

// Query answers an iq about the archive of owner, once what is wanted may be
// read. It returns at once; the answer goes to the sender later.
func (a *Archive) Query(owner stanza.Addr, st *stanza.Stanza) {
	if !a.readers.Post(func() { a.answer(owner.Bare(), st) }) {
		a.rt.Bounce(st, errBusy)
	}
}

func (a *Archive) answer(owner stanza.Addr, st *stanza.Stanza) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	payload, _ := st.Payload()
	var content []byte
	var e *stanza.Error
	switch {
	case payload.Space != ns.MAM:
		e = errBadRequest
	case payload.Name == "metadata" && st.Type == stanza.Get:
		content, e = a.metadata(ctx, owner)
	case payload.Name == "query" && st.Type == stanza.Get:
		content = Form()
	case payload.Name == "query":
		content, e = a.search(ctx, owner, st, payload)
	default:
		e = errBadRequest
	}
	if e != nil {
		a.rt.Bounce(st, e)
		return
	}
	a.rt.Reply(st, content)
}

func (a *Archive) broken(err error) *stanza.Error {
	a.log.WithError(err).Error("archive cannot be read")
	return errStore
}

// search sends what was asked for, and makes the end of it (4.2, 4.3).
func (a *Archive) search(ctx context.Context, owner stanza.Addr, st *stanza.Stanza, payload stanza.Child) ([]byte, *stanza.Error) {
	var q queryXML
	if st.Decode(payload, &q) != nil {
		return nil, errBadRequest
	}
	values, err := q.Form.Read(ns.MAM)
	if err != nil {
		return nil, errBadRequest
	}
	page, err := q.Set.Read()
	if err != nil {
		return nil, errBadRequest
	}
	f, e := readFilter(owner, values)
	if e != nil {
		return nil, e
	}
	if err := a.settle(ctx); err != nil {
		return nil, a.broken(err)
	}
	for _, name := range []string{"before-id", "after-id"} {
		if id, ok := values.Text(name); ok {
			if known, err := a.knows(ctx, owner, id); err != nil || !known {
				return nil, a.missing(err)
			}
		}
	}
	list, set, complete, e := a.page(ctx, owner, f, page)
	if e != nil {
		return nil, e
	}
	if q.Flip != nil {
		slices.Reverse(list)
	}
	for _, x := range list {
		a.rt.Send(result(owner, st.From, q.ID, x))
	}
	var b stanza.Builder
	done := ""
	if complete {
		done = "true"
	}
	b.Start(ns.MAM, "fin", "complete", done)
	set.Append(&b)
	return b.Bytes(), nil
}

func (a *Archive) missing(err error) *stanza.Error {
	if err != nil {
		return a.broken(err)
	}
	return errNoItem
}

// result is a message of the archive on its way to who asked for it.
func result(owner, to stanza.Addr, query string, x found) *stanza.Stanza {
	var b stanza.Builder
	b.Start(ns.MAM, "result", "queryid", query, "id", x.id).Start(ns.Forward, "forwarded")
	b.Empty(ns.Delay, "delay", "stamp", x.at.UTC().Format(stampFormat)).Raw(x.stanza)
	return stanza.New(stanza.Message, "", owner, to, router.NewID()).WithContent(b.Bytes())
}

func (a *Archive) one(ctx context.Context, to any, query string, args ...any) error {
	return a.db.Read().QueryRowContext(ctx, query, args...).Scan(to)
}

func (a *Archive) knows(ctx context.Context, owner stanza.Addr, id string) (bool, error) {
	var n int
	err := a.one(ctx, &n, `SELECT count(*) FROM archive_messages WHERE owner = ? AND id = ?`, owner.String(), id)
	return n > 0, err
}

// page reads the part of the result that is wanted (XEP-0059).
func (a *Archive) page(ctx context.Context, owner stanza.Addr, f *filter, p dataform.Page) ([]found, dataform.Set, bool, *stanza.Error) {
	set := dataform.Set{Index: -1}
	if err := a.one(ctx, &set.Count, `SELECT count(*) FROM archive_messages WHERE `+f.sql(), f.args...); err != nil {
		return nil, set, false, a.broken(err)
	}
	if f.ids > set.Count {
		return nil, set, false, errNoItem
	}
	limit := p.Max
	if limit < 0 {
		limit = usualPage
	}
	limit = min(limit, a.cfg.MaxPage)
	part := &filter{where: slices.Clone(f.where), args: slices.Clone(f.args)}
	for _, x := range []struct{ id, cond string }{{p.After, ">"}, {p.Before, "<"}} {
		if x.id == "" {
			continue
		}
		if known, err := a.knows(ctx, owner, x.id); err != nil || !known {
			return nil, set, false, a.missing(err)
		}
		part.and("seq "+x.cond+" (SELECT seq FROM archive_messages WHERE owner = ? AND id = ?)", owner.String(), x.id)
	}
	order, skip := "", max(p.Index, 0)
	if p.Last {
		order = " DESC"
	}
	// One more than asked for tells whether anything is left.
	list, err := a.read(ctx, `SELECT seq, id, at, stanza FROM archive_messages WHERE `+part.sql()+` ORDER BY seq`+order+fmt.Sprintf(` LIMIT %d OFFSET %d`, limit+1, skip), part.args...)
	if err != nil {
		return nil, set, false, a.broken(err)
	}
	complete := len(list) <= limit
	list = list[:min(len(list), limit)]
	if p.Last {
		slices.Reverse(list)
	}
	if len(list) > 0 {
		set.First, set.Last = list[0].id, list[len(list)-1].id
		if err := a.one(ctx, &set.Index, `SELECT count(*) FROM archive_messages WHERE `+f.sql()+` AND seq < ?`, append(slices.Clone(f.args), list[0].seq)...); err != nil {
			return nil, set, false, a.broken(err)
		}
	}
	return list, set, complete, nil
}

func (a *Archive) read(ctx context.Context, query string, args ...any) ([]found, error) {
	rows, err := a.db.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []found
	for rows.Next() {
		var x found
		var at int64
		if err := rows.Scan(&x.seq, &x.id, &at, &x.stanza); err != nil {
			return nil, err
		}
		x.at = time.UnixMilli(at)
		out = append(out, x)
	}
	return out, rows.Err()
}

// metadata tells where an archive begins and ends (#extended).
func (a *Archive) metadata(ctx context.Context, owner stanza.Addr) ([]byte, *stanza.Error) {
	if err := a.settle(ctx); err != nil {
		return nil, a.broken(err)
	}
	var b stanza.Builder
	b.Start(ns.MAM, "metadata")
	for _, x := range []struct{ name, order string }{{"start", "ASC"}, {"end", "DESC"}} {
		var id string
		var at int64
		err := a.db.Read().QueryRowContext(ctx, `SELECT id, at FROM archive_messages WHERE owner = ? ORDER BY seq `+x.order+` LIMIT 1`, owner.String()).Scan(&id, &at)
		if errors.Is(err, sql.ErrNoRows) {
			break
		}
		if err != nil {
			return nil, a.broken(err)
		}
		b.Empty("", x.name, "id", id, "timestamp", time.UnixMilli(at).UTC().Format(stampFormat))
	}
	return b.Bytes(), nil
}
