package meeting_test

import (
	"encoding/json"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/logx"
	"parley/xmppd/meeting"
	"parley/xmppd/muc/muctest"
	"parley/xmppd/router"
)

// The same as TestTraces, with the services and the rooms beside the room. Requests
// between occupants and questions for information are left out of these recordings.
// Where a recording has no stream of the focus, what it said is put together from
// what a client heard of it.
func TestServiceTraces(t *testing.T) {
	for _, name := range []string{"lobby", "password", "services", "breakout", "moderation", "old-client"} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T) { newRerun(t).run(records(t, "services-"+name)) })
		})
	}
}

// rerun is a recording that is played again.
type rerun struct {
	*testing.T
	w         *muctest.World
	parties   map[string]*muctest.Client
	sent      map[string]bool
	want, got map[string][]string
	// The names of breakout rooms are made by the server: those of the recording and ours.
	theirs, ours []string
}

func newRerun(t *testing.T) *rerun {
	w := muctest.New(t, nil, nil)
	cfg := meeting.DefaultConfig()
	cfg.Domain = muctest.Domain
	rules, err := meeting.Install(w.Host, cfg, nil, logx.Discard())
	require.NoError(t, err)
	t.Cleanup(rules.Close)
	return &rerun{T: t, w: w, parties: map[string]*muctest.Client{}, sent: map[string]bool{}, want: map[string][]string{}, got: map[string][]string{}}
}

var (
	stanzaID     = regexp.MustCompile(`^<\w+[^>]* id=["']([^"']*)["']`)
	breakoutNode = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}@breakout`)
	jsonText     = regexp.MustCompile(`(\{http://jitsi.org/jitmeet\}json-message[^>]*>)([^<]*)(</>)`)
	lobbySubject = regexp.MustCompile(`^<\{jabber:client\}message from="[^"/]*@lobby[^>]*><\{jabber:client\}subject></></>$`)
	lobbyAnswer  = regexp.MustCompile(`^<\{jabber:client\}iq from="[^"/]*@lobby`)
	stamp        = regexp.MustCompile(`stamp="[^"]*"`)
	refusedBy    = regexp.MustCompile(`error by="[^"]*" `)
	invitation   = regexp.MustCompile(`body>[^<]* invited you to the room [^<]*<`)
	// The recorded server did not tell latecomers names, as with mod_muc_displayname.
	keptNames    = regexp.MustCompile(`<\{http://jitsi.org/protocol/display-name\}display-name[^>]*>[^<]*</>`)
	subjectDelay = regexp.MustCompile(`(subject>[^<]*</>)<\{urn:xmpp:delay\}delay[^>]*></>`)
)

func (r *rerun) run(recs []record) {
	for _, rec := range recs {
		if m := stanzaID.FindStringSubmatch(rec.XML); m != nil && rec.Dir == "out" {
			r.sent[m[1]] = true
		}
		r.note(&r.theirs, rec.XML)
	}
	clock := 0
	for _, rec := range recs {
		switch {
		case rec.JID != "":
			info := router.Info{Anonymous: strings.Contains(rec.JID, "@meet."), Room: "demo"}
			r.parties[rec.Who] = r.w.Login(rec.JID, info)
		case rec.Dir == "in":
			r.take(r.want, rec.Who, rec.XML)
		default:
			time.Sleep(time.Duration(rec.T-clock) * time.Millisecond)
			clock = max(clock, rec.T)
			r.hear()
			xml := rec.XML
			for i, node := range r.theirs {
				if i < len(r.ours) {
					xml = strings.ReplaceAll(xml, node, r.ours[i])
				}
			}
			r.parties[rec.Who].Send(xml)
			r.hear()
		}
	}
	time.Sleep(400 * time.Millisecond) // the last update of the breakout rooms
	r.hear()
	for who := range r.parties {
		if len(r.want[who]) > 0 {
			assert.ElementsMatch(r, r.want[who], r.got[who], who)
		}
	}
}

func (r *rerun) note(list *[]string, xml string) {
	for _, n := range breakoutNode.FindAllString(xml, -1) {
		if n = strings.TrimSuffix(n, "@breakout"); !slices.Contains(*list, n) {
			*list = append(*list, n)
		}
	}
}

func (r *rerun) hear() {
	for who, p := range r.parties {
		for _, st := range p.Take() {
			r.note(&r.ours, st)
			for i, node := range r.ours {
				st = strings.ReplaceAll(st, node, r.theirs[i])
			}
			r.take(r.got, who, st)
		}
	}
}

// take writes a stanza down as it is compared. Ours on purpose otherwise: the
// message for clients of before 2024 on when the meeting began, errors where the
// recorded services are silent, the empty subject of a lobby and its answers to
// requests, no statistics of people who have said nothing, and nobody can write the
// key services into the metadata.
func (r *rerun) take(into map[string][]string, who, xml string) {
	s := strip(muctest.Canonical(r.T, xml, func(id string) bool { return r.sent[id] }))
	switch {
	case strings.Contains(s, `from="conferenceduration.`),
		strings.Contains(s, `from="metadata.`) && strings.Contains(s, `type="error"`),
		strings.Contains(s, `"services":{"y":1}`), lobbySubject.MatchString(s), lobbyAnswer.MatchString(s):
		return
	}
	s = stamp.ReplaceAllString(s, `stamp=""`)
	s = refusedBy.ReplaceAllString(s, "error ")
	s = invitation.ReplaceAllString(s, "body><")
	s = subjectDelay.ReplaceAllString(s, "$1")
	s = keptNames.ReplaceAllString(s, "")
	s = jsonText.ReplaceAllStringFunc(s, func(m string) string {
		p := jsonText.FindStringSubmatch(m)
		return p[1] + comparable(p[2]) + p[3]
	})
	if strings.Contains(s, "@lobby.") && strings.Contains(s, "unavailable") {
		s = strings.ReplaceAll(s, `affiliation="member"`, `affiliation="none"`) // made one while he waited
	}
	if strings.Contains(s, `"users":{}`) {
		return
	}
	into[who] = append(into[who], s)
}

// comparable is JSON with its keys sorted, and without what depends on a clock or
// is written in two ways.
func comparable(text string) string {
	var v map[string]any
	if json.Unmarshal([]byte(html.UnescapeString(text)), &v) != nil {
		return text
	}
	if users, ok := v["users"].(map[string]any); ok {
		for nick, u := range users {
			u := u.(map[string]any)
			spoken := u["totalDominantSpeakerTime"].(float64) > 0
			u["totalDominantSpeakerTime"] = spoken
			if !spoken {
				delete(users, nick)
			}
			delete(u, "faceLandmarks")
			delete(u, "facialExpressions")
		}
	}
	if lists, ok := v["whitelists"].(map[string]any); ok {
		for _, l := range lists {
			slices.SortFunc(l.([]any), func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		}
	}
	b, _ := json.Marshal(v)
	return string(b)
}
