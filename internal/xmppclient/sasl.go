package xmppclient

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xdg-go/scram"

	"parley/internal/wire/ns"
)

// mechanism is one SASL exchange as the client sees it. step gets the server's words
// ("" at first) and returns ours.
type mechanism struct {
	name string
	step func(challenge string) (string, error)
	// verified says whether the server has proved that it knows the password too, once it
	// reports success.
	verified func() bool
}

// authenticate tries the best mechanism both sides know.
func (n *negotiation) authenticate(offered []string) error {
	m, err := n.choose(offered)
	if err != nil {
		return err
	}
	first, err := m.step("")
	if err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	if err := n.say("auth", ` mechanism="`+m.name+`"`, first); err != nil {
		return err
	}
	for {
		st, err := n.next()
		if err != nil {
			return err
		}
		done, err := n.answer(m, st)
		if done || err != nil {
			return err
		}
	}
}

// answer deals with one element of the server's.
func (n *negotiation) answer(m *mechanism, st *Stanza) (done bool, err error) {
	switch st.Name {
	case "challenge":
		words, err := saslText(st)
		if err != nil {
			return false, err
		}
		reply, err := m.step(words)
		if err != nil {
			return false, fmt.Errorf("%s: %w", m.name, err)
		}
		return false, n.say("response", "", reply)
	case "success":
		words, err := saslText(st)
		if err != nil {
			return false, err
		}
		if words != "" && !m.verified() {
			if _, err := m.step(words); err != nil {
				return false, fmt.Errorf("%s: %w", m.name, err)
			}
		}
		if !m.verified() {
			return false, fmt.Errorf("%s: the server did not prove that it knows the password", m.name)
		}
		return true, nil
	case "failure":
		return false, saslFailure(st)
	}
	return false, fmt.Errorf("<%s/> during log-in", st.Name)
}

// choose prefers SCRAM-SHA-256 over SCRAM-SHA-1 over PLAIN; the last only where nobody
// can listen.
func (n *negotiation) choose(offered []string) (*mechanism, error) {
	user, password := n.c.cfg.Username, n.c.cfg.Password
	for _, s := range []struct {
		name string
		hash scram.HashGeneratorFcn
	}{{"SCRAM-SHA-256", scram.SHA256}, {"SCRAM-SHA-1", scram.SHA1}} {
		if !slices.Contains(offered, s.name) {
			continue
		}
		cl, err := s.hash.NewClient(user, password, "")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		conv := cl.NewConversation()
		return &mechanism{name: s.name, step: conv.Step, verified: conv.Valid}, nil
	}
	if slices.Contains(offered, "PLAIN") && n.secure {
		return &mechanism{
			name:     "PLAIN",
			step:     func(string) (string, error) { return "\x00" + user + "\x00" + password, nil },
			verified: func() bool { return true },
		}, nil
	}
	return nil, fmt.Errorf("no common way to log in: the server offers %s", strings.Join(offered, ", "))
}

func (n *negotiation) say(element, attrs, words string) error {
	text := base64.StdEncoding.EncodeToString([]byte(words))
	if text == "" && element == "auth" {
		text = "=" // RFC 6120 §6.4.2: an empty initial response
	}
	_, err := fmt.Fprintf(n.conn, `<%s xmlns="%s"%s>%s</%s>`, element, ns.SASL, attrs, text, element)
	return err
}

func saslText(st *Stanza) (string, error) {
	var v struct {
		Text string `xml:",chardata"`
	}
	if err := st.Decode(&v); err != nil {
		return "", err
	}
	text := strings.TrimSpace(v.Text)
	if text == "=" {
		return "", nil
	}
	words, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", errors.New("log-in: the server's words are not base64")
	}
	return string(words), nil
}

func saslFailure(st *Stanza) error {
	var v struct {
		Text string `xml:"text"`
		Any  []struct {
			XMLName xml.Name
		} `xml:",any"`
	}
	if err := st.Decode(&v); err != nil {
		return err
	}
	cond := "unknown"
	if len(v.Any) > 0 {
		cond = v.Any[0].XMLName.Local
	}
	err := fmt.Errorf("log-in refused: %s", cond)
	if v.Text != "" {
		err = fmt.Errorf("log-in refused: %s: %s", cond, v.Text)
	}
	if cond == "not-authorized" || cond == "credentials-expired" || cond == "account-disabled" {
		return errors.Join(ErrCredentials, err)
	}
	return err
}
