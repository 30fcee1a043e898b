package speaker

import "slices"

// RecentLimit is how many former speakers are told to clients.
const RecentLimit = 10

// Recent is the order in which the endpoints of a conference were dominant: the
// present speaker first, then the one before, and so on; those who never
// spoke follow in order of arrival. It is confined to the conference's
// goroutine.
type Recent struct {
	order  []string // everybody, by recency
	spoken int      // how many at the front have ever been dominant
}

// Join adds an endpoint at the end.
func (r *Recent) Join(id string) {
	if !slices.Contains(r.order, id) {
		r.order = append(r.order, id)
	}
}

// Leave removes an endpoint.
func (r *Recent) Leave(id string) {
	i := slices.Index(r.order, id)
	if i < 0 {
		return
	}
	r.order = slices.Delete(r.order, i, i+1)
	if i < r.spoken {
		r.spoken--
	}
}

// Speak moves an endpoint to the front.
func (r *Recent) Speak(id string) {
	i := slices.Index(r.order, id)
	if i < 0 {
		return
	}
	if i >= r.spoken {
		r.spoken++
	}
	r.order = slices.Insert(slices.Delete(r.order, i, i+1), 0, id)
}

// Order lists everybody, most recent speaker first. The slice is a copy.
func (r *Recent) Order() []string { return slices.Clone(r.order) }

// Dominant is who spoke last, or empty, and Previous those before, at most
// RecentLimit.
func (r *Recent) Dominant() string {
	if r.spoken == 0 {
		return ""
	}
	return r.order[0]
}

// Previous lists who was dominant before the present speaker, most recent first.
func (r *Recent) Previous() []string {
	if r.spoken <= 1 {
		return nil
	}
	return slices.Clone(r.order[1:min(r.spoken, RecentLimit+1)])
}

// Spoke tells whether the endpoint is among the recent speakers.
func (r *Recent) Spoke(id string) bool {
	return slices.Contains(r.order[:min(r.spoken, RecentLimit+1)], id)
}
