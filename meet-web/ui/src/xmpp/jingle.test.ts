import { describe, expect, it } from 'vitest';
import offerXml from './testdata/session-initiate-p0.xml?raw';
import addXml from './testdata/source-add-p0.xml?raw';
import { decodeJingle, decodeJsonSources, encodeAccept, encodeRestart, encodeSourceAdd, JingleError } from './jingle';
import type { Answer, Offer, Source } from './jingle';
import { child, children, parseXml, serialize } from './xml';

/** Recorded from an unmodified focus; see testdata. */
export function recordedOffer(): Offer {
  const request = decodeJingle(parseXml(offerXml.trim()));
  if (request.action !== 'session-initiate') {
    throw new Error('not an offer');
  }
  return request.offer;
}

const wrap = (inner: string): string => `<iq xmlns="jabber:client" type="set"><jingle xmlns="urn:xmpp:jingle:1" ${inner}</jingle></iq>`;

describe('session-initiate', () => {
  const offer = recordedOffer();

  it('gives codecs, extensions and transport', () => {
    expect(offer.media.map((m) => m.kind)).toEqual(['audio', 'video']);
    expect(offer.media[1]?.payloads.map((p) => `${p.id} ${p.name}`)).toEqual([
      '41 AV1', '100 VP8', '107 H264', '101 VP9', '42 rtx', '96 rtx', '97 rtx', '99 rtx',
    ]);
    expect(offer.media[1]?.payloads[2]?.fmtp).toBe('profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1');
    expect(offer.media[1]?.payloads[1]?.feedback).toEqual(['ccm fir', 'nack', 'nack pli', 'transport-cc']);
    expect(offer.transport.candidates[0]).toMatchObject({ ip: '192.0.2.2', port: 10000, protocol: 'udp', type: 'host' });
    expect(offer.transport.fingerprints[0]).toMatchObject({ hash: 'sha-256', setup: 'actpass' });
    expect(offer.channelUrl).toContain('/colibri-ws/jvb-a/');
    expect(offer.sctpPort).toBeUndefined();
  });

  it('gives the bridge its own feedback sources', () => {
    expect(offer.sources.map((s) => s.name).sort()).toEqual(['jvb-a0', 'jvb-v0']);
  });

  it.each([
    ['no transport', 'action="session-initiate" sid="s"><content name="audio"/>'],
    ['no sid', 'action="session-initiate">'],
    [
      'a line break in a candidate',
      'action="session-initiate" sid="s"><content name="audio"><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="u" pwd="p"><candidate foundation="1&#10;a=x" priority="1" ip="1.2.3.4" port="1" type="host" protocol="udp"/></transport></content>',
    ],
    [
      'a payload type out of range',
      'action="session-initiate" sid="s"><content name="audio"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="audio"><payload-type id="300" name="x" clockrate="1"/></description><transport xmlns="urn:xmpp:jingle:transports:ice-udp:1" ufrag="u" pwd="p"/></content>',
    ],
  ])('refuses %s', (_, inner) => {
    expect(() => decodeJingle(parseXml(wrap(inner)))).toThrow(JingleError);
  });
});

describe('source-add', () => {
  it('gathers the SSRCs of a name and puts the primary first', () => {
    const request = decodeJingle(parseXml(addXml.trim()));
    if (request.action !== 'source-add') {
      throw new Error('not a source-add');
    }
    const video = request.sources.find((s) => s.kind === 'video');
    expect(video?.name).toMatch(/-v0$/);
    expect(video?.ssrcs).toHaveLength(2);
    expect(video?.groups).toEqual([{ semantics: 'FID', ssrcs: video?.ssrcs }]);
    expect(request.sources.find((s) => s.kind === 'audio')?.ssrcs).toHaveLength(1);
  });

  it('does not trust the order of the entries', () => {
    const [source] = decodeJsonSources('{"sources":{"e5":[[{"s":9,"n":"e5-v1","m":"m","v":"d"},{"s":4,"n":"e5-v1","m":"m","v":"d"}],[["f",4,9]],[]]}}');
    expect(source).toMatchObject({ owner: 'e5', name: 'e5-v1', videoType: 'desktop', ssrcs: [4, 9] });
  });

  it('reads the XML form with owners written as addresses', () => {
    const request = decodeJingle(
      parseXml(
        wrap(
          'action="source-add" sid="s"><content name="video"><description xmlns="urn:xmpp:jingle:apps:rtp:1" media="video"><source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="7"><ssrc-info xmlns="http://jitsi.org/jitmeet" owner="r@c/e7"/><parameter name="msid" value="a b"/></source></description></content>',
        ),
      ),
    );
    expect(request).toMatchObject({ sources: [{ owner: 'e7', name: 'e7-v0', ssrcs: [7], msid: 'a b' }] });
  });

  it.each(['not json', '{"sources":{"a":[[{"s":0,"n":"a-v0"}]]}}', '{"sources":{"a":[[{"s":"x"}]]}}'])('refuses %s', (text) => {
    expect(() => decodeJsonSources(text)).toThrow(JingleError);
  });

  it.each(['null', '{}', '{"sources":null}', '{"sources":{"a":3,"b":[]}}'])('finds nothing in %s', (text) => {
    expect(decodeJsonSources(text)).toEqual([]);
  });
});

describe('what we send', () => {
  const source: Source = {
    owner: 'aabbccdd',
    name: 'aabbccdd-v0',
    kind: 'video',
    msid: 's t',
    videoType: 'camera',
    ssrcs: [1, 2],
    groups: [{ semantics: 'FID', ssrcs: [1, 2] }],
  };
  const offer = recordedOffer();

  it('accepts with our transport and sources, each with its own xmlns', () => {
    const answer: Answer = { ufrag: 'u', pwd: 'p', fingerprint: { hash: 'sha-256', value: 'AA', setup: 'active' }, media: offer.media };
    const accept = encodeAccept(offer, answer, [source], 'r@c/focus', 'me@d/x');
    expect(accept.attrs).toEqual({ action: 'session-accept', sid: offer.sid, initiator: 'r@c/focus', responder: 'me@d/x' });
    const text = serialize(accept);
    expect(text).toContain('<source xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" ssrc="1" name="aabbccdd-v0" videoType="camera"><parameter name="msid" value="s t"/></source>');
    expect(text).toContain('<ssrc-group xmlns="urn:xmpp:jingle:apps:rtp:ssma:0" semantics="FID"><source ssrc="1"/><source ssrc="2"/></ssrc-group>');
    expect(text).toContain('<fingerprint xmlns="urn:xmpp:jingle:apps:dtls:0" hash="sha-256" setup="active">AA</fingerprint>');
    expect(children(accept, 'content').map((c) => c.attrs['name'])).toEqual(['audio', 'video']);
  });

  it('adds a screen as a source of its own', () => {
    const add = encodeSourceAdd('sid', [{ ...source, name: 'aabbccdd-v1', videoType: 'desktop' }], 'r@c/focus');
    expect(serialize(add)).toContain('name="aabbccdd-v1" videoType="desktop"');
    expect(children(add, 'content').map((c) => c.attrs['name'])).toEqual(['video']);
  });

  it('asks for a restart of the session of this bridge', () => {
    const restart = encodeRestart(offer, 'r@c/focus', 'ICE FAILED');
    expect(child(restart, 'bridge-session')?.attrs).toEqual({ id: offer.bridgeSession, restart: 'true' });
    expect(child(child(restart, 'reason'), 'connectivity-error')).toBeDefined();
  });
});
