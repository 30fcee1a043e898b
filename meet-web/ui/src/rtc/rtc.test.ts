import { describe, expect, it } from 'vitest';
import { decodeBridgeMessage, encodeReceiverConstraints, encodeVideoType } from './bridgemsg';
import { channelAddress } from './channel';
import { problemOf } from './devices';
import { encodingsFor } from './encodings';
import { loudness } from './level';

describe('bridge messages', () => {
  it.each([
    ['{"colibriClass":"ServerHello"}', { kind: 'hello' }],
    ['{"colibriClass":"DominantSpeakerEndpointChangeEvent","dominantSpeakerEndpoint":"e5","previousSpeakers":["a",3]}', { kind: 'dominant-speaker', endpoint: 'e5', previous: ['a'] }],
    ['{"colibriClass":"EndpointConnectivityStatusChangeEvent","endpoint":"e7","active":"false"}', { kind: 'connectivity', endpoint: 'e7', active: false }],
    ['{"colibriClass":"ForwardedSources", "forwardedSources":["e5-v1"]}', { kind: 'forwarded-sources', sources: ['e5-v1'] }],
    ['{"colibriClass":"SenderSourceConstraints", "sourceName":"a-v0", "maxHeight":360}', { kind: 'sender-constraints', source: 'a-v0', maxHeight: 360 }],
    ['{"colibriClass":"ConnectionStats","estimatedDownlinkBandwidth":1}', { kind: 'unknown', name: 'ConnectionStats' }],
    ['{"colibriClass":"SenderSourceConstraints","sourceName":"a-v0"}', undefined],
    ['[1', undefined],
    ['null', undefined],
    ['{"a":1}', undefined],
  ])('reads %s', (text, event) => {
    expect(decodeBridgeMessage(text)).toEqual(event);
  });

  it('reads only text', () => {
    expect(decodeBridgeMessage(new ArrayBuffer(2))).toBeUndefined();
  });

  it('writes what the bridge knows', () => {
    expect(
      JSON.parse(encodeReceiverConstraints({ lastN: -1, onStageSources: ['b-v0'], selectedSources: [], defaultMaxHeight: 180, maxHeights: { 'b-v0': 720 } })),
    ).toEqual({
      colibriClass: 'ReceiverVideoConstraints',
      lastN: -1,
      selectedSources: [],
      onStageSources: ['b-v0'],
      defaultConstraints: { maxHeight: 180 },
      constraints: { 'b-v0': { maxHeight: 720 } },
      assumedBandwidthBps: -1,
    });
    expect(JSON.parse(encodeVideoType('a-v0', 'none'))).toEqual({ colibriClass: 'SourceVideoTypeMessage', sourceName: 'a-v0', videoType: 'none' });
  });
});

describe('channelAddress', () => {
  it('goes through the front the page came from', () => {
    expect(channelAddress('ws://jvb:9090/colibri-ws/a/b/c?pwd=x', { protocol: 'https:', host: 'meet.example.com:8443' })).toBe(
      'wss://meet.example.com:8443/colibri-ws/a/b/c?pwd=x',
    );
    expect(channelAddress('wss://m/colibri-ws/a/b/c?pwd=x', { protocol: 'http:', host: 'localhost:8000' })).toBe('ws://localhost:8000/colibri-ws/a/b/c?pwd=x');
    expect(channelAddress('nonsense', { protocol: 'http:', host: 'h' })).toBeUndefined();
  });
});

describe('encodingsFor', () => {
  const hd = { width: 1280, height: 720 };

  it('scales one encoding to the wish', () => {
    expect(encodingsFor(1, hd, 360, false)).toEqual([{ active: true, scaleResolutionDownBy: 2, maxBitrate: 600_000 }]);
    expect(encodingsFor(1, hd, -1, false)[0]).toMatchObject({ active: true, scaleResolutionDownBy: 1 });
    expect(encodingsFor(1, { width: 640, height: 360 }, 720, false)[0]).toMatchObject({ active: true, scaleResolutionDownBy: 1 });
    expect(encodingsFor(1, hd, 0, false)[0]).toMatchObject({ active: false });
  });

  it('switches layers above the wish off', () => {
    const active = (limit: number): boolean[] => encodingsFor(3, hd, limit, false).map((e) => e.active);
    expect(active(720)).toEqual([true, true, true]);
    expect(active(360)).toEqual([true, true, false]);
    expect(active(180)).toEqual([true, false, false]);
    expect(active(0)).toEqual([false, false, false]);
    expect(active(-1)).toEqual([true, true, true]);
    expect(encodingsFor(3, hd, -1, false).map((e) => e.scaleResolutionDownBy)).toEqual([4, 2, 1]);
  });

  it.each([
    [1920, 1080, [270, 540, 1080]],
    [720, 1280, [320, 640, 1280]],
    [960, 540, [135, 270, 540]],
    [640, 480, [240, 480]],
    [640, 360, [180, 360]],
    [320, 240, [240]],
    [320, 180, [180]],
  ])('makes of %dx%d only layers Chromium makes, the last of them whole', (width, height, lines) => {
    const encodings = encodingsFor(3, { width, height }, -1, false);
    expect(encodings.filter((e) => e.active).map((e) => height / e.scaleResolutionDownBy)).toEqual(lines);
    expect(encodings.findLastIndex((e) => e.active)).toBe(lines.length - 1);
  });

  it('lets a small picture be wanted smaller', () => {
    const active = (limit: number): boolean[] => encodingsFor(3, { width: 640, height: 360 }, limit, false).map((e) => e.active);
    expect(active(360)).toEqual([true, true, false]);
    expect(active(180)).toEqual([true, false, false]);
    expect(active(0)).toEqual([false, false, false]);
  });

  it('keeps a screen whole', () => {
    expect(encodingsFor(1, { width: 1920, height: 1080 }, 360, true)[0]).toMatchObject({ active: true, scaleResolutionDownBy: 1 });
  });
});

describe('device problems', () => {
  it.each([
    ['NotAllowedError', 'D01', 'D02'],
    ['NotFoundError', 'D03', 'D04'],
    ['NotReadableError', 'D05', 'D06'],
    ['OverconstrainedError', 'D07', 'D07'],
    ['TimeoutError', 'D08', 'D08'],
    ['TypeError', 'D09', 'D09'],
  ])('%s is told apart', (name, audio, video) => {
    const error = Object.assign(new Error('x'), { name });
    expect(problemOf(error, 'audio').code).toBe(audio);
    expect(problemOf(error, 'video').code).toBe(video);
  });
});

it('maps loudness to a bar', () => {
  expect(loudness(0)).toBe(0);
  expect(loudness(1)).toBe(1);
  expect(loudness(0.05)).toBeCloseTo(0.71, 1);
});
