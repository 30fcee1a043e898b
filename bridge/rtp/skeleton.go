package rtp

import (
	"github.com/pion/srtp/v3"

	"parley/bridge/media"
)

type leg struct {
	muted [3]bool
	probe struct{ rate int }
}
type upSource struct{}
type published struct{}

func (*published) snapshot() EndpointStats { return EndpointStats{} }

type levelRing struct{}

func (*levelRing) read(cursor *uint32, dst []Level) []Level { return dst }

type shardStats struct{}

func (*shardStats) snapshot() Stats { return Stats{} }

func (s *Shard) addEndpoint(*Endpoint)                             {}
func (s *Shard) removeEndpoint(*Endpoint)                          {}
func (s *Shard) requestKeyframe(*Source, int)                      {}
func (e *Endpoint) setKeys(send, receive *srtp.Context, aead bool) {}
func (e *Endpoint) addPayloadTypes([]media.PayloadType)            {}
func (e *Endpoint) addExtensions([]media.Extension)                {}
func (e *Endpoint) addSource(*Source)                              {}
func (e *Endpoint) removeSource(*Source)                           {}
func (e *Endpoint) setForward(Forward)                             {}
