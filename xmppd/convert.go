package xmppd

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/module"
	"parley/xmppd/pubsub"
	"parley/xmppd/router"
	"parley/xmppd/stanza"
)

// convert keeps what accounts say about themselves by old and new ways the same:
// the picture of the card and the published avatar (XEP-0398), bookmarks in private
// storage, those published together (XEP-0048) and those published one by one
// (XEP-0402, 7), which are what is kept.
type convert struct {
	pubsub *pubsub.Service
	people *module.People
	users  func(domain string) *router.Users
}

func newConvert(x *services, users func(domain string) *router.Users) *convert {
	c := &convert{x.pubsub, x.people, users}
	x.pubsub.OnPublished(c.published)
	x.people.OnCardChanged(c.cardChanged)
	return c
}

type metadataXML struct {
	Info []struct {
		ID   string `xml:"id,attr"`
		Type string `xml:"type,attr"`
		URL  string `xml:"url,attr"`
	} `xml:"info"`
}

// published follows what an account publishes. It runs on the account's loop.
func (c *convert) published(account stanza.Addr, node, _ string, payload []byte) {
	u := c.users(account.Domain())
	switch {
	case node == ns.Bookmarks2:
		c.together(u, account)
	case node == ns.Bookmarks && (&stanza.Stanza{}).WithContent(payload).Has(ns.Bookmarks, "storage"):
		c.oneByOne(u, account, payload)
	case node == ns.AvatarMeta && payload != nil:
		c.avatar(u, account, payload)
	}
}

// together publishes all bookmarks as one item, for clients that know no better.
func (c *convert) together(u *router.Users, account stanza.Addr) {
	all := c.Fragment(account, ns.Bookmarks, "storage", nil)
	c.pubsub.Publish(u, account, ns.Bookmarks, pubsub.Own{}, pubsub.Item{ID: "current", Payload: all})
}

// avatar puts a published picture into the card.
func (c *convert) avatar(u *router.Users, account stanza.Addr, payload []byte) {
	var m metadataXML
	if stanza.Decode(payload, &m) != nil {
		return
	}
	var photo module.Photo
	if len(m.Info) > 0 {
		items, _ := c.pubsub.Items(account, ns.AvatarData)
		for _, info := range m.Info {
			for _, i := range items {
				if i.ID != info.ID || info.URL != "" || photo.Hash != "" {
					continue
				}
				data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(stanza.Text(i.Payload)), ""))
				if err == nil && len(data) > 0 {
					photo = module.NewPhoto(info.Type, data)
				}
			}
		}
		if photo.Hash == "" {
			return // it lies somewhere else
		}
	}
	if err := c.people.SetPhoto(u, account, photo); err != nil {
		c.people.Broken(err)
	}
}

// cardChanged publishes the picture of a card.
func (c *convert) cardChanged(account stanza.Addr, photo module.Photo) {
	u := c.users(account.Domain())
	c.pubsub.Do(account, func() {
		now, known := c.pubsub.Items(account, ns.AvatarMeta)
		if photo.Hash == "" && !known || len(now) > 0 && now[len(now)-1].ID == photo.Hash {
			return
		}
		own := pubsub.Own{Open: true}
		var meta stanza.Builder
		meta.Start(ns.AvatarMeta, "metadata")
		id := photo.Hash
		if id == "" {
			id = router.NewID()
		} else {
			var data stanza.Builder
			data.Leaf(ns.AvatarData, "data", base64.StdEncoding.EncodeToString(photo.Data))
			c.pubsub.Publish(u, account, ns.AvatarData, own, pubsub.Item{ID: id, Payload: data.Bytes()})
			meta.Empty("", "info", "id", id, "bytes", strconv.Itoa(len(photo.Data)), "type", photo.Type)
		}
		c.pubsub.Publish(u, account, ns.AvatarMeta, own, pubsub.Item{ID: id, Payload: meta.Bytes()})
	})
}

func isBookmarks(space, name string) bool { return space == ns.Bookmarks && name == "storage" }

// inside are the children of an element.
func inside(element []byte) *stanza.Stanza {
	var x struct {
		Inner []byte `xml:",innerxml"`
	}
	if stanza.Decode(element, &x) != nil {
		return &stanza.Stanza{}
	}
	return (&stanza.Stanza{}).WithContent(x.Inner)
}

// Fragment is module.Fragments.Fragment: bookmarks are made of the published ones.
func (c *convert) Fragment(owner stanza.Addr, space, name string, stored []byte) []byte {
	if !isBookmarks(space, name) {
		return stored
	}
	items, ok := c.pubsub.Items(owner, ns.Bookmarks2)
	if !ok {
		return stored
	}
	var b stanza.Builder
	b.Start(ns.Bookmarks, "storage")
	old := inside(stored)
	for _, x := range old.Children() {
		if x.Name != "conference" {
			b.Raw(old.Raw(x))
		}
	}
	for _, i := range items {
		st := (&stanza.Stanza{}).WithContent(i.Payload)
		p, ok := st.Child(ns.Bookmarks2, "conference")
		if !ok {
			continue
		}
		b.Start("", "conference", "jid", i.ID, "name", st.ChildAttr(p, "name"), "autojoin", st.ChildAttr(p, "autojoin"))
		kids := inside(i.Payload)
		for _, k := range kids.Children() {
			if k.Name == "nick" || k.Name == "password" {
				b.Leaf("", k.Name, kids.ChildText(k))
			}
		}
		b.End()
	}
	return b.Bytes()
}

// SetFragment is module.Fragments.SetFragment: bookmarks are published, too.
func (c *convert) SetFragment(owner stanza.Addr, space, name string, fragment []byte, next func()) bool {
	if !isBookmarks(space, name) {
		return false
	}
	fragment = bytes.Clone(fragment)
	u := c.users(owner.Domain())
	return c.pubsub.Do(owner, func() {
		defer next()
		c.oneByOne(u, owner, fragment)
		c.together(u, owner)
	})
}

// oneByOne publishes each bookmark of an old list, and retracts those it does not
// have. It runs on the account's loop.
func (c *convert) oneByOne(u *router.Users, owner stanza.Addr, storage []byte) {
	had, _ := c.pubsub.Items(owner, ns.Bookmarks2)
	gone := make(map[string][]byte, len(had))
	for _, i := range had {
		gone[i.ID] = i.Payload
	}
	var fresh []pubsub.Item
	st := inside(storage)
	for _, x := range st.Children() {
		addr, err := stanza.ParseAddr(st.ChildAttr(x, "jid"))
		if x.Name != "conference" || err != nil {
			continue
		}
		p := c.native(st, x, gone[addr.String()])
		if !bytes.Equal(gone[addr.String()], p) {
			fresh = append(fresh, pubsub.Item{ID: addr.String(), Payload: p})
		}
		delete(gone, addr.String())
	}
	own := pubsub.Own{Many: true}
	for _, i := range fresh {
		c.pubsub.Publish(u, owner, ns.Bookmarks2, own, i)
	}
	if len(fresh) == 0 && len(had) == 0 {
		c.pubsub.Publish(u, owner, ns.Bookmarks2, own)
	}
	var ids []string
	for id := range gone {
		ids = append(ids, id)
	}
	c.pubsub.Retract(u, owner, ns.Bookmarks2, ids...)
}

// native makes a published bookmark of an old one; what only the new form can say
// is kept.
func (c *convert) native(st *stanza.Stanza, x stanza.Child, was []byte) []byte {
	var b stanza.Builder
	b.Start(ns.Bookmarks2, "conference", "name", st.ChildAttr(x, "name"), "autojoin", st.ChildAttr(x, "autojoin"))
	kids := inside(st.Raw(x))
	for _, k := range kids.Children() {
		if k.Name == "nick" || k.Name == "password" {
			b.Leaf("", k.Name, kids.ChildText(k))
		}
	}
	if was != nil {
		old := inside(was)
		for _, k := range old.Children() {
			if k.Name == "extensions" {
				b.Raw(old.Raw(k))
			}
		}
	}
	return b.Bytes()
}
