package meeting

import (
	"slices"

	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// Bounds of a room's polls (mod_polls_component).
const (
	maxPolls       = 128
	maxPollBytes   = 1024
	maxPollAnswers = 64
	maxVotes       = 20_000 // in all polls of a room
)

var (
	errPollExists     = stanza.Err(stanza.Cancel, stanza.NotAllowed, "Poll already exists")
	errPollRestricted = stanza.Err(stanza.Cancel, stanza.NotAllowed, "Creation of polls not allowed for user")
	errPollMissing    = stanza.Err(stanza.Cancel, stanza.ItemNotFound, "There is no such poll")
)

// polls are those of a room, oldest first.
type polls struct {
	list []*poll
	// legacy says that a client of before 2025 has spoken of polls here.
	legacy bool
	votes  int
}

// poll is a question and who has chosen which answer.
type poll struct {
	ID         string        `json:"pollId"`
	SenderID   string        `json:"senderId"`
	SenderName string        `json:"senderName,omitempty"`
	Question   string        `json:"question"`
	Answers    []*pollAnswer `json:"answers"`
}

type pollAnswer struct {
	Name   string  `json:"name"`
	Voters []voter `json:"voters,omitempty"`
}

type voter struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

func (p *polls) find(id string) *poll {
	for _, x := range p.list {
		if x.ID == id {
			return x
		}
	}
	return nil
}

// vote makes votes the choice of a person. more is how many votes there are more
// than before. Votes for answers there are not count for nothing.
func (p *poll) vote(v voter, votes []bool) (more int, changed bool) {
	for i, a := range p.Answers {
		chosen := i < len(votes) && votes[i]
		at := slices.IndexFunc(a.Voters, func(o voter) bool { return o.ID == v.ID })
		switch {
		case chosen && at < 0:
			a.Voters = append(a.Voters, v)
			more++
		case !chosen && at >= 0:
			a.Voters = slices.Delete(a.Voters, at, at+1)
			more--
		default:
			continue
		}
		changed = true
	}
	return more, changed
}

// pollRequest is what clients of today send.
type pollRequest struct {
	Type     string  `json:"type"`
	Command  string  `json:"command"`
	ID       *string `json:"pollId"`
	Question *string `json:"question"`
}

type newPoll struct {
	Type     string       `json:"type"`
	Command  string       `json:"command"`
	ID       string       `json:"pollId"`
	Question string       `json:"question"`
	Answers  []pollOption `json:"answers"`
	Sender   string       `json:"senderId"`
}

type pollOption struct {
	Name string `json:"name"`
}

type answerPoll struct {
	Type       string `json:"type"`
	Command    string `json:"command"`
	ID         string `json:"pollId"`
	Answers    []bool `json:"answers"`
	Sender     string `json:"senderId"`
	SenderName string `json:"senderName,omitempty"`
}

// installPolls keeps the polls of rooms, in the form of today through a service of
// their own, and in that of before 2025 through the room.
func (m *Rules) installPolls(d *desk) {
	for _, space := range []string{ns.JitMeet, ns.Client} {
		d.on(topic{space: space, name: "json-message", anywhere: true, handle: func(q *request) *stanza.Error { return m.handlePoll(d, q) }})
	}
	m.conferences(func(h *muc.Hooks) {
		h.OnJoined(func(r *muc.Room, o *muc.Occupant) {
			p := stateOf[polls](r)
			if len(p.list) == 0 || m.isAdmin(o) {
				return
			}
			r.SendTo(o, d.note(map[string]any{"type": typePolls, "command": "old-polls", "polls": p.list}))
			if p.legacy {
				r.SendTo(o, jsonMessage(r.Addr(), "", p.legacyList()))
			}
		})
		h.OnMessage(func(r *muc.Room, o *muc.Occupant, st *stanza.Stanza) muc.Outcome { return m.legacyPoll(d, r, o, st) })
	})
}

func (m *Rules) handlePoll(d *desk, q *request) *stanza.Error {
	if q.Type == stanza.Groupchat || q.Has(ns.Client, "body") || len(q.text()) >= maxPollBytes {
		return errBadContent
	}
	var v pollRequest
	if !decode(q.text(), &v) || v.Type != typePolls || v.ID == nil || *v.ID == "" {
		return errBadContent
	}
	switch v.Command {
	case "new-poll":
		var n newPoll
		if !decode(q.text(), &n) || v.Question == nil {
			return errBadContent
		}
		names := make([]string, len(n.Answers))
		for i, a := range n.Answers {
			names[i] = a.Name
		}
		if err := m.createPoll(d, q.room, q.by, n.ID, n.Question, names); err != nil {
			return err
		}
		if stateOf[polls](q.room).legacy {
			sayLegacy(q, legacyPollRequest{Type: "new-poll", ID: n.ID, Question: n.Question, Answers: anys(names),
				Sender: q.by.Nick(), SenderName: displayName(q.by)})
		}
		return nil
	case "answer-poll":
		var a answerPoll
		if !decode(q.text(), &a) {
			return errBadContent
		}
		if err := m.answerPoll(d, q.room, q.by, a.ID, a.Answers); err != nil {
			return err
		}
		if stateOf[polls](q.room).legacy {
			sayLegacy(q, legacyPollRequest{Type: "answer-poll", ID: a.ID, Answers: anys(a.Answers),
				Voter: q.by.Nick(), VoterName: displayName(q.by)})
		}
		return nil
	}
	return errBadContent
}

// createPoll makes a poll and tells everybody.
func (m *Rules) createPoll(d *desk, r *muc.Room, by *muc.Occupant, id, question string, names []string) *stanza.Error {
	p := stateOf[polls](r)
	switch {
	case len(names) == 0 || len(names) > maxPollAnswers || slices.Contains(names, "") || id == "":
		return errBadContent
	case p.find(id) != nil:
		return errPollExists
	case restricted(r, "pollCreationRestricted") && !m.allowed(r, by, "create-polls"):
		return errPollRestricted
	case len(p.list) >= maxPolls:
		return errTooMuch
	}
	x := &poll{ID: id, SenderID: by.Nick(), SenderName: displayName(by), Question: question}
	n := newPoll{Type: typePolls, Command: "new-poll", ID: id, Question: question, Sender: by.Nick()}
	for _, name := range names {
		x.Answers = append(x.Answers, &pollAnswer{Name: name})
		n.Answers = append(n.Answers, pollOption{name})
	}
	p.list = append(p.list, x)
	r.Broadcast(d.note(n))
	return nil
}

// answerPoll takes somebody's choice and tells everybody, if it is another than before.
func (m *Rules) answerPoll(d *desk, r *muc.Room, by *muc.Occupant, id string, votes []bool) *stanza.Error {
	p := stateOf[polls](r)
	x := p.find(id)
	switch {
	case x == nil:
		return errPollMissing
	case len(votes) > maxPollAnswers:
		return errBadContent
	}
	if p.votes >= maxVotes {
		return errTooMuch
	}
	who := voter{by.Nick(), displayName(by)}
	more, changed := x.vote(who, votes)
	p.votes += more
	if !changed {
		return nil
	}
	r.Broadcast(d.note(answerPoll{Type: typePolls, Command: "answer-poll", ID: id, Answers: votes, Sender: who.ID, SenderName: who.Name}))
	return nil
}
