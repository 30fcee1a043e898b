import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PeerHandlers } from '../rtc/peer';
import type { Stream, StreamState } from '../xmpp/stream';
import offerXml from '../xmpp/testdata/session-initiate-p0.xml?raw';
import { child, parseXml, withAttrs } from '../xmpp/xml';
import type { XmlElement } from '../xmpp/xml';
import { Call } from './call';
import type { MediaState } from './call';
import type { LocalMedia } from './localmedia';
import { Participants } from './participants';

const FOCUS = 'room@conference.m/focus';
const peers: { handlers: PeerHandlers; packets: number; closed: boolean }[] = [];

vi.mock('../rtc/peer', () => ({
  PeerSession: class {
    readonly me: (typeof peers)[number];
    readonly pc = {
      getReceivers: () => [],
      getStats: () =>
        Promise.resolve([
          { type: 'inbound-rtp', kind: 'audio', packetsReceived: this.me.packets },
          { type: 'candidate-pair', bytesReceived: 100 * this.me.packets },
        ]),
    };
    constructor(options: { handlers: PeerHandlers }) {
      this.me = { handlers: options.handlers, packets: 10, closed: false };
      peers.push(this.me);
    }
    start(): void {}
    close(): void {
      this.me.closed = true;
    }
    setTrack(): Promise<void> {
      return Promise.resolve();
    }
  },
}));
vi.mock('../rtc/channel', () => ({
  channelAddress: () => undefined,
  BridgeChannel: class {
    connect(): void {}
    close(): void {}
    send(): void {}
  },
}));

interface Scene {
  readonly call: Call;
  readonly stream: { state: StreamState; resumedAt: number; probes: number };
  readonly asked: XmlElement[];
  readonly states: MediaState[];
  connection(state: RTCPeerConnectionState): void;
}

/** A call that was offered and connected. */
function scene(): Scene {
  let handle: ((iq: XmlElement) => unknown) | undefined;
  const asked: XmlElement[] = [];
  const stream = {
    state: 'online' as StreamState,
    resumedAt: 0,
    probes: 0,
    retryNow: () => void stream.probes++,
    jid: 'me@m/r',
    handleIq: (_ns: string, _name: string, h: (iq: XmlElement) => unknown) => (handle = h),
    iq: (_type: string, _to: string, payload: XmlElement) => {
      asked.push(payload);
      return Promise.resolve(payload);
    },
  };
  const states: MediaState[] = [];
  const call = new Call({
    stream: stream as unknown as Stream,
    focus: FOCUS,
    endpointId: 'me',
    local: { track: () => null, cameraMuted: false, screen: { value: null } } as unknown as LocalMedia,
    participants: new Participants(),
    simulcast: true,
    preferSctp: false,
    lastN: -1,
    iceServers: () => [],
    onState: (state) => states.push(state),
    onRefused: () => undefined,
  });
  handle?.(withAttrs(parseXml(offerXml.trim()), { from: FOCUS }));
  const connection = (state: RTCPeerConnectionState): void => peers.at(-1)?.handlers.connection(state);
  connection('connected');
  return { call, stream, asked, states, connection };
}

const restarts = (s: Scene): number => s.asked.filter((j) => j.attrs['action'] === 'session-terminate' && child(j, 'reason') !== undefined).length;

beforeEach(() => {
  vi.useFakeTimers();
  vi.setSystemTime(1_000_000);
  peers.length = 0;
});
afterEach(() => void vi.useRealTimers());

describe('media that stops', () => {
  it('is asked for anew when the signalling works meanwhile', async () => {
    const s = scene();
    s.connection('disconnected');
    await vi.advanceTimersByTimeAsync(4_400);
    expect([s.states.at(-1), restarts(s)]).toEqual(['interrupted', 0]);
    await vi.advanceTimersByTimeAsync(700);
    expect(restarts(s)).toBe(1);
  });

  it('is waited for while nothing gets through', async () => {
    const s = scene();
    s.stream.state = 'reconnecting';
    s.connection('disconnected');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(restarts(s)).toBe(0);
    s.stream.state = 'online';
    await vi.advanceTimersByTimeAsync(2_000);
    s.connection('connected'); // it came back by itself
    await vi.advanceTimersByTimeAsync(60_000);
    expect([s.states.at(-1), restarts(s)]).toEqual(['connected', 0]);
  });

  it('is asked for at once after a sleep', async () => {
    const s = scene();
    void s.call.probe();
    await vi.advanceTimersByTimeAsync(1_600);
    expect(restarts(s)).toBe(1);
  });

  it('is left alone after a sleep that it survived', async () => {
    const s = scene();
    void s.call.probe();
    await vi.advanceTimersByTimeAsync(500);
    peers.forEach((p) => (p.packets += 50));
    await vi.advanceTimersByTimeAsync(10_000);
    expect([s.states.at(-1), restarts(s)]).toEqual(['connected', 0]);
  });
});

describe('a network that is another one now', () => {
  async function flow(ms: number): Promise<void> {
    for (let t = 0; t < ms; t += 250) {
      peers.forEach((p) => (p.packets += 5));
      await vi.advanceTimersByTimeAsync(250);
    }
  }

  /** Media flows and stops, and the signalling finds that it has to begin anew. */
  async function moved(): Promise<Scene> {
    const s = scene();
    await flow(5_000);
    expect(s.stream.probes).toBe(0);
    await vi.advanceTimersByTimeAsync(1_500);
    expect(s.stream.probes).toBe(1);
    s.stream.state = 'reconnecting';
    await vi.advanceTimersByTimeAsync(2_000);
    s.stream.state = 'online';
    s.stream.resumedAt = performance.now();
    return s;
  }

  it('is found by the signalling, and the media is asked for anew', async () => {
    const s = await moved();
    expect(restarts(s)).toBe(0);
    await vi.advanceTimersByTimeAsync(1_100);
    expect([s.states.at(-1), restarts(s)]).toEqual(['interrupted', 1]);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(restarts(s)).toBe(1);
  });

  it('is none where the media comes back with the signalling', async () => {
    const s = await moved();
    await flow(5_000);
    expect([s.states.at(-1), restarts(s)]).toEqual(['connected', 0]);
  });

  it('is none where the signalling goes on', async () => {
    const s = scene();
    await flow(5_000);
    await vi.advanceTimersByTimeAsync(20_000);
    expect([s.stream.probes, restarts(s)]).toEqual([1, 0]);
  });
});

describe('a call whose signalling is gone', () => {
  it('says nothing to anybody any more', async () => {
    const s = scene();
    s.call.detach();
    s.connection('disconnected');
    await vi.advanceTimersByTimeAsync(60_000);
    expect([s.states.at(-1), restarts(s)]).toEqual(['connected', 0]);
    s.call.close();
    expect(peers[0]?.closed).toBe(true);
  });
});
