// Package dataform reads and writes data forms (XEP-0004, XEP-0068) and pages of
// result sets (XEP-0059), as the services of accounts use them.
//
// Both are plain values. What a field means is the business of who asks for it;
// rooms have forms of their own (xmppd/muc).
package dataform

import (
	"errors"
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// Field is one field of a form.
type Field struct {
	Var, Type, Label string
	Values           []string
	Options          []string // of a list
}

// Form is a form as the server writes it.
type Form struct {
	Type, FormType string // "form" or "result"; value of FORM_TYPE
	Fields         []Field
}

// Add appends a field.
func (f *Form) Add(name, typ, label string, values ...string) *Form {
	f.Fields = append(f.Fields, Field{Var: name, Type: typ, Label: label, Values: values})
	return f
}

// Append writes the form.
func (f *Form) Append(b *stanza.Builder) {
	b.Start(ns.Data, "x", "type", f.Type)
	b.Start("", "field", "type", "hidden", "var", "FORM_TYPE").Leaf("", "value", f.FormType).End()
	for _, x := range f.Fields {
		typ, label := x.Type, x.Label
		if f.Type == "submit" {
			typ, label = "", ""
		}
		b.Start("", "field", "type", typ, "label", label, "var", x.Var)
		for _, v := range x.Values {
			if v != "" || len(x.Values) > 1 {
				b.Leaf("", "value", v)
			}
		}
		if f.Type == "form" {
			for _, o := range x.Options {
				b.Start("", "option", "label", o).Leaf("", "value", o).End()
			}
		}
		b.End()
	}
	b.End()
}

// Bounds of a submitted form.
const (
	maxFields = 128
	maxValues = 1024
	maxBytes  = 64 << 10
)

// Errors of submitted forms.
var (
	ErrTooLarge = errors.New("the form is too large")
	ErrType     = errors.New("the form is of another type")
)

// XML is a form inside a struct that encoding/xml reads; its tag is
// `xml:"jabber:x:data x"`.
type XML struct {
	Type   string `xml:"type,attr"`
	Fields []struct {
		Var    string   `xml:"var,attr"`
		Values []string `xml:"value"`
	} `xml:"field"`
}

// Cancelled says that a form is there and was cancelled.
func (x *XML) Cancelled() bool { return x != nil && x.Type == "cancel" }

// Read bounds a submitted form. One without FORM_TYPE is taken as of any type,
// since many clients forget it; formType is what it must be otherwise. A nil form
// has no fields.
func (x *XML) Read(formType string) (Values, error) {
	if x == nil {
		return nil, nil
	}
	if x.Type != "submit" && x.Type != "" && x.Type != "form" && x.Type != "result" {
		return nil, ErrType
	}
	if len(x.Fields) > maxFields {
		return nil, ErrTooLarge
	}
	v := make(Values, len(x.Fields))
	size := 0
	for _, f := range x.Fields {
		for _, s := range f.Values {
			size += len(s)
		}
		if size > maxBytes || len(f.Values) > maxValues {
			return nil, ErrTooLarge
		}
		if f.Var == "FORM_TYPE" {
			if len(f.Values) != 1 || f.Values[0] != formType {
				return nil, ErrType
			}
			continue
		}
		if f.Var != "" {
			v[f.Var] = f.Values
		}
	}
	return v, nil
}

// Values are the fields of a submitted form.
type Values map[string][]string

// Text is a field's text, the lines of one with several values joined.
func (v Values) Text(name string) (text string, ok bool) {
	list, ok := v[name]
	return strings.Join(list, "\n"), ok
}

// Bool reads a truth value.
func Bool(text string) (value, valid bool) {
	switch strings.TrimSpace(text) {
	case "1", "true":
		return true, true
	case "0", "false", "":
		return false, true
	}
	return false, false
}
