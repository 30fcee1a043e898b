package rtp

const (
	// maxMissing bounds the packets of a stream that are asked for; a greater gap is not
	// repaired but left to the next keyframe.
	maxMissing = 100
	// nackRepeat is the time in microseconds after which a packet is asked for again,
	// unless the round trip is known to be shorter; maxNacks how often in all.
	nackRepeat    = 150_000
	nackRepeatMin = 30_000
	maxNacks      = 10
)

// missingList holds the sequence numbers a stream lacks, in ascending order.
type missingList struct {
	items *[maxMissing]missingPacket // made with the first gap
	count int
}

type missingPacket struct {
	ext   int64
	asked int64
	times uint8
}

func (m *missingList) clear() { m.count = 0 }

// add notes the numbers of a gap below ext.
func (m *missingList) add(ext int64, skipped int) {
	if skipped >= maxMissing {
		m.clear()
		return
	}
	if m.items == nil {
		m.items = new([maxMissing]missingPacket)
	}
	if over := m.count + skipped - maxMissing; over > 0 {
		copy(m.items[:], m.items[over:m.count])
		m.count -= over
	}
	for n := ext - int64(skipped); n < ext; n++ {
		m.items[m.count] = missingPacket{ext: n}
		m.count++
	}
}

// found strikes a number off the list.
func (m *missingList) found(ext int64) {
	for i := range m.count {
		if m.items[i].ext == ext {
			copy(m.items[i:], m.items[i+1:m.count])
			m.count--
			return
		}
	}
}

// collect appends the numbers to ask for now to dst and forgets those asked for too
// often.
func (m *missingList) collect(dst []uint16, now, repeat int64) []uint16 {
	kept := 0
	for i := range m.count {
		it := m.items[i]
		if it.asked == 0 || now-it.asked >= repeat {
			if it.times >= maxNacks {
				continue
			}
			it.asked = now
			it.times++
			dst = append(dst, uint16(it.ext))
		}
		m.items[kept] = it
		kept++
	}
	m.count = kept
	return dst
}
