//go:build !linux

package rtp

func raisePriority() {}
