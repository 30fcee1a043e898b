import { describe, expect, it } from 'vitest';
import offerXml from '../xmpp/testdata/session-initiate-p1.xml?raw';
import addXml from '../xmpp/testdata/source-add-p1.xml?raw';
import { decodeJingle } from '../xmpp/jingle';
import type { Offer, Source } from '../xmpp/jingle';
import { parseXml } from '../xmpp/xml';
import { addSimulcast, orderPayloads, readAnswer, readOwnSource, RemoteDescription, sections } from './sdp';

function offer(): Offer {
  const request = decodeJingle(parseXml(offerXml.trim()));
  if (request.action !== 'session-initiate') {
    throw new Error('not an offer');
  }
  return request.offer;
}

function added(): readonly Source[] {
  const request = decodeJingle(parseXml(addXml.trim()));
  return request.action === 'source-add' ? request.sources : [];
}

const other = (name: string, kind: 'audio' | 'video', ssrc: number): Source => ({
  owner: name.split('-')[0] ?? '',
  name,
  kind,
  msid: '',
  videoType: 'camera',
  ssrcs: [ssrc],
  groups: [],
});

function directions(sdp: string): string[] {
  return sections(sdp).slice(1).map((s) => `${s[0]?.split(' ')[0]?.slice(2)} ${s.find((l) => /^a=(sendrecv|sendonly|recvonly|inactive)$/.test(l))?.slice(2)}`);
}

describe('RemoteDescription', () => {
  it('writes the recorded offer as SDP', async () => {
    const remote = new RemoteDescription(offer());
    remote.add(added());
    // Chromium 156 accepts this very text.
    await expect(remote.toSdp()).toMatchFileSnapshot('testdata/offer.sdp');
  });

  it('names sound that repeats itself first only where it is to be sent', () => {
    const heard = offer();
    const media = heard.media.map((m) => m.kind === 'audio' ? { ...m, payloads: [
      { ...m.payloads.find((p) => p.name === 'opus'), id: 112, name: 'red', fmtp: '111/111' } as (typeof m.payloads)[number],
      ...m.payloads,
    ] } : m);
    const remote = new RemoteDescription({ ...heard, media });
    const first = (): string | undefined => /^m=audio 9 \S+ (.*)$/m.exec(remote.toSdp())?.[1]?.trim();
    expect([remote.mayRepeatSound, new RemoteDescription(heard).mayRepeatSound]).toEqual([true, false]);
    expect(first()).toBe('111 112 126');
    expect(remote.repeatSound(true)).toBe(true);
    expect(remote.repeatSound(true)).toBe(false);
    expect(first()).toBe('112 111 126');
  });

  it('sends on the first line of each kind and receives each source on a line of its own', () => {
    const remote = new RemoteDescription(offer());
    expect(remote.add(added())).toBe(true);
    expect(directions(remote.toSdp())).toEqual(['audio sendrecv', 'video sendrecv', 'video sendonly', 'audio sendonly']);
  });

  it('hears nothing on the lines it sends on where asked', () => {
    const remote = new RemoteDescription(offer(), false);
    remote.add(added());
    expect(directions(remote.toSdp())).toEqual(['audio recvonly', 'video recvonly', 'video sendonly', 'audio sendonly']);
  });

  it('uses the lines of those who left again', () => {
    const remote = new RemoteDescription(offer());
    remote.add([other('a-v0', 'video', 1), other('a-a0', 'audio', 2), other('b-v0', 'video', 3)]);
    expect(remote.remove((s) => s.owner === 'a')).toBe(true);
    expect(directions(remote.toSdp()).slice(2)).toEqual(['video inactive', 'audio inactive', 'video sendonly']);
    remote.add([other('c-v0', 'video', 5)]);
    expect(remote.lines).toHaveLength(5);
    expect(remote.lines[2]?.source?.name).toBe('c-v0');
    expect(directions(remote.toSdp())[2]).toBe('video sendonly');
  });

  it('notices what changes nothing', () => {
    const remote = new RemoteDescription(offer());
    remote.add([other('a-v0', 'video', 1)]);
    expect(remote.add([other('a-v0', 'video', 1)])).toBe(false);
    expect(remote.add([other('a-v0', 'video', 9)])).toBe(true);
    expect(remote.remove((s) => s.owner === 'nobody')).toBe(false);
  });

  it('keeps the bundle complete and each mid its place', () => {
    const remote = new RemoteDescription(offer());
    remote.addOwnLine('video');
    remote.addDataLine();
    remote.addDataLine();
    const sdp = remote.toSdp();
    expect(sdp).toContain('a=group:BUNDLE 0 1 2 3\r\n');
    expect(directions(sdp)[2]).toBe('video recvonly');
    expect(sdp).toContain('m=application 9 UDP/DTLS/SCTP webrtc-datachannel');
    expect(sdp.match(/^a=candidate/gm)).toHaveLength(1);
  });

  it('lets no name of others break a line', () => {
    const remote = new RemoteDescription(offer());
    remote.add([other('x\r\na=evil:1 -v0', 'video', 1)]);
    expect(remote.toSdp()).not.toMatch(/^a=evil/m);
  });
});

it('orders codecs by preference and keeps retransmission last', () => {
  const video = offer().media[1]?.payloads ?? [];
  expect(orderPayloads(video, ['VP8', 'VP9']).map((p) => p.id)).toEqual([100, 101, 41, 107, 42, 96, 97, 99]);
});

const ANSWER = [
  'v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0 1',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=ice-ufrag:uf', 'a=ice-pwd:pw', 'a=fingerprint:sha-256 AA:BB', 'a=setup:active', 'a=mid:0',
  'a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level', 'a=rtpmap:111 opus/48000/2', 'a=fmtp:111 minptime=10;useinbandfec=1', 'a=rtcp-fb:111 transport-cc',
  'a=ssrc:11 cname:c', 'a=ssrc:11 msid:- t',
  'm=video 9 UDP/TLS/RTP/SAVPF 100 96', 'a=mid:1', 'a=rtpmap:100 VP8/90000', 'a=rtcp-fb:100 nack pli', 'a=rtpmap:96 rtx/90000', 'a=fmtp:96 apt=100',
  'a=ssrc-group:FID 21 22', 'a=ssrc:21 cname:c', 'a=ssrc:21 msid:- v', 'a=ssrc:22 cname:c', 'a=ssrc:22 msid:- v', '',
].join('\r\n');

describe('reading our answer', () => {
  it('finds transport and codecs', () => {
    const answer = readAnswer(ANSWER, new RemoteDescription(offer()).lines);
    expect(answer).toMatchObject({ ufrag: 'uf', pwd: 'pw', fingerprint: { hash: 'sha-256', value: 'AA:BB', setup: 'active' } });
    expect(answer.media[0]?.payloads[0]).toMatchObject({ id: 111, name: 'opus', clockrate: 48000, channels: 2, fmtp: 'minptime=10;useinbandfec=1' });
    expect(answer.media[1]?.payloads.map((p) => p.id)).toEqual([100, 96]);
  });

  it('finds our sources', () => {
    expect(readOwnSource(ANSWER, '1')).toEqual({ ssrcs: [21, 22], groups: [{ semantics: 'FID', ssrcs: [21, 22] }] });
    expect(readOwnSource(ANSWER, '7')).toBeUndefined();
  });
});

describe('addSimulcast', () => {
  it('makes three layers of one, the same ones each time', () => {
    const layers: number[] = [];
    const once = addSimulcast(ANSWER, '1', layers);
    const own = readOwnSource(once, '1');
    expect(own?.ssrcs).toHaveLength(6);
    expect(own?.groups.map((g) => g.semantics)).toEqual(['SIM', 'FID', 'FID', 'FID']);
    expect(own?.groups[0]?.ssrcs[0]).toBe(21);
    expect(addSimulcast(ANSWER, '1', layers)).toBe(once);
    expect(addSimulcast(once, '1', layers)).toBe(once);
  });

  it('leaves a line without a video alone', () => {
    expect(addSimulcast(ANSWER, '0', [])).toBe(ANSWER);
  });
});
