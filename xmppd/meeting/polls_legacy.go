package meeting

import (
	"strings"

	"parley/internal/wire/ns"
	"parley/xmppd/muc"
	"parley/xmppd/stanza"
)

// legacyPollRequest is what clients of before 2025 say to the room. Who sends it is
// taken from the room, not from what it says.
type legacyPollRequest struct {
	Type       string `json:"type"`
	ID         string `json:"pollId"`
	Sender     string `json:"senderId,omitempty"`
	SenderName string `json:"senderName,omitempty"`
	Voter      string `json:"voterId,omitempty"`
	VoterName  string `json:"voterName,omitempty"`
	Question   string `json:"question,omitempty"`
	Answers    []any  `json:"answers"` // texts, or votes
}

// sayLegacy tells old clients what one of today has said about a poll, where there
// are any: as the room would have reflected it.
func sayLegacy(q *request, v legacyPollRequest) {
	st := jsonMessage(q.by.Addr(), "", v)
	st.Type = stanza.Groupchat
	q.room.Broadcast(st)
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// legacyPoll keeps what old clients tell each other of polls; the room reflects it.
func (m *Rules) legacyPoll(d *desk, r *muc.Room, o *muc.Occupant, st *stanza.Stanza) muc.Outcome {
	c, ok := st.Child(ns.JitMeet, "json-message")
	if !ok {
		return muc.Continue
	}
	text := st.ChildText(c)
	if !strings.Contains(text, "-poll") {
		return muc.Continue
	}
	var v legacyPollRequest
	if !decode(text, &v) || v.Type != "new-poll" && v.Type != "answer-poll" {
		return muc.Continue
	}
	if len(text) >= maxPollBytes {
		return muc.Refuse(errBadContent)
	}
	stateOf[polls](r).legacy = true
	var err *stanza.Error
	if v.Type == "new-poll" {
		names := make([]string, len(v.Answers))
		for i, a := range v.Answers {
			names[i], _ = a.(string)
		}
		err = m.createPoll(d, r, o, v.ID, v.Question, names)
	} else {
		votes := make([]bool, len(v.Answers))
		for i, a := range v.Answers {
			votes[i], _ = a.(bool)
		}
		err = m.answerPoll(d, r, o, v.ID, votes)
	}
	if err != nil {
		return muc.Refuse(err)
	}
	return muc.Continue
}

type legacyPollNote struct {
	ID         string             `json:"id"`
	SenderID   string             `json:"senderId"`
	SenderName string             `json:"senderName"`
	Question   string             `json:"question"`
	Answers    []legacyPollAnswer `json:"answers"`
}

type legacyPollAnswer struct {
	Name   string            `json:"name"`
	Voters map[string]string `json:"voters"`
}

// legacyList is the polls of a room as old clients want to hear of them.
func (p *polls) legacyList() any {
	list := make([]legacyPollNote, 0, len(p.list))
	for _, x := range p.list {
		n := legacyPollNote{ID: x.ID, SenderID: x.SenderID, SenderName: x.SenderName, Question: x.Question}
		for _, a := range x.Answers {
			voters := make(map[string]string, len(a.Voters))
			for _, v := range a.Voters {
				voters[v.ID] = v.Name
			}
			n.Answers = append(n.Answers, legacyPollAnswer{a.Name, voters})
		}
		list = append(list, n)
	}
	return map[string]any{"type": "old-polls", "polls": list}
}
