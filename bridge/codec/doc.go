// Package codec looks into the payloads of video: where frames and keyframes begin,
// which layers a packet belongs to, and how a VP8 descriptor is rewritten so that a
// decoder never notices a change of encoding.
//
// It covers VP8 (RFC 7741), VP9 (RFC 9628), H.264 (RFC 6184) and AV1 by its dependency
// descriptor (AV1 RTP specification, appendix A). Nothing here allocates per packet.
package codec
