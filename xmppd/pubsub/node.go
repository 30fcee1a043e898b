package pubsub

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/internal/wire/ns"
	"parley/xmppd/dataform"
	"parley/xmppd/stanza"
)

// affiliation is what an account may do with a node (XEP-0060, 4.1).
type affiliation string

const (
	none        affiliation = "none"
	owner       affiliation = "owner"
	publisher   affiliation = "publisher"
	publishOnly affiliation = "publish-only"
	member      affiliation = "member"
	outcast     affiliation = "outcast"
)

func (a affiliation) valid() bool {
	return slices.Contains([]affiliation{none, owner, publisher, publishOnly, member, outcast}, a)
}

// node is a leaf node or a collection.
type node struct {
	service stanza.Addr
	name    string
	creator string
	created time.Time
	config  nodeConfig
}

// nodeConfig is how a node behaves. The JSON stands in the store.
type nodeConfig struct {
	Title         string   `json:"title,omitempty"`
	Description   string   `json:"description,omitempty"`
	Type          string   `json:"type,omitempty"`
	Language      string   `json:"language,omitempty"`
	Contact       []string `json:"contact,omitempty"`
	Payloads      bool     `json:"payloads"`
	Notify        bool     `json:"notify"`
	NotifyConfig  bool     `json:"notify_config"`
	NotifyDelete  bool     `json:"notify_delete"`
	NotifyRetract bool     `json:"notify_retract"`
	NotifySub     bool     `json:"notify_sub"`
	Persist       bool     `json:"persist"`
	MaxItems      int      `json:"max_items"`
	Expire        int      `json:"expire"` // seconds, 0: never
	Access        string   `json:"access"`
	Groups        []string `json:"groups,omitempty"`
	Publish       string   `json:"publish"`
	PurgeOffline  bool     `json:"purge_offline"`
	MaxPayload    int      `json:"max_payload"`
	SendLast      string   `json:"send_last"`
	Presence      bool     `json:"presence"` // notices only to those online
	Message       string   `json:"message"`  // type of notices
	Publisher     bool     `json:"publisher"`
	Collects      bool     `json:"collects,omitempty"`  // it is a collection
	Associate     string   `json:"associate,omitempty"` // who may put nodes into it; empty: owners
	Collection    string   `json:"-"`                   // the one it is in; a column of its own
}

// Values of fields.
const (
	accessOpen      = "open"
	accessPresence  = "presence"
	accessRoster    = "roster"
	accessAuthorize = "authorize"
	accessWhitelist = "whitelist"

	publishPublishers  = "publishers"
	publishSubscribers = "subscribers"
	publishOpen        = "open"

	lastNever    = "never"
	lastSub      = "on_sub"
	lastPresence = "on_sub_and_presence"
)

// defaults of a service: an account shows things to those who hear its presence,
// and keeps the newest.
func (s *Service) defaults(pep bool) nodeConfig {
	c := nodeConfig{Payloads: true, Notify: true, NotifyRetract: true, NotifyDelete: true, Persist: true, MaxItems: min(20, s.cfg.MaxItems), Access: accessOpen,
		Publish: publishPublishers, MaxPayload: s.cfg.MaxPayload, SendLast: lastNever, Message: stanza.Headline}
	if pep {
		c.MaxItems, c.Access, c.SendLast, c.Presence = 1, accessPresence, lastPresence, true
	}
	return c
}

// setting is one field of the configuration form.
type setting struct {
	name, typ, label string
	options          []string
	get              func(*nodeConfig) []string
	set              func(*nodeConfig, *Service, []string) error
}

func text(name, label string, at func(*nodeConfig) *string) setting {
	return setting{name, "text-single", label, nil,
		func(c *nodeConfig) []string { return []string{*at(c)} },
		func(c *nodeConfig, _ *Service, v []string) error {
			t := strings.Join(v, "\n")
			if len(t) > 4096 {
				return fmt.Errorf("%s is too long", name)
			}
			*at(c) = t
			return nil
		}}
}

func truth(name, label string, at func(*nodeConfig) *bool) setting {
	return setting{name, "boolean", label, nil,
		func(c *nodeConfig) []string {
			if *at(c) {
				return []string{"1"}
			}
			return []string{"0"}
		},
		func(c *nodeConfig, _ *Service, v []string) error {
			b, ok := dataform.Bool(strings.Join(v, ""))
			if !ok {
				return fmt.Errorf("%s is not a truth value", name)
			}
			*at(c) = b
			return nil
		}}
}

func choice(name, label string, at func(*nodeConfig) *string, options ...string) setting {
	return setting{name, "list-single", label, options,
		func(c *nodeConfig) []string { return []string{*at(c)} },
		func(c *nodeConfig, _ *Service, v []string) error {
			if len(v) != 1 || !slices.Contains(options, v[0]) {
				return fmt.Errorf("%s is not one of its choices", name)
			}
			*at(c) = v[0]
			return nil
		}}
}

func number(name, label string, at func(*nodeConfig) *int, limit func(*Service) int) setting {
	return setting{name, "text-single", label, nil,
		func(c *nodeConfig) []string { return []string{strconv.Itoa(*at(c))} },
		func(c *nodeConfig, s *Service, v []string) error {
			t := strings.TrimSpace(strings.Join(v, ""))
			if t == "max" {
				*at(c) = limit(s)
				return nil
			}
			n, err := strconv.Atoi(t)
			if err != nil || n < 0 || n > limit(s) {
				return fmt.Errorf("%s is not a number up to %d", name, limit(s))
			}
			*at(c) = n
			return nil
		}}
}

func list(name, label string, at func(*nodeConfig) *[]string) setting {
	typ := "text-multi"
	if name == "pubsub#contact" {
		typ = "jid-multi"
	}
	return setting{name, typ, label, nil,
		func(c *nodeConfig) []string { return *at(c) },
		func(c *nodeConfig, _ *Service, v []string) error {
			if len(v) > 100 {
				return fmt.Errorf("%s is too long", name)
			}
			*at(c) = slices.Clone(v)
			return nil
		}}
}

// settings are the fields a node has, in the order of the form.
var settings = []setting{
	text("pubsub#title", "Title", func(c *nodeConfig) *string { return &c.Title }),
	text("pubsub#description", "Description", func(c *nodeConfig) *string { return &c.Description }),
	text("pubsub#type", "Namespace of the payload", func(c *nodeConfig) *string { return &c.Type }),
	text("pubsub#language", "Language", func(c *nodeConfig) *string { return &c.Language }),
	list("pubsub#contact", "Contacts", func(c *nodeConfig) *[]string { return &c.Contact }),
	truth("pubsub#deliver_payloads", "Notices carry the payload", func(c *nodeConfig) *bool { return &c.Payloads }),
	truth("pubsub#deliver_notifications", "Send notices", func(c *nodeConfig) *bool { return &c.Notify }),
	truth("pubsub#notify_config", "Tell when the configuration changes", func(c *nodeConfig) *bool { return &c.NotifyConfig }),
	truth("pubsub#notify_delete", "Tell when the node is deleted", func(c *nodeConfig) *bool { return &c.NotifyDelete }),
	truth("pubsub#notify_retract", "Tell when items are removed", func(c *nodeConfig) *bool { return &c.NotifyRetract }),
	truth("pubsub#notify_sub", "Tell owners about subscriptions", func(c *nodeConfig) *bool { return &c.NotifySub }),
	truth("pubsub#persist_items", "Keep items", func(c *nodeConfig) *bool { return &c.Persist }),
	number("pubsub#max_items", "How many items are kept", func(c *nodeConfig) *int { return &c.MaxItems }, func(s *Service) int { return s.cfg.MaxItems }),
	number("pubsub#item_expire", "Seconds an item is kept, 0 without end", func(c *nodeConfig) *int { return &c.Expire }, func(*Service) int { return 1 << 31 }),
	choice("pubsub#access_model", "Who may subscribe and read", func(c *nodeConfig) *string { return &c.Access },
		accessOpen, accessPresence, accessRoster, accessAuthorize, accessWhitelist),
	list("pubsub#roster_groups_allowed", "Groups of the contact list that may read", func(c *nodeConfig) *[]string { return &c.Groups }),
	choice("pubsub#publish_model", "Who may publish", func(c *nodeConfig) *string { return &c.Publish },
		publishPublishers, publishSubscribers, publishOpen),
	truth("pubsub#purge_offline", "Remove a publisher's items when he goes offline", func(c *nodeConfig) *bool { return &c.PurgeOffline }),
	number("pubsub#max_payload_size", "Largest payload in bytes", func(c *nodeConfig) *int { return &c.MaxPayload }, func(s *Service) int { return s.cfg.MaxPayload }),
	choice("pubsub#send_last_published_item", "When the last item is sent", func(c *nodeConfig) *string { return &c.SendLast },
		lastNever, lastSub, lastPresence),
	truth("pubsub#presence_based_delivery", "Only tell who is online", func(c *nodeConfig) *bool { return &c.Presence }),
	choice("pubsub#notification_type", "Type of notices", func(c *nodeConfig) *string { return &c.Message }, stanza.Normal, stanza.Headline, stanza.Chat),
	itemReply,
	inCollection,
	{"pubsub#children_association_policy", "list-single", "Who may put nodes into this collection", []string{associateAll, associateOwners},
		func(c *nodeConfig) []string {
			if c.Associate == "" {
				return []string{associateOwners}
			}
			return []string{c.Associate}
		},
		func(c *nodeConfig, _ *Service, v []string) error {
			if len(v) != 1 || v[0] != associateAll && v[0] != associateOwners {
				return fmt.Errorf("pubsub#children_association_policy is neither all nor owners")
			}
			c.Associate = v[0]
			return nil
		}},
}

// inCollection names the collection a node is in; XEP-0060 has it as a list.
var inCollection = setting{"pubsub#collection", "text-multi", "The collection this node is in", nil,
	func(c *nodeConfig) []string {
		if c.Collection == "" {
			return nil
		}
		return []string{c.Collection}
	},
	func(c *nodeConfig, _ *Service, v []string) error {
		name := strings.Join(v, "")
		if len(v) > 1 || len(name) > maxName {
			return fmt.Errorf("a node is in one collection at most")
		}
		c.Collection = name
		return nil
	}}

// itemReply is written by XEP-0060 as who a reply goes to, owner or publisher.
var itemReply = setting{"pubsub#itemreply", "list-single", "Who hears replies to items", []string{"owner", "publisher"},
	func(c *nodeConfig) []string {
		if c.Publisher {
			return []string{"publisher"}
		}
		return []string{"owner"}
	},
	func(c *nodeConfig, _ *Service, v []string) error {
		if len(v) != 1 || v[0] != "owner" && v[0] != "publisher" {
			return fmt.Errorf("pubsub#itemreply is neither owner nor publisher")
		}
		c.Publisher = v[0] == "publisher"
		return nil
	}}

func settingNamed(name string) *setting {
	for i := range settings {
		if settings[i].name == name {
			return &settings[i]
		}
	}
	return nil
}

// form is the configuration as XEP-0060, 8.2.2 shows it.
func (c *nodeConfig) form(typ string) *dataform.Form {
	f := &dataform.Form{Type: typ, FormType: ns.NodeConfig}
	for _, x := range settings {
		f.Fields = append(f.Fields, dataform.Field{Var: x.name, Type: x.typ, Label: x.label, Values: x.get(c), Options: x.options})
	}
	f.Fields = append(f.Fields, dataform.Field{Var: "pubsub#node_type", Type: "list-single", Label: "Kind of node",
		Values: []string{c.nodeType()}, Options: []string{leaf, collection}})
	return f
}

// Kinds of nodes.
const (
	leaf       = "leaf"
	collection = "collection"
)

func (c *nodeConfig) nodeType() string {
	if c.Collects {
		return collection
	}
	return leaf
}

// apply takes submitted fields; unknown ones are left alone, as other services do.
func (s *Service) apply(c *nodeConfig, v dataform.Values) *stanza.Error {
	for name, values := range v {
		if name == "pubsub#node_type" {
			if len(values) != 1 || values[0] != leaf && values[0] != collection {
				return errConfig
			}
			c.Collects = values[0] == collection
		}
		x := settingNamed(name)
		if x == nil {
			continue
		}
		if err := x.set(c, s, values); err != nil {
			if name == "pubsub#access_model" {
				return errAccessModel
			}
			e := *errConfig
			e.Text = err.Error()
			return &e
		}
	}
	return nil
}

// meets says whether a node is configured as a publisher expects (XEP-0060, 7.1.5).
func (s *Service) meets(c nodeConfig, v dataform.Values) (bool, *stanza.Error) {
	want := c
	if e := s.apply(&want, v); e != nil {
		return false, e
	}
	for name := range v {
		if x := settingNamed(name); x != nil && !slices.Equal(x.get(&c), x.get(&want)) {
			return false, nil
		}
	}
	return true, nil
}
