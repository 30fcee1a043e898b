package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"parley/internal/admin"
	meetweb "parley/meet-web"
	"parley/xmppd/account"
)

// commands are the verbs of the process: those of its parts, and ours about the
// whole.
func (in *instance) commands() []admin.Command {
	list := []admin.Command{
		{Name: "status", Help: "say which parts are up and how busy they are", Run: in.status},
		{Name: "about", Help: "say what is running", Run: in.about},
		{Name: "reload", Help: "take up a new certificate and log.level, and say which other settings wait for the next start", Run: in.reload},
	}
	// `parley ctl` runs this one itself; here it stands in the list of `help`.
	o := in.opts
	o.Data = string(in.data)
	list = append(list, checkCommand(o))
	for _, s := range in.services {
		list = append(list, s.commands...)
	}
	return list
}

func (in *instance) status(_ context.Context, _ []string, _ io.Reader, out io.Writer) error {
	fmt.Fprintf(out, "parley %s %s, up %s, domain %s\n", in.opts.form(), Version, time.Since(in.started).Round(time.Second), in.cfg.Domain)
	for _, s := range in.services {
		state := "up"
		select {
		case <-s.ended:
			state = "stopped"
		default:
			if s.ready != nil {
				select {
				case <-s.ready:
				default:
					state = "starting"
				}
			}
		}
		fmt.Fprintf(out, "  %-7s %-9s %s\n", s.part, state, joinWords(s.status()))
	}
	return nil
}

func (in *instance) about(_ context.Context, _ []string, _ io.Reader, out io.Writer) error {
	fmt.Fprintln(out, About())
	fmt.Fprintf(out, "data     %s\nsettings %s\n", in.data, orNone(in.opts.ConfigFile))
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "none, all defaults"
	}
	return s
}

// tokenCommands make links; they need the settings only.
func tokenCommands(cfg *Config) []admin.Command {
	const usage = "--room ROOM [--name NAME] [--moderator] [--ttl 24h]"
	return []admin.Command{
		{Name: "token new", Usage: usage, Help: "make a token that opens a room", Run: func(_ context.Context, args []string, _ io.Reader, out io.Writer) error {
			g, err := parseGrant("token new", args)
			if err != nil {
				return err
			}
			token, err := cfg.token(g, time.Now())
			if err == nil {
				fmt.Fprintln(out, token)
			}
			return err
		}},
		{Name: "link", Usage: usage, Help: "make links to a room, for this machine and for others", Run: func(_ context.Context, args []string, _ io.Reader, out io.Writer) error {
			g, err := parseGrant("link", args)
			if err != nil {
				return err
			}
			token, err := cfg.token(g, time.Now())
			if err != nil {
				return err
			}
			for _, base := range basesOf(cfg.Web.HTTPListen, cfg.Web.HTTPSListen).all() {
				fmt.Fprintln(out, roomLink(base, g.room, token))
			}
			return nil
		}},
	}
}

// parseGrant reads the words of a token command.
func parseGrant(verb string, args []string) (grant, error) {
	var g grant
	flags := flag.NewFlagSet(verb, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&g.room, "room", "", "")
	flags.StringVar(&g.name, "name", "", "")
	flags.BoolVar(&g.moderator, "moderator", false, "")
	g.life = linkLife
	flags.Func("ttl", "", func(text string) (err error) {
		if g.life, err = time.ParseDuration(text); err != nil {
			return errors.New("a duration needs its unit, as in 90m or 24h")
		}
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return grant{}, admin.Usagef("%s: %s", verb, strings.Replace(err.Error(), "flag -", "flag --", 1))
	}
	if flags.NArg() == 1 && g.room == "" { // `link ROOM` is what people try first
		g.room = flags.Arg(0)
	} else if flags.NArg() > 0 {
		return grant{}, admin.Usagef("%s: what is %q?", verb, flags.Arg(0))
	}
	g.room = strings.ToLower(g.room)
	switch {
	case g.room == "":
		return grant{}, admin.Usagef("%s: say which room, as in --room daily", verb)
	case strings.ContainsAny(g.room, `/"&'<>@:?# `), !meetweb.IsRoom(g.room):
		return grant{}, admin.Usagef("%s: %q cannot be the name of a room", verb, g.room)
	case g.life <= 0:
		return grant{}, admin.Usagef("%s: --ttl must be positive, as in 24h", verb)
	}
	return g, nil
}

// shortSecret is what an operator is warned of; the choice is his.
const shortSecret = 8

// accountCommands change accounts in the forms prosodyctl knows. open gives the
// accounts and what to do afterwards.
func accountCommands(open func(context.Context) (*account.Accounts, func(), error)) []admin.Command {
	// with wraps the common steps: who, which secret, open, do, say.
	with := func(wantSecret bool, done string, do func(context.Context, *account.Accounts, string, string, string) error) func(context.Context, []string, io.Reader, io.Writer) error {
		return func(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
			name, host, rest, err := parseAccount(args)
			if err != nil {
				return err
			}
			secret := ""
			if wantSecret {
				if secret, err = parseSecret(rest, in); err != nil {
					return err
				}
			} else if len(rest) > 0 {
				return admin.Usagef("what is %q?", rest[0])
			}
			accounts, end, err := open(ctx)
			if err != nil {
				return err
			}
			defer end()
			if err := do(ctx, accounts, name, host, secret); err != nil {
				return err
			}
			fmt.Fprintf(out, "%s@%s: %s\n", name, host, done)
			if wantSecret && utf8.RuneCountInString(secret) < shortSecret {
				fmt.Fprintf(out, "A secret of fewer than %d characters is soon guessed; `passwd %s@%s` gives it a longer one.\n", shortSecret, name, host)
			}
			return nil
		}
	}
	const note = "\nWithout SECRET it is asked for, or read from standard input. Others on this machine\ncan read the words of a command while it runs, so prefer that."
	register := with(true, "registered", func(ctx context.Context, a *account.Accounts, name, host, secret string) error {
		return a.Register(ctx, name, host, secret)
	})
	remove := with(false, "removed", func(ctx context.Context, a *account.Accounts, name, host, _ string) error {
		return a.Delete(ctx, name, host)
	})
	return []admin.Command{
		{Name: "register", Usage: "USER HOST [SECRET]", Help: "make an account, or give it a new secret" + note, Run: register},
		{Name: "adduser", Usage: "USER@HOST [SECRET]", Help: "make an account that does not exist yet" + note,
			Run: with(true, "registered", func(ctx context.Context, a *account.Accounts, name, host, secret string) error {
				return a.Create(ctx, name, host, secret)
			})},
		{Name: "passwd", Usage: "USER@HOST [SECRET]", Help: "give an account a new secret" + note,
			Run: with(true, "has a new secret", func(ctx context.Context, a *account.Accounts, name, host, secret string) error {
				return a.SetPassword(ctx, name, host, secret)
			})},
		{Name: "deluser", Usage: "USER@HOST", Help: "remove an account", Run: remove},
		{Name: "unregister", Usage: "USER HOST", Help: "remove an account", Run: remove},
		{Name: "users", Usage: "[HOST]", Help: "list the accounts", Run: func(ctx context.Context, args []string, _ io.Reader, out io.Writer) error {
			return listAccounts(ctx, open, args, out)
		}},
	}
}

func listAccounts(ctx context.Context, open func(context.Context) (*account.Accounts, func(), error), args []string, out io.Writer) error {
	if len(args) > 1 {
		return admin.Usagef("what is %q?", args[1])
	}
	accounts, end, err := open(ctx)
	if err != nil {
		return err
	}
	defer end()
	list, err := accounts.List(ctx, strings.Join(args, ""))
	if err != nil {
		return err
	}
	for _, a := range list {
		note := ""
		if a.Managed {
			note = "   (follows the settings)"
		}
		fmt.Fprintln(out, a.String()+note)
	}
	return nil
}

// parseAccount reads USER HOST or USER@HOST.
func parseAccount(args []string) (name, host string, rest []string, err error) {
	if len(args) > 0 && strings.Contains(args[0], "@") {
		name, host, _ = strings.Cut(args[0], "@")
		rest = args[1:]
	} else if len(args) > 1 {
		name, host, rest = args[0], args[1], args[2:]
	}
	if name == "" || host == "" || strings.ContainsAny(host, "@/") {
		return "", "", nil, admin.Usagef("say which account, as in alice meet.localhost or alice@meet.localhost")
	}
	return name, host, rest, nil
}

func parseSecret(rest []string, in io.Reader) (string, error) {
	switch len(rest) {
	case 1:
		return rest[0], nil
	case 0:
		text, err := io.ReadAll(in)
		if err != nil {
			return "", err
		}
		if len(text) == 0 {
			return "", admin.Usagef("no secret was given")
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	return "", admin.Usagef("there are words after the secret; one with spaces needs quotes") // which is not repeated here
}
