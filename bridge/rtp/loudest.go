package rtp

import "time"

// LoudestConfig says how the loudest speakers of a conference are found.
type LoudestConfig struct {
	// Count is how many are forwarded at once.
	Count int
	// Expire is how long a speaker who sends nothing keeps the place.
	Expire time.Duration
	// Alpha is the weight of a new level against those before, in percent.
	Alpha int
}

// Loudest ranks the audio of one conference, so that in a large one only the loudest
// few are forwarded: nobody can tell more than that apart, and every stream costs each
// receiver a decoder.
//
// It belongs to the shard's goroutine; all endpoints that share it are on one shard.
type Loudest struct {
	count, alpha int
	expire       int64 // microseconds
	ranked       []ranked
}

// ranked is a source with a place among the loudest.
type ranked struct {
	source *Source
	energy int
	at     int64 // of its last packet
}

// NewLoudest makes a ranking without speakers.
func NewLoudest(cfg LoudestConfig) *Loudest {
	return &Loudest{
		count: cfg.Count, alpha: cfg.Alpha, expire: cfg.Expire.Microseconds(),
		ranked: make([]ranked, 0, max(0, cfg.Count)),
	}
}

// admits takes in how loud a packet of a source is (0 to 127) and says whether it is among
// the loudest.
func (l *Loudest) admits(src *Source, loudness uint8, now int64) bool {
	up := &src.up
	// A hundredfold, so that whole numbers do.
	up.energy = (l.alpha*100*int(loudness) + (100-l.alpha)*up.energy) / 100
	free, softest := -1, -1
	for i := range l.ranked {
		r := &l.ranked[i]
		switch {
		case r.source == src:
			r.energy, r.at = up.energy, now
			return true
		case now-r.at > l.expire:
			free = i
		case softest < 0 || r.energy < l.ranked[softest].energy:
			softest = i
		}
	}
	entry := ranked{src, up.energy, now}
	switch {
	case free >= 0:
		l.ranked[free] = entry
	case len(l.ranked) < l.count:
		l.ranked = append(l.ranked, entry)
	case softest >= 0 && l.ranked[softest].energy < up.energy:
		l.ranked[softest] = entry
	default:
		return false
	}
	return true
}

// forget gives the place of a source that is gone to others.
func (l *Loudest) forget(src *Source) {
	for i := range l.ranked {
		if l.ranked[i].source == src {
			l.ranked = append(l.ranked[:i], l.ranked[i+1:]...)
			return
		}
	}
}
