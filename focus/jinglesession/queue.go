package jinglesession

import (
	"parley/internal/source"
	"parley/internal/wire/jingle"
)

// Form is how a participant is told about sources.
type Form int

// The forms. One session never uses two of them.
const (
	XML  Form = iota // source elements, understood by all clients
	JSON             // the compact text of newer clients
)

// queue gathers what the participant has to be told about others' sources, reduced
// to what it can use.
type queue struct {
	form         Form
	silent       bool // the bridge tells about others
	strip        bool
	audio, video bool
	changes      source.Changes
}

func newQueue(p Params) queue {
	return queue{form: p.Form, silent: p.Rewriting, strip: p.StripLayers, audio: p.Audio, video: p.Video}
}

func (q *queue) clear() { q.changes = source.Changes{} }

func (q *queue) reduce(s source.Set) source.Set {
	if q.strip {
		s = s.StripSimulcast()
	}
	return s.Only(q.audio, q.video)
}

// Add notes sources the participant is to hear of.
func (s *Session) Add(owner string, set source.Set) {
	if s.state != Ended && (!s.queue.silent || owner == source.Feedback) {
		s.queue.changes.Add(owner, s.queue.reduce(set))
	}
}

// Remove notes that sources are gone.
func (s *Session) Remove(owner string, set source.Set) {
	if s.state != Ended && !s.queue.silent {
		s.queue.changes.Remove(owner, s.queue.reduce(set))
	}
}

// Forget drops what was to be told about somebody who left: the participant sees
// that by itself.
func (s *Session) Forget(owner string) {
	removed, added := s.queue.changes.Take()
	for o, set := range removed {
		if o != owner {
			s.queue.changes.Remove(o, set)
		}
	}
	for o, set := range added {
		if o != owner {
			s.queue.changes.Add(o, set)
		}
	}
}

// Waiting says whether there is something Flush would tell now.
func (s *Session) Waiting() bool { return s.state == Active && !s.queue.changes.Empty() }

// Flush is what to send now: removals first. Nothing while the session is pending.
func (s *Session) Flush() []*jingle.Jingle {
	if !s.Waiting() {
		return nil
	}
	removed, added := s.queue.changes.Take()
	var out []*jingle.Jingle
	if len(removed) > 0 {
		out = append(out, s.sources(jingle.SourceRemove, removed))
	}
	if len(added) > 0 {
		out = append(out, s.sources(jingle.SourceAdd, added))
	}
	return out
}

func (s *Session) sources(a jingle.Action, sets map[string]source.Set) *jingle.Jingle {
	j := s.message(a)
	if s.queue.form == JSON {
		j.JSONSources = &jingle.JSONMessage{Text: source.EncodeJSON(sets)}
	} else {
		j.Contents = source.Contents(sets)
	}
	return j
}

// offer writes all that is known so far into the offer. A client finds the bridge's
// own sources first, by their order and their stream ids.
func (q *queue) offer(j *jingle.Jingle) {
	_, sets := q.changes.Take()
	if len(sets) == 0 {
		return
	}
	if q.form == JSON {
		j.JSONSources = &jingle.JSONMessage{Text: source.EncodeJSON(sets)}
		return
	}
	for _, c := range source.Contents(sets) {
		if to := j.Content(c.Name); to != nil && to.Description != nil {
			to.Description.Sources = append(to.Description.Sources, c.Description.Sources...)
			to.Description.Groups = append(to.Description.Groups, c.Description.Groups...)
		}
	}
}
