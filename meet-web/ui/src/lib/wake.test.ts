import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { whenWoken } from './wake';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('notices that the clock went on while the timers stood still', () => {
  const woken = vi.fn();
  whenWoken(woken);
  vi.advanceTimersByTime(60_000);
  expect(woken).not.toHaveBeenCalled();
  vi.setSystemTime(Date.now() + 120_000);
  vi.advanceTimersByTime(2_000);
  expect(woken).toHaveBeenCalledOnce();
  vi.advanceTimersByTime(60_000);
  expect(woken).toHaveBeenCalledOnce();
});
