package rtp

const (
	// maxMissing bounds the packets of a stream that are asked for; a greater gap is not
	// repaired but left to a keyframe.
	maxMissing = 100
	// A packet is asked for again after nackRepeat (microseconds) where the round trip is not
	// known, else after about one, within these bounds.
	nackRepeat    = 150_000
	nackRepeatMin = 20_000
	nackRepeatMax = 500_000
	// nackFor is for how long a packet is asked for, at least: clients remember what they sent
	// for a second or three round trips. maxNacks is how often in all.
	nackFor  = 1_000_000
	maxNacks = 25
	// lossyFrom is the share of packets lost from which requests are taken to get lost as well,
	// and repeated before an answer can have come.
	lossyFrom = 0.03
)

// missingList holds the sequence numbers a stream lacks, in ascending order.
type missingList struct {
	items *[maxMissing]missingPacket // made with the first gap
	count int
	// told counts the packets that were asked for.
	told uint64
}

type missingPacket struct {
	ext int64
	// since is when it was missed, asked when it was asked for last.
	since, asked int64
	times        uint8
}

// askRule says when to ask for missing packets, in microseconds.
type askRule struct {
	// wait for those that are only late, repeat after that long, give up after limit.
	wait, repeat, limit int64
}

func (m *missingList) clear() { m.count = 0 }

// add notes the numbers of a gap below ext. It returns false if they are too many to be
// repaired.
func (m *missingList) add(ext int64, skipped int, now int64) bool {
	if skipped >= maxMissing {
		m.clear()
		return false
	}
	if m.items == nil {
		m.items = new([maxMissing]missingPacket)
	}
	if over := m.count + skipped - maxMissing; over > 0 {
		copy(m.items[:], m.items[over:m.count])
		m.count -= over
	}
	for n := ext - int64(skipped); n < ext; n++ {
		m.items[m.count] = missingPacket{ext: n, since: now}
		m.count++
	}
	return true
}

// found strikes a number off the list and returns what was known of it.
func (m *missingList) found(ext int64) (missingPacket, bool) {
	for i := range m.count {
		if it := m.items[i]; it.ext == ext {
			copy(m.items[i:], m.items[i+1:m.count])
			m.count--
			return it, true
		}
	}
	return missingPacket{}, false
}

// since is when a number was missed; false if it is not waited for.
func (m *missingList) since(ext int64) (int64, bool) {
	for i := range m.count {
		if m.items[i].ext == ext {
			return m.items[i].since, true
		}
	}
	return 0, false
}

// forget strikes off what is below a number.
func (m *missingList) forget(ext int64) {
	n := 0
	for n < m.count && m.items[n].ext < ext {
		n++
	}
	if n > 0 {
		copy(m.items[:], m.items[n:m.count])
		m.count -= n
	}
}

// collect appends the numbers to ask for now to dst. What was asked for in vain for too long
// is given up.
func (m *missingList) collect(dst []uint16, now int64, r askRule) (asks []uint16, givenUp bool) {
	kept := 0
	for i := range m.count {
		it := m.items[i]
		if now-it.since >= r.limit {
			givenUp = true
			continue
		}
		first := it.times == 0
		if first && now-it.since >= r.wait || !first && now-it.asked >= r.repeat && it.times < maxNacks {
			it.asked = now
			it.times++
			dst = append(dst, uint16(it.ext))
			if first {
				m.told++
			}
		}
		m.items[kept] = it
		kept++
	}
	m.count = kept
	return dst, givenUp
}
