import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Pulse } from './pulse';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A connection of which tests say what has come in. */
function connection(): { bytes: number; answers: number; pc: RTCPeerConnection } {
  const self = { bytes: 1_000, answers: 1, pc: undefined as unknown as RTCPeerConnection };
  self.pc = {
    getStats: () => Promise.resolve([{ type: 'candidate-pair', bytesReceived: self.bytes, responsesReceived: self.answers }]),
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
