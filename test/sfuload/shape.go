//go:build linux

package main

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// shape says who sends what to whom.
type shape struct {
	name string
	// Rooms of some people each, of whom the first ones send.
	rooms, people, senders int
	// packets of a frame, for each encoding of the picture; none: no picture.
	packets []int
	audio   bool
	// lastN bounds the pictures anybody gets; 0 is no bound.
	lastN int
	// lossy drops one packet of so many of each picture at the receivers, who ask for it.
	lossy int
	// deaf receivers give no feedback.
	deaf bool
}

// The shapes of a bridge's life, scaled to a machine with two cores.
var shapes = []shape{
	{name: "F1 one to 40, 1.2 Mbit/s", rooms: 1, people: 41, senders: 1, packets: []int{5}},
	{name: "F2 ten voices to 60", rooms: 1, people: 70, senders: 10, audio: true},
	{name: "F3 20 people, simulcast, 5 pictures each", rooms: 1, people: 20, senders: 20, packets: []int{1, 2, 7}, audio: true, lastN: 5},
	{name: "F4 8 rooms of 5, 2 % lost", rooms: 8, people: 5, senders: 5, packets: []int{5}, audio: true, lossy: 50},
	{name: "F5 20 pairs, 2 Mbit/s", rooms: 20, people: 2, senders: 2, packets: []int{8}, audio: true},
	{name: "meeting of 10", rooms: 1, people: 10, senders: 10, packets: []int{5}, audio: true},
	{name: "call of 2", rooms: 1, people: 2, senders: 2, packets: []int{5}, audio: true},
}

// saturating is driven at a rising rate.
var saturating = shape{name: "four to 40", rooms: 1, people: 44, senders: 4, packets: []int{10}, deaf: true}

// videos is how many pictures everybody gets, if all n others send one.
func (s shape) videos(others int) int {
	if s.lastN > 0 {
		return min(s.lastN, others)
	}
	return others
}

// due is how many packets are to be forwarded in a second.
func (s shape) due() float64 {
	perRoom := 0
	for i := range s.people {
		others := s.senders
		if i < s.senders {
			others--
		}
		if len(s.packets) > 0 {
			perRoom += 30 * s.packets[len(s.packets)-1] * s.videos(others)
		}
		if s.audio {
			perRoom += 50 * others
		}
	}
	return float64(s.rooms * perRoom)
}

// extra is what the bridge is told of the shape.
func (s shape) extra() string {
	if s.lastN == 0 {
		return ""
	}
	return ", last_n: " + strconv.Itoa(s.lastN)
}

// equip gives a client what it sends.
func (s shape) equip(c *client, i int) {
	c.lossy, c.deaf = s.lossy, s.deaf
	if i >= s.senders {
		return
	}
	base := rand.Uint32() &^ (1<<31 | 15)
	if s.audio {
		c.sources = append(c.sources, &source{c: c, ssrc: base + 8, level: 30})
	}
	for n, packets := range s.packets {
		c.sources = append(c.sources, &source{c: c, ssrc: base + uint32(n), video: true, perFrame: packets, height: 720 >> (len(s.packets) - 1 - n)})
	}
}

// start lets all sources of the engine's clients send; their moments are spread, as
// senders know nothing of each other.
func start(e *engine) {
	e.do(func() {
		now := e.now()
		for i, c := range e.clients {
			for j, s := range c.sources {
				period := int64(frameTime)
				if !s.video {
					period = int64(audioTime)
				}
				// Steps of the golden ratio spread any number of senders evenly.
				s.next = now + int64(float64(period)*float64((i*618+j*317)%1000)/1000)
				s.on = true
				e.sources = append(e.sources, s)
			}
		}
	})
}

// fan says whose packets go to whom, as a floor forwards them.
func (s shape) fan(clients []*client) map[uint32][]int {
	fan := map[uint32][]int{}
	for room := range s.rooms {
		for i := range s.people {
			for d := 1; d < s.people; d++ {
				from := (i + d) % s.people
				sender := clients[room*s.people+from]
				if from >= s.senders {
					continue
				}
				for n, src := range sender.sources {
					top := n == len(sender.sources)-1
					if !src.video || top && s.wanted(i, from) {
						fan[src.ssrc] = append(fan[src.ssrc], room*s.people+i)
					}
				}
			}
		}
	}
	return fan
}

// wanted says whether i gets the picture of from: everybody gets those that follow it.
func (s shape) wanted(i, from int) bool {
	return s.lastN == 0 || (from-i+s.people)%s.people <= s.lastN
}

// window is how long a figure is taken.
type window struct{ warm, take time.Duration }
