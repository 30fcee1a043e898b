package muc

import (
	"encoding/xml"
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/stanza"
)

// Field is one field of a data form (XEP-0004) as the room writes it.
type Field struct {
	Var, Type, Label string
	Values           []string
	Options          []Option
	Required         bool
}

// Option is a choice of a list field.
type Option struct{ Label, Value string }

// Form collects the fields of a configuration or information form.
type Form struct {
	Type, FormType      string // "form" or "result"; value of FORM_TYPE
	Title, Instructions string
	Fields              []Field
}

// Add appends a text field.
func (f *Form) Add(name, typ, label string, values ...string) {
	f.Fields = append(f.Fields, Field{Var: name, Type: typ, Label: label, Values: values})
}

// AddBool appends a boolean field.
func (f *Form) AddBool(name, label string, on bool) {
	v := "0"
	if on {
		v = "1"
	}
	f.Add(name, "boolean", label, v)
}

// write puts the form into b.
func (f *Form) write(b *stanza.Builder) {
	b.Start(ns.Data, "x", "type", f.Type)
	if f.Title != "" {
		b.Leaf("", "title", f.Title)
	}
	if f.Instructions != "" {
		b.Leaf("", "instructions", f.Instructions)
	}
	b.Start("", "field", "type", "hidden", "var", "FORM_TYPE").Leaf("", "value", f.FormType).End()
	for _, fd := range f.Fields {
		b.Start("", "field", "type", fd.Type, "label", fd.Label, "var", fd.Var)
		if fd.Required {
			b.Empty("", "required")
		}
		for _, v := range fd.Values {
			b.Leaf("", "value", v)
		}
		for _, o := range fd.Options {
			b.Start("", "option", "label", o.Label).Leaf("", "value", o.Value).End()
		}
		b.End()
	}
	b.End()
}

// Bounds of a submitted form: more is a bad request.
const (
	maxFormFields = 128
	maxFormValue  = 16 << 10
)

// submission is a submitted form, decoded and bounded. Only the first value of a
// field counts, as every field the room acts on is single.
type submission struct {
	typ      string
	formType string
	fields   map[string][]string
}

type formXML struct {
	Type   string `xml:"type,attr"`
	Fields []struct {
		Var    string   `xml:"var,attr"`
		Values []string `xml:"value"`
	} `xml:"field"`
}

// parseSubmission reads the form inside an owner query. A query without a form
// gives nil.
func parseSubmission(query []byte) (*submission, *stanza.Error) {
	var q struct {
		XMLName xml.Name
		Forms   []formXML `xml:"jabber:x:data x"`
	}
	if err := stanza.Decode(query, &q); err != nil {
		return nil, stanza.Err(stanza.Modify, stanza.BadRequest, "The form cannot be read")
	}
	if len(q.Forms) == 0 {
		return nil, nil
	}
	return q.Forms[0].submission()
}

// parseForm reads a form that stands by itself.
func parseForm(x []byte) (*submission, *stanza.Error) {
	var form formXML
	if err := stanza.Decode(x, &form); err != nil {
		return nil, stanza.Err(stanza.Modify, stanza.BadRequest, "The form cannot be read")
	}
	return form.submission()
}

func (form *formXML) submission() (*submission, *stanza.Error) {
	if len(form.Fields) > maxFormFields {
		return nil, stanza.Err(stanza.Modify, stanza.BadRequest, "The form has too many fields")
	}
	s := &submission{typ: form.Type, fields: make(map[string][]string, len(form.Fields))}
	for _, f := range form.Fields {
		size := 0
		for _, v := range f.Values {
			size += len(v)
		}
		if size > maxFormValue || len(f.Values) > maxFormFields {
			return nil, stanza.Err(stanza.Modify, stanza.BadRequest, "A field of the form is too long")
		}
		switch {
		case f.Var == "FORM_TYPE" && len(f.Values) > 0:
			s.formType = f.Values[0]
		case f.Var != "":
			s.fields[f.Var] = f.Values
		}
	}
	return s, nil
}

// text is the value of a field; ok is false when the form does not have it. A
// field without value is the empty text.
func (s *submission) text(name string) (v string, ok bool) {
	values, ok := s.fields[name]
	if !ok {
		return "", false
	}
	return strings.Join(values, "\n"), true
}

// values are those of a field, usual if the form does not have it or leaves it empty.
func (s *submission) values(name string, usual ...string) []string {
	if v := s.fields[name]; len(v) > 0 {
		return v
	}
	return usual
}

// boolean reads a field as XEP-0004 writes truth.
func boolean(v string) (value, valid bool) {
	switch strings.TrimSpace(v) {
	case "1", "true":
		return true, true
	case "0", "false", "":
		return false, true
	}
	return false, false
}
