//go:build linux

package main

import (
	"encoding/binary"
	"time"
)

// What everybody agrees on.
const (
	audioType, videoType, rtxType = 111, 100, 96
	levelID, transportID          = 1, 5
	reportEvery                   = time.Second
	feedbackEvery                 = 100 * time.Millisecond
	checkEvery                    = 2500 * time.Millisecond
)

// Geometry of what is sent. The mark is behind whatever the bridge rewrites.
const (
	audioBytes, videoBytes = 100, 1000
	markAt                 = 20
	piece                  = 5 * time.Millisecond
	frameTime              = time.Second / 30
	audioTime              = 20 * time.Millisecond
	// keyEvery frames there is a key frame.
	keyEvery = 30
)

// source is one RTP stream of a client: sound, or pictures of VP8 at 30 a second. A frame
// leaves in pieces of two fifths, some milliseconds apart, as clients pace it. It belongs
// to the engine.
type source struct {
	c        *client
	ssrc     uint32
	video    bool
	perFrame int
	height   int
	on       bool
	level    byte // of sound: 0 is the loudest, 127 silence

	next       int64
	seq        uint16
	serial     uint32
	frame      uint32
	left       int
	wantKey    bool
	key        bool
	frameStart int64
	sent       int
}

// step sends what is due at once and says when the next is.
func (s *source) step(now int64) {
	e := s.c.e
	if !s.video {
		s.emit(now, audioBytes)
		s.frame++
		s.next += int64(audioTime)
		e.out.flush(s.c.udp.fd)
		return
	}
	if s.left == 0 {
		s.frame++
		s.left = s.perFrame
		s.frameStart = s.next
		s.key = s.frame%keyEvery == 1 || s.wantKey
		s.wantKey = false
	}
	for range min(s.left, (2*s.perFrame+4)/5) {
		s.emit(now, videoBytes)
		s.left--
	}
	e.out.flush(s.c.udp.fd)
	if s.next += int64(piece); s.left == 0 {
		s.next = s.frameStart + int64(frameTime)
	}
}

// emit seals one packet into the engine's queue.
func (s *source) emit(now int64, size int) {
	e := s.c.e
	b := e.plain[:20+size]
	clear(b[:20+markAt])
	b[0], b[1] = 0x90, audioType
	s.seq++
	s.serial++
	binary.BigEndian.PutUint16(b[2:], s.seq)
	binary.BigEndian.PutUint32(b[8:], s.ssrc)
	b[12], b[13], b[15] = 0xBE, 0xDE, 1
	payload := b[20:]
	if s.video {
		s.c.stamp++
		binary.BigEndian.PutUint32(b[4:], s.frame*3000)
		b[16], b[17], b[18] = transportID<<4|1, byte(s.c.stamp>>8), byte(s.c.stamp)
		b[1] = videoType
		if s.left == 1 {
			b[1] |= 0x80
		}
		s.describe(payload)
	} else {
		binary.BigEndian.PutUint32(b[4:], s.frame*960)
		b[16], b[17] = levelID<<4, s.level
	}
	binary.BigEndian.PutUint64(payload[markAt:], uint64(now))
	binary.BigEndian.PutUint32(payload[markAt+8:], s.serial)
	at := e.out.used % batch * fullBytes
	if e.out.count == batch {
		e.out.flush(s.c.udp.fd)
		at = 0
	}
	sealed, err := s.c.sender.EncryptRTP(e.store[at:at:at+fullBytes], b, &e.header)
	if err != nil {
		e.faults.wrong++
		return
	}
	e.out.add(s.c.udp.fd, sealed, nil)
	s.sent++
}

// describe writes the payload descriptor of VP8 (RFC 7741) and the frame's own header.
func (s *source) describe(payload []byte) {
	copy(payload, []byte{0x80, 0xE0, 0x80 | byte(s.frame>>8)&0x7F, byte(s.frame), byte(s.frame), 0})
	if s.left == s.perFrame {
		payload[0] |= 0x10
		payload[6] = 0x11
		if s.key {
			w, h := s.height*16/9, s.height
			copy(payload[6:], []byte{0x10, 0, 0, 0x9D, 1, 0x2A, byte(w), byte(w >> 8), byte(h), byte(h >> 8)})
		}
	}
}

// repairBit tells the SSRC of a stream and of its repairs apart.
const repairBit = 1 << 31

// repairSSRC is what a client would repair with, and the bridge does.
func (s *source) repairSSRC() uint32 { return s.ssrc ^ repairBit }
