package muc

import "testing"

// FuzzSearch reads what anybody may send to search for rooms.
func FuzzSearch(f *testing.F) {
	for _, s := range []string{
		`<search xmlns="urn:xmpp:channel-search:0:search"/>`,
		`<search xmlns="urn:xmpp:channel-search:0:search"><x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE"><value>urn:xmpp:channel-search:0:search-params</value></field><field var="q"><value>b</value></field><field var="sinname"><value>0</value></field></x><set xmlns="http://jabber.org/protocol/rsm"><max>1</max><after>b</after></set></search>`,
		`<search xmlns="urn:xmpp:channel-search:0:search"><x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE"><value>urn:xmpp:channel-search:0:search-params</value></field><field var="all"><value>1</value></field></x><set xmlns="http://jabber.org/protocol/rsm"><max>9999</max><index>2</index><before/></set></search>`,
	} {
		f.Add([]byte(s))
	}
	var all []found
	for _, a := range []string{"a", "b", "c"} {
		all = append(all, found{addr: a, listing: &listing{name: a}})
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if form, err := parseSubmission(raw); err == nil && form != nil {
			s, refused := readSearch(form)
			if refused == nil && len(s.words) == 0 {
				if on, _ := boolean(form.fields["all"][0]); !on {
					t.Error("nothing is looked for")
				}
			}
		}
		if p, ok := parsePage(raw); ok {
			page, first, there := p.searched(all)
			if there && (first < 0 || first+len(page) > len(all)) {
				t.Errorf("%d rooms from the place %d", len(page), first)
			}
		}
	})
}
