// Waiting for a condition: polled, with a deadline and the last seen value in the error.
import { performance } from 'node:perf_hooks';

/**
 * How long a test waits, in ms, for what takes a second or two on an idle machine: so long that no slow or loaded
 * machine fails for it. Where time itself is what is tested, a test has a limit of its own and prints what it measured.
 */
export const PATIENCE = 90_000;

/** Polls `read` until `good(value)`; throws with `what` and the last value after `timeout` ms. */
export async function until(what, read, good = Boolean, timeout = PATIENCE, every = 100) {
  const end = performance.now() + timeout;
  let last;
  for (;;) {
    const late = performance.now() > end; // asked before reading: a slow answer that is good counts
    try {
      last = await read();
      if (good(last)) return last;
    } catch (error) {
      last = error;
    }
    if (late) {
      throw new Error(`${what}: not within ${timeout} ms; last seen: ${last instanceof Error ? last.message : JSON.stringify(last)?.slice(-1500)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
