package e2e

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/internal/app"
)

// A play is a text of statements, one per line; lines that begin with # are comments,
// indented lines belong to the statement above them.
//
//	setting KEY: VALUE            of the server this play is performed on, dots in KEY; {web}
//	                              stands for the server of the line below
//	web METHOD PATH: STATUS TEXT  what another server says that Parley asks; {key} is the
//	                              public key of tokens with a kid
//	account NAME@HOST PASSWORD    there before the server starts
//	only PARTS                    the parts that run; all unless said
//	person NAME [CLAIM=VALUE …]   a web client and its token, see token_test.go;
//	                              lacks=A,B are features it does not announce, host=H is
//	                              where it logs in, account=A password=P with what;
//	                              via=bosh, or via=component secret=S for a service
//	NAME shows [CLAIM=VALUE …]    another token from now on
//	NAME connects                 log-in over WebSocket, as web clients do it
//	NAME is refused               the log-in fails; the block is the failure
//	NAME sends                    the block's elements, each in a frame of its own
//	NAME receives                 stanzas that match the block's elements, in any order
//	NAME receives nothing else    all that came has been named
//	NAME ignores                  stanzas that match the block may come at any time
//	NAME disconnects              politely
//	NAME loses the connection     without a word
//	NAME resumes                  the session, on a new connection (XEP-0198)
//	NAME is too late              for that; the block is the failure
//	include FILE                  the statements of another file, beside this one
//
// In blocks {x} stands for a text: in what is received the first {x} takes what is there
// and all later ones must be equal to it; {_} is any text. Known from the start: {domain},
// {room} (a room of this run), and after NAME connects {NAME.jid}, {NAME.bare}, {NAME.nick}.
// JSON is compared as such; "{_}" is any value in it. A received element must have exactly the children and attributes of the pattern, but for
// id, xml:lang and xmlns, unless the pattern says play:more="why". A child with
// play:optional="why" may be missing.
type play struct {
	name       string
	statements []statement
	needs      needs
}

// needs is what a play wants of its server; zero for any server.
type needs struct {
	settings [][2]string       // key and value
	accounts [][2]string       // address and password
	web      map[string]string // method and path, to status and text
	parts    []app.Part
}

func (n needs) any() bool { return len(n.settings)+len(n.accounts)+len(n.web)+len(n.parts) == 0 }

type statement struct {
	where string // file:line
	who   string
	verb  string
	args  map[string]string
	block []*element
}

var (
	personLine = regexp.MustCompile(`^person (\w+)((?: [\w.-]+=(?:"[^"]*"|\S*))*)$`)
	showsLine  = regexp.MustCompile(`^(\w+) shows((?: [\w.-]+=(?:"[^"]*"|\S*))+)$`)
	actLine    = regexp.MustCompile(`^(\w+) (connects|is refused|sends|receives|receives nothing else|ignores|disconnects|loses the connection|resumes|is too late)$`)
	setLine    = regexp.MustCompile(`^setting ([\w.]+): (.+)$`)
	webLine    = regexp.MustCompile(`^web ([A-Z]+ \S+): (\d{3} ?.*)$`)
	haveLine   = regexp.MustCompile(`^account (\S+@\S+) (\S+)$`)
	onlyLine   = regexp.MustCompile(`^only ([a-z ]+)$`)
	includeRef = regexp.MustCompile(`^include ([\w./-]+)$`)
	argument   = regexp.MustCompile(`([\w.-]+)=("[^"]*"|\S*)`)
)

var verbsWithBlock = map[string]bool{"is refused": true, "is too late": true, "sends": true, "receives": true, "ignores": true}

func parsePlay(name, text string) (*play, error) {
	p := &play{name: name}
	var block strings.Builder
	current := -1 // the statement whose block is read
	finish := func() error {
		if current < 0 {
			return nil
		}
		s := &p.statements[current]
		current = -1
		elements, err := parseElements(block.String())
		block.Reset()
		if err != nil {
			return fmt.Errorf("%s: %w", s.where, err)
		}
		if verbsWithBlock[s.verb] != (len(elements) > 0) {
			return fmt.Errorf("%s: %q with %d elements", s.where, s.verb, len(elements))
		}
		s.block = elements
		return nil
	}
	sc := bufio.NewScanner(strings.NewReader(text))
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimRight(sc.Text(), " \t")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			block.WriteString(line + "\n")
			continue
		}
		if err := finish(); err != nil {
			return nil, err
		}
		if m := includeRef.FindStringSubmatch(line); m != nil {
			part, err := readPlay(filepath.Join(filepath.Dir(name), m[1]))
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, n, err)
			}
			p.statements = append(p.statements, part.statements...)
			if p.needs.any() {
				p.needs = part.needs
			}
			continue
		}
		if p.needs.parse(line) {
			continue
		}
		s, err := parseStatement(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		s.where = fmt.Sprintf("%s:%d", name, n)
		p.statements = append(p.statements, s)
		current = len(p.statements) - 1
	}
	return p, finish()
}

func readPlay(file string) (*play, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parsePlay(file, string(text))
}

// parse takes a line about the server.
func (n *needs) parse(line string) bool {
	switch {
	case setLine.MatchString(line):
		m := setLine.FindStringSubmatch(line)
		n.settings = append(n.settings, [2]string{m[1], m[2]})
	case haveLine.MatchString(line):
		m := haveLine.FindStringSubmatch(line)
		n.accounts = append(n.accounts, [2]string{m[1], m[2]})
	case webLine.MatchString(line):
		if n.web == nil {
			n.web = map[string]string{}
		}
		m := webLine.FindStringSubmatch(line)
		n.web[m[1]] = m[2]
	case onlyLine.MatchString(line):
		for _, p := range strings.Fields(onlyLine.FindStringSubmatch(line)[1]) {
			n.parts = append(n.parts, app.Part(p))
		}
	default:
		return false
	}
	return true
}

func parseStatement(line string) (statement, error) {
	if m := personLine.FindStringSubmatch(line); m != nil {
		return statement{who: m[1], verb: "person", args: arguments(m[2])}, nil
	}
	if m := showsLine.FindStringSubmatch(line); m != nil {
		return statement{who: m[1], verb: "shows", args: arguments(m[2])}, nil
	}
	if m := actLine.FindStringSubmatch(line); m != nil {
		return statement{who: m[1], verb: m[2]}, nil
	}
	return statement{}, fmt.Errorf("not a statement: %s", line)
}

func arguments(text string) map[string]string {
	args := map[string]string{}
	for _, a := range argument.FindAllStringSubmatch(text, -1) {
		args[a[1]] = strings.Trim(a[2], `"`)
	}
	return args
}

// stageTime bounds how long a statement may wait. It is long for the sake of slow
// machines; a statement that is answered takes milliseconds.
const stageTime = 30 * time.Second

// stage performs a play.
type stage struct {
	t      *testing.T
	server server
	vars   vars
	actors map[string]*actor
}

func (p *play) perform(t *testing.T, srv server) *stage {
	t.Helper()
	st := &stage{t: t, server: srv, actors: map[string]*actor{}, vars: vars{
		"domain": srv.domain, "roomname": uniqueRoom(), "_": "",
	}}
	st.vars["room"] = st.vars["roomname"] + "@conference." + srv.domain
	t.Cleanup(func() {
		for _, a := range st.actors {
			a.hangUp()
		}
	})
	st.perform(p)
	return st
}

func (st *stage) perform(p *play) {
	st.t.Helper()
	for _, s := range p.statements {
		if err := st.act(s); err != nil {
			st.t.Fatalf("%s: %s %s: %v", s.where, s.who, s.verb, err)
		}
	}
}

func (st *stage) act(s statement) error {
	if s.verb == "person" {
		st.actors[s.who] = newActor(s.who, s.args)
		return nil
	}
	a := st.actors[s.who]
	if a == nil {
		return fmt.Errorf("nobody is called %s", s.who)
	}
	if s.verb == "shows" {
		a.claims = s.args
		return nil
	}
	verbs := map[string]func(*actor, []*element) error{
		"connects":              st.connects,
		"is refused":            st.isRefused,
		"sends":                 st.sends,
		"receives":              st.receives,
		"receives nothing else": st.receivesNothingElse,
		"ignores":               st.ignores,
		"disconnects":           func(a *actor, _ []*element) error { return a.disconnect() },
		"loses the connection":  func(a *actor, _ []*element) error { return a.loseConnection() },
		"is too late":           st.isTooLate,
		"resumes":               func(a *actor, _ []*element) error { return a.takeUp(st.server, st.vars) },
	}
	return verbs[s.verb](a, s.block)
}

func (st *stage) connects(a *actor, _ []*element) error {
	failure, err := a.connect(st.server, st.vars)
	if failure != nil {
		return fmt.Errorf("log-in refused: %s", failure)
	}
	if err != nil {
		return err
	}
	st.know(a)
	return nil
}

// know makes the addresses of somebody who is logged in known.
func (st *stage) know(a *actor) {
	st.vars[a.name+".jid"] = a.jid
	st.vars[a.name+".bare"], _, _ = strings.Cut(a.jid, "/")
	st.vars[a.name+".nick"], _, _ = strings.Cut(a.jid, "-") // as web clients do
	if a.claims["account"] != "" {
		st.vars[a.name+".nick"] = uniqueRoom()[4:] // likewise: eight digits
	}
}

func (st *stage) isTooLate(a *actor, block []*element) error {
	failed, err := a.isTooLate(st.server, st.vars)
	if err != nil {
		return err
	}
	if _, err = match(block[0], failed, st.vars); err != nil {
		return fmt.Errorf("%w in %s", err, failed)
	}
	return nil
}

func (st *stage) isRefused(a *actor, block []*element) error {
	failure, err := a.connect(st.server, st.vars)
	if err != nil {
		return err
	}
	if failure == nil {
		return fmt.Errorf("was let in as %s", a.jid)
	}
	v, err := match(block[0], failure, st.vars)
	if err != nil {
		return fmt.Errorf("%w in %s", err, failure)
	}
	st.vars = v
	return nil
}

func (st *stage) sends(a *actor, block []*element) error {
	for _, e := range block {
		out, err := e.fill(st.vars)
		if err != nil {
			return err
		}
		if err := a.send(out); err != nil {
			return err
		}
	}
	return nil
}

func (st *stage) receives(a *actor, block []*element) error {
	for _, e := range block {
		v, err := a.expect(e, st.vars)
		if err != nil {
			return err
		}
		st.vars = v
	}
	return nil
}

func (st *stage) receivesNothingElse(a *actor, _ []*element) error {
	return a.expectNothing(st.server.domain)
}

func (st *stage) ignores(a *actor, block []*element) error {
	a.ignored = append(a.ignored, block...)
	return nil
}

// TestPlays performs every play: those that want nothing special against one server, the
// others each against one of its own.
func TestPlays(t *testing.T) {
	srv := startServer(t)
	files, err := filepath.Glob("plays/*.play")
	if err != nil || len(files) == 0 {
		t.Fatal("no plays", err)
	}
	for _, f := range files {
		p, err := readPlay(f)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(f), ".play"), func(t *testing.T) {
			if p.needs.any() {
				p.perform(t, srv)
				return
			}
			if srv.ports == nil {
				t.Skip("the server under test is somebody else's")
			}
			p.perform(t, p.needs.start(t))
		})
	}
}

func TestParsePlay(t *testing.T) {
	p, err := parsePlay("x", "# hi\nperson Ann name=\"Ann A\" room=*\nAnn connects\nAnn sends\n\t<a/>\n\t<b/>\n\nAnn receives nothing else\n")
	if err != nil || len(p.statements) != 4 || p.statements[0].args["name"] != "Ann A" || len(p.statements[2].block) != 2 {
		t.Fatalf("%+v %v", p, err)
	}
	for _, bad := range []string{"Ann dances\n", "Ann sends\n", "Ann connects\n\t<a/>\n", "Ann sends\n\t<a>\n", "person Ann what\n", "include nowhere.play\n"} {
		if _, err := parsePlay("x", bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
