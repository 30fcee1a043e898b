import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Pulse } from './pulse';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

interface Fake {
  bytes: number;
  answers: number;
  /** Per receiver, when something was played last. */
  played: number[];
  /** How often each receiver was asked, and the statistics. */
  asked: number[];
  looks: number;
  pc: RTCPeerConnection;
}

/** A connection of which tests say what has come in. */
function connection(receivers = 0): Fake {
  const none = Array.from({ length: receivers }, () => 0);
  const self: Fake = { bytes: 1_000, answers: 1, played: none, asked: [...none], looks: 0, pc: undefined as unknown as RTCPeerConnection };
  const list = none.map((_, i) => ({
    getSynchronizationSources: () => {
      self.asked[i] = (self.asked[i] ?? 0) + 1;
      return self.played[i] === 0 ? [] : [{ source: i, timestamp: self.played[i] }];
    },
  }));
  self.pc = {
    getReceivers: () => list,
    getStats: () => {
      self.looks++;
      return Promise.resolve([{ type: 'candidate-pair', bytesReceived: self.bytes, responsesReceived: self.answers }]);
    },
  } as unknown as RTCPeerConnection;
  return self;
}

async function flow(c: { bytes: number }, ms: number): Promise<void> {
  for (let t = 0; t < ms; t += 100) {
    c.bytes += 100;
    await vi.advanceTimersByTimeAsync(100);
  }
}

it('notices within a second and a half that a flow has stopped, and that it goes on', async () => {
  const silent = vi.fn();
  const c = connection();
  const pulse = new Pulse(c.pc, silent);
  await flow(c, 5_000);
  expect(silent).not.toHaveBeenCalled();
  const stopped = performance.now();
  await vi.advanceTimersByTimeAsync(1_500);
  expect(silent).toHaveBeenCalledWith(expect.any(Number), true);
  expect(Math.abs(Number(silent.mock.calls[0]?.[0]) - stopped)).toBeLessThanOrEqual(500);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(silent).toHaveBeenLastCalledWith(silent.mock.calls[0]?.[0], false);
  silent.mockClear();
  await flow(c, 5_000);
  expect(silent).not.toHaveBeenCalled();
  pulse.stop();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(silent).not.toHaveBeenCalled();
});

it('takes answers to checks for life where all are mute', async () => {
  const silent = vi.fn();
  const c = connection();
  const pulse = new Pulse(c.pc, silent);
  for (let i = 0; i < 10; i++) {
    await vi.advanceTimersByTimeAsync(2_500);
    c.answers++;
  }
  expect(silent).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(silent).toHaveBeenCalledWith(expect.any(Number), true);
  pulse.stop();
});

it('asks one of many people, and no statistics, while that one is heard', async () => {
  const silent = vi.fn();
  const c = connection(40);
  const talk = async (i: number, ms: number): Promise<void> => {
    for (let t = 0; t < ms; t += 100) {
      c.bytes += 100;
      c.played[i] = performance.timeOrigin + performance.now();
      await vi.advanceTimersByTimeAsync(100);
    }
  };
  const pulse = new Pulse(c.pc, silent);
  await talk(7, 5_000);
  expect(c.looks).toBe(0);
  expect(c.asked[7]).toBeGreaterThanOrEqual(9);
  expect(c.asked[30]).toBe(0);
  await talk(30, 5_000); // somebody else
  expect(c.looks).toBe(0);
  expect(silent).not.toHaveBeenCalled();
  const stopped = performance.now();
  await vi.advanceTimersByTimeAsync(1_500);
  expect(silent).toHaveBeenCalledWith(expect.any(Number), true);
  expect(Math.abs(Number(silent.mock.calls[0]?.[0]) - stopped)).toBeLessThanOrEqual(500);
  silent.mockClear();
  await talk(30, 2_500);
  expect(silent).not.toHaveBeenCalled();
  pulse.stop();
});

it('takes packets for life that are not played', async () => {
  const silent = vi.fn();
  const c = connection(2);
  const pulse = new Pulse(c.pc, silent);
  await flow(c, 5_000);
  expect(silent).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1_500);
  expect(silent).toHaveBeenCalledWith(expect.any(Number), true);
  pulse.stop();
});
