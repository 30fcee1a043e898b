// Package admin carries an operator's words to a running service and its answer back.
//
// A service describes each verb it understands as a [Command]; the assembly
// collects them into one [Table] and serves that on a unix socket. The client
// half ([Call]) is what `parley ctl` uses, so both sides share one table of words.
//
// On the wire a connection is one call: a JSON line with the words and, for
// secrets that must not be arguments, their input; then JSON lines with output,
// the last of which says how it ended. Every line is bounded. The socket has
// mode 0600 and only the same user or root is listened to.
//
// What the verbs do is the business of the services; this package knows none.
package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
)

// Bounds of one call.
const (
	maxRequest = 256 << 10 // words and input together, as JSON
	maxWords   = 64
	maxChunk   = 16 << 10 // output carried by one line
	maxLine    = 256 << 10
)

// Command is one verb of the operator's language.
type Command struct {
	Name  string // one or more words: "rooms", "token new"
	Usage string // what follows the name: "USER HOST [SECRET]"
	Help  string // one line for the list; further lines are shown by `help NAME`
	// Hidden leaves it out of the list: a word that is understood only to say what to do
	// instead.
	Hidden bool

	// Run does the work. args are the words after the name; in is what the
	// operator typed or piped in (often a secret), bounded and complete; what is
	// written to out reaches the operator at once. ctx ends when the operator
	// gives up or the service stops. Of an error the operator sees the text.
	Run func(ctx context.Context, args []string, in io.Reader, out io.Writer) error
}

// Errors a caller may want to tell apart; see [Kind].
var (
	// ErrUsage marks a call with the wrong words; wrap it with what was wrong.
	ErrUsage = errors.New("wrong usage")
	// ErrUnknown marks a verb no part of the service knows.
	ErrUnknown = errors.New("unknown command")
	// ErrProblems is what a check returns that found something; its output says what.
	ErrProblems = errors.New("problems found, see above")
	// ErrNotRunning is what [Call] returns when nothing answers at the socket.
	ErrNotRunning = errors.New("nothing is running here")
)

// Usagef makes an error that is an [ErrUsage] and reads as the given sentence.
func Usagef(format string, args ...any) error {
	return &kindError{kind: ErrUsage, text: fmt.Sprintf(format, args...)}
}

// kindError reads as text and is kind.
type kindError struct {
	kind error
	text string
}

func (e *kindError) Error() string { return e.text }
func (e *kindError) Unwrap() error { return e.kind }

// Table is the set of verbs one socket understands. It does not change after [NewTable].
type Table struct {
	byName map[string]Command
	names  []string // sorted
	words  int      // most words in a name
}

// NewTable gathers commands; a name given twice, or one that is empty, is an error.
func NewTable(commands ...Command) (*Table, error) {
	t := &Table{byName: make(map[string]Command, len(commands))}
	for _, c := range commands {
		words := strings.Fields(c.Name)
		name := strings.Join(words, " ")
		switch {
		case name == "" || c.Run == nil:
			return nil, fmt.Errorf("command %q has no name or no function", c.Name)
		case t.has(name):
			return nil, fmt.Errorf("command %q is defined twice", name)
		}
		c.Name = name
		t.byName[name] = c
		t.names = append(t.names, name)
		t.words = max(t.words, len(words))
	}
	sort.Strings(t.names)
	return t, nil
}

func (t *Table) has(name string) bool { _, ok := t.byName[name]; return ok }

// Commands lists the verbs by name.
func (t *Table) Commands() []Command {
	list := make([]Command, 0, len(t.names))
	for _, n := range t.names {
		list = append(list, t.byName[n])
	}
	return list
}

// Lookup finds the longest name the words begin with and returns the words after it.
func (t *Table) Lookup(words []string) (Command, []string, bool) {
	for n := min(t.words, len(words)); n > 0; n-- {
		if c, ok := t.byName[strings.Join(words[:n], " ")]; ok {
			return c, words[n:], true
		}
	}
	return Command{}, nil, false
}

// Run looks the words up and runs what they name. `help` and `help NAME` are
// understood by every table.
func (t *Table) Run(ctx context.Context, words []string, in io.Reader, out io.Writer) error {
	if c, args, ok := t.Lookup(words); ok {
		return c.Run(ctx, args, in, out)
	}
	if len(words) > 0 && words[0] == "help" {
		return t.help(words[1:], out)
	}
	if len(words) == 0 {
		return &kindError{ErrUnknown, "a command is missing; `help` lists them"}
	}
	if group := t.group(words[:1]); len(group) > 0 {
		more := make([]string, len(group))
		for i, c := range group {
			more[i] = strings.TrimPrefix(c.Name, words[0]+" ")
		}
		return Usagef("after %q comes one of %s; `help %s` explains them", words[0], strings.Join(more, ", "), words[0])
	}
	return &kindError{ErrUnknown, fmt.Sprintf("there is no command %q; `help` lists them", words[0])}
}

// group are the commands whose names begin with the words and go on.
func (t *Table) group(words []string) (list []Command) {
	prefix := strings.Join(words, " ") + " "
	for _, c := range t.Commands() {
		if strings.HasPrefix(c.Name, prefix) {
			list = append(list, c)
		}
	}
	return list
}

// helpColumn is where the explanations begin.
const helpColumn = 36

func (t *Table) help(words []string, out io.Writer) error {
	if len(words) > 0 {
		c, _, ok := t.Lookup(words)
		if group := t.group(words); !ok && len(group) > 0 {
			return list(group, out)
		}
		if !ok {
			return &kindError{ErrUnknown, fmt.Sprintf("there is no command %q; `help` lists them", strings.Join(words, " "))}
		}
		_, err := fmt.Fprintf(out, "%s %s\n%s\n", c.Name, c.Usage, c.Help)
		return err
	}
	return list(slices.DeleteFunc(t.Commands(), func(c Command) bool { return c.Hidden }), out)
}

// list writes a line or two about each command.
func list(commands []Command, out io.Writer) error {
	for _, c := range commands {
		line, _, _ := strings.Cut(c.Help, "\n")
		words := strings.TrimSpace(c.Name + " " + c.Usage)
		if len(words) > helpColumn-2 {
			words += "\n" + strings.Repeat(" ", helpColumn)
		}
		if _, err := fmt.Fprintf(out, "%-*s%s\n", helpColumn, words, line); err != nil {
			return err
		}
	}
	return nil
}
