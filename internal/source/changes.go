package source

// Changes gathers what a receiver has to be told, while it cannot be told yet. An
// addition and a removal of the same source cancel out. The zero value is empty. It
// belongs to one goroutine.
type Changes struct {
	added, removed map[string]Set
}

// Add notes new sources of the owner.
func (c *Changes) Add(owner string, s Set) {
	c.removed, s = cancel(c.removed, owner, s)
	c.added = join(c.added, owner, s)
}

// Remove notes sources of the owner that are gone.
func (c *Changes) Remove(owner string, s Set) {
	c.added, s = cancel(c.added, owner, s)
	c.removed = join(c.removed, owner, s)
}

// cancel takes from the opposite table what s undoes; the rest of s is returned.
func cancel(from map[string]Set, owner string, s Set) (map[string]Set, Set) {
	have, ok := from[owner]
	if !ok {
		return from, s
	}
	var undone Set
	for _, x := range s.Sources {
		// The same SSRC with another meaning is a different source.
		if i := have.index(x.SSRC); i >= 0 && have.Sources[i] == x {
			undone.Sources = append(undone.Sources, x)
		}
	}
	if len(undone.Sources) == 0 {
		return from, s
	}
	rest := have.Minus(undone)
	if rest.Empty() {
		delete(from, owner)
	} else {
		from[owner] = rest
	}
	return from, s.Minus(undone)
}

func join(to map[string]Set, owner string, s Set) map[string]Set {
	if s.Empty() {
		return to
	}
	if to == nil {
		to = map[string]Set{}
	}
	to[owner] = to[owner].Union(s)
	return to
}

// Empty says whether there is nothing to tell.
func (c *Changes) Empty() bool { return len(c.added) == 0 && len(c.removed) == 0 }

// Peek returns what Take would, and keeps it. The tables must not be changed.
func (c *Changes) Peek() (removed, added map[string]Set) { return c.removed, c.added }

// Take returns what to tell, by owner, removals to be told first, and forgets it.
func (c *Changes) Take() (removed, added map[string]Set) {
	removed, added = c.removed, c.added
	*c = Changes{}
	return removed, added
}
