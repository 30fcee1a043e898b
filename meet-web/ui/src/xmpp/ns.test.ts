import { expect, it } from 'vitest';
import { NS } from './ns';

// The other side compares these byte by byte; a change here is a change of protocol.
it('pins the namespaces the peers select by', () => {
  expect(NS.SM).toBe('urn:xmpp:sm:3');
  expect(NS.FOCUS).toBe('http://jitsi.org/protocol/focus');
  expect(NS.JITMEET).toBe('http://jitsi.org/jitmeet');
  expect(NS.COLIBRI).toBe('http://jitsi.org/protocol/colibri');
  expect(NS.SSMA).toBe('urn:xmpp:jingle:apps:rtp:ssma:0');
  expect(NS.RTP_HDREXT).toBe('urn:xmpp:jingle:apps:rtp:rtp-hdrext:0');
  expect(NS.ICE_UDP).toBe('urn:xmpp:jingle:transports:ice-udp:1');
  expect(new Set(Object.values(NS)).size).toBe(Object.keys(NS).length);
});
