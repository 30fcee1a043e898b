package speaker

import (
	"math"
	"time"
)

const (
	// DecisionInterval is how often Decide is meant to be called.
	DecisionInterval = 300 * time.Millisecond

	// MaxLevel is the loudest level: 127 minus the level in the RTP extension.
	MaxLevel = 127

	levelIdle   = 40 * time.Millisecond
	speakerIdle = time.Hour

	immediateCount = 50
	mediumCount    = 10
	perMedium      = immediateCount / mediumCount

	subunits        = 13
	subunitLength   = (MaxLevel + subunits - 1) / subunits
	mediumThreshold = 7
	longThreshold   = 4

	minWindow = 750
	minScore  = 1e-10

	switchImmediate = 3.0
	switchMedium    = 2.0
	switchLong      = 0.0
)

// The three tables of scores: what a count of v active subunits says about
// speech, for each of the three time spans.
var (
	immediateScores = scoreTable(subunits, 0.78)
	mediumScores    = scoreTable(perMedium, 24)
	longScores      = scoreTable(mediumCount, 47)
)

// scoreTable computes the log likelihood ratio of speech for v of n successes,
// with the probability 1/2 the paper uses for silence.
func scoreTable(n int, lambda float64) []float64 {
	table := make([]float64, n+1)
	for v := range table {
		score := logBinomial(n, v) + float64(n)*math.Log(0.5) - math.Log(lambda) + lambda*float64(v)
		table[v] = math.Max(score, minScore)
	}
	return table
}

func logBinomial(n, k int) float64 {
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x + 1)); return v }
	return lg(n) - lg(k) - lg(n-k)
}

// Identifier decides who is the dominant speaker of one conference. It is
// confined to the conference's goroutine.
type Identifier struct {
	voices   map[string]*voice
	order    []string // order of arrival, so that decisions do not depend on map order
	dominant string
}

// New returns an Identifier that has heard nobody.
func New() *Identifier {
	return &Identifier{voices: make(map[string]*voice)}
}

// Level takes in the level of one audio packet: 0 is silence, MaxLevel is the
// loudest. Levels older than the last one of this speaker are ignored.
func (d *Identifier) Level(id string, level uint8, at time.Time) {
	v := d.voices[id]
	if v == nil {
		v = &voice{heard: at}
		d.voices[id] = v
		d.order = append(d.order, id)
	}
	v.level(min(int(level), MaxLevel), at)
}

// Remove forgets a speaker. If it was the dominant one, nobody is until the next
// decision.
func (d *Identifier) Remove(id string) {
	if _, ok := d.voices[id]; !ok {
		return
	}
	delete(d.voices, id)
	for i, o := range d.order {
		if o == id {
			d.order = append(d.order[:i], d.order[i+1:]...)
			break
		}
	}
	if d.dominant == id {
		d.dominant = ""
	}
}

// Dominant is the current dominant speaker, or empty.
func (d *Identifier) Dominant() string { return d.dominant }

// Decide looks at everybody and reports the dominant speaker and whether it
// is another one than before.
func (d *Identifier) Decide(now time.Time) (id string, changed bool) {
	d.forgetIdle(now)
	if len(d.order) == 0 {
		return d.dominant, false
	}
	before := d.dominant
	for _, id := range d.order {
		d.voices[id].evaluate(now)
	}
	if d.dominant == "" {
		d.dominant = d.order[0]
	}
	d.dominant = d.challenger()
	return d.dominant, d.dominant != before
}

// challenger returns who beats the current dominant speaker by the greatest
// medium score, or the current one.
func (d *Identifier) challenger() string {
	cur := d.voices[d.dominant]
	winner, best := d.dominant, switchMedium
	for _, id := range d.order {
		v := d.voices[id]
		if v == cur {
			continue
		}
		c1 := math.Log(v.immediate / cur.immediate)
		c2 := math.Log(v.medium / cur.medium)
		c3 := math.Log(v.long / cur.long)
		if c1 > switchImmediate && c2 > best && c3 > switchLong {
			winner, best = id, c2
		}
	}
	return winner
}

func (d *Identifier) forgetIdle(now time.Time) {
	for _, id := range append([]string(nil), d.order...) {
		if id != d.dominant && now.Sub(d.voices[id].heard) > speakerIdle {
			d.Remove(id)
		}
	}
}

// voice is the recent loudness of one speaker.
type voice struct {
	levels [immediateCount]uint8 // newest first
	heard  time.Time             // time of the newest level

	floor      int // the quiet of this microphone; 0 while unknown
	nextFloor  int
	windowSeen int

	immediate, medium, long float64
}

func (v *voice) level(level int, at time.Time) {
	if at.Before(v.heard) {
		return
	}
	v.heard = at
	v.push(level)
	v.trackFloor(level)
}

func (v *voice) push(level int) {
	copy(v.levels[1:], v.levels[:immediateCount-1])
	v.levels[0] = uint8(level)
}

// trackFloor follows the smallest level of the last window, approached by the
// geometric mean so that one odd window does not move it much.
func (v *voice) trackFloor(level int) {
	if level == 0 {
		return
	}
	if v.floor == 0 || level < v.floor {
		v.floor, v.nextFloor, v.windowSeen = level, 0, 0
		return
	}
	if v.nextFloor == 0 || level < v.nextFloor {
		v.nextFloor = level
	}
	v.windowSeen++
	if v.windowSeen >= minWindow {
		mean := math.Sqrt(float64(v.floor) * float64(v.nextFloor))
		v.floor = max(1, min(MaxLevel, int(mean)))
		v.nextFloor, v.windowSeen = 0, 0
	}
}

// evaluate computes the three scores. A speaker that sent nothing for a while
// counts as silent (a discontinuous encoder simply stops).
func (v *voice) evaluate(now time.Time) {
	if now.Sub(v.heard) >= levelIdle {
		v.push(0)
	}
	quiet := v.floor + subunitLength
	var immediate [immediateCount]int
	for i, l := range v.levels {
		if int(l) >= quiet {
			immediate[i] = int(l) / subunitLength
		}
	}
	long, firstMedium := 0, 0
	for j := range mediumCount {
		active := 0
		for _, im := range immediate[j*perMedium : (j+1)*perMedium] {
			if im > mediumThreshold {
				active++
			}
		}
		if j == 0 {
			firstMedium = active
		}
		if active > longThreshold {
			long++
		}
	}
	v.immediate = immediateScores[min(immediate[0], subunits)]
	v.medium = mediumScores[firstMedium]
	v.long = longScores[long]
}
