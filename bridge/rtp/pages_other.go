//go:build !linux

package rtp

// pages returns memory for an arena.
func pages(_ *arena, size int) []byte { return make([]byte, size) }
