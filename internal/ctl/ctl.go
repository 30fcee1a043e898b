// Package ctl is the operator's side of `parley ctl`: it finds a running parley,
// hands it the words, and shows the answer.
//
// Verbs belong to the services, which answer on the control sockets of
// internal/admin; verbs that work on files alone come as a table from the
// assembly and run here when nothing answers. Secrets that were left out are
// asked for on the terminal or read from standard input.
//
// Exit codes are those of prosodyctl: 0 done, 1 refused or wrong words, 2
// nothing is running or problems were found.
package ctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"parley/internal/admin"
)

// Exit codes.
const (
	ExitDone       = 0
	ExitRefused    = 1
	ExitNotRunning = 2
)

// Options are what the door hands in.
type Options struct {
	Sockets []string     // where a running parley may answer, best first
	Data    string       // the data directory, for messages
	Offline *admin.Table // verbs that work while nothing runs; nil means none
	Local   []string     // verbs of Offline that are run here in any case
	Each    []string     // verbs every running part answers for itself

	Stdin          *os.File
	Stdout, Stderr io.Writer
}

// takesSecret names the verbs that end in a secret: `register USER HOST [SECRET]`,
// `passwd JID [SECRET]`.
var takesSecret = map[string]bool{"register": true, "adduser": true, "passwd": true}

// Run does what args ask for and returns the exit code.
func Run(ctx context.Context, args []string, o Options) int {
	if len(args) == 0 {
		args = []string{"help"}
	}
	if slices.ContainsFunc(args, func(w string) bool { return w == "--help" || w == "-h" }) {
		args = helpOn(args)
	}
	input, err := secret(args, o)
	if err == nil {
		err = call(ctx, args, input, o)
	}
	switch {
	case err == nil:
		return ExitDone
	case errors.Is(err, admin.ErrProblems):
		fmt.Fprintln(o.Stderr, err)
		return ExitNotRunning
	case errors.Is(err, admin.ErrNotRunning):
		fmt.Fprintf(o.Stderr, "%q needs a running parley, and none runs with its data in %s; start it (parley serve --data %s), name another directory with --data, or see `parley ctl help` for what works without\n",
			args[0], o.Data, o.Data)
		return ExitNotRunning
	}
	fmt.Fprintf(o.Stderr, "parley ctl: %v\n", err)
	if errors.Is(err, admin.ErrUsage) {
		usage(args, o)
	}
	return ExitRefused
}

// helpOn makes `link --help` the question it is.
func helpOn(args []string) []string {
	words := []string{"help"}
	for _, w := range args {
		if strings.HasPrefix(w, "-") {
			break
		}
		words = append(words, w)
	}
	return words
}

// call runs the words where they are understood: in a running parley, else here.
func call(ctx context.Context, args []string, input string, o Options) error {
	here := func() error {
		return o.Offline.Run(ctx, args, strings.NewReader(input), o.Stdout)
	}
	if slices.Contains(o.Local, args[0]) {
		return here()
	}
	running, answered, apart := false, false, false
	var refused error
	for i, socket := range o.Sockets {
		err := admin.Call(ctx, socket, args, input, o.Stdout)
		switch {
		case errors.Is(err, admin.ErrNotRunning):
			continue
		case errors.Is(err, admin.ErrUnknown): // perhaps another part knows
			running, refused = true, err
			apart = apart || i > 0 // the first socket is that of all parts together
		case err == nil && slices.Contains(o.Each, args[0]):
			answered = true
		default:
			return err
		}
	}
	if answered {
		return nil
	}
	if o.Offline != nil {
		if _, _, known := o.Offline.Lookup(args); known || args[0] == "help" && len(args) > 1 {
			return here()
		} else if args[0] == "help" {
			fmt.Fprintf(o.Stdout, "No parley runs with its data in %s. These work without; once it runs\n(parley serve --data %s), there are more.\n\n", o.Data, o.Data)
			return here()
		}
	}
	if apart {
		return fmt.Errorf("no part that runs now knows %q; `parley ctl status` says which run, `parley ctl help` what can be said", args[0])
	}
	if running {
		return refused
	}
	return admin.ErrNotRunning
}

func usage(args []string, o Options) {
	if o.Offline == nil {
		return
	}
	if c, _, ok := o.Offline.Lookup(args); ok {
		fmt.Fprintf(o.Stderr, "usage: parley ctl %s %s\n", c.Name, c.Usage)
	}
}

// secret gets what was not given as a word: from the terminal, twice and unseen,
// or from standard input, one line or the same line twice.
func secret(args []string, o Options) (string, error) {
	if !takesSecret[args[0]] || o.Stdin == nil {
		return "", nil
	}
	words := args[1:]
	if len(words) == 0 {
		return "", nil
	}
	named := 2 // words that name the account
	if strings.Contains(words[0], "@") {
		named = 1
	}
	if len(words) != named { // the secret is there, or the account is not
		return "", nil
	}
	if term.IsTerminal(int(o.Stdin.Fd())) {
		return askTwice(o)
	}
	return readPiped(o.Stdin)
}

func askTwice(o Options) (string, error) {
	ask := func(prompt string) (string, error) {
		fmt.Fprint(o.Stderr, prompt)
		text, err := term.ReadPassword(int(o.Stdin.Fd()))
		fmt.Fprintln(o.Stderr)
		return string(text), err
	}
	first, err := ask("New secret: ")
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	again, err := ask("The same again: ")
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	if first != again {
		return "", errors.New("the two secrets differ; nothing was changed")
	}
	return first, nil
}

const maxSecret = 4 << 10

func readPiped(r io.Reader) (string, error) {
	lines := bufio.NewScanner(io.LimitReader(r, maxSecret))
	var got []string
	for lines.Scan() && len(got) < 2 {
		got = append(got, lines.Text())
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	switch {
	case len(got) == 0 || got[0] == "":
		return "", errors.New("no secret was given: say it as the last word, or write it to standard input")
	case len(got) == 2 && got[1] != "" && got[1] != got[0]:
		return "", errors.New("the two secrets differ; nothing was changed")
	}
	return got[0], nil
}
