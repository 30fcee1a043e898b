// Waiting for a condition: polled, with a deadline and the last seen value in the error.

/** Polls `read` until `good(value)`; throws with `what` and the last value after `timeout` ms. */
export async function until(what, read, good = Boolean, timeout = 20_000, every = 100) {
  const end = Date.now() + timeout;
  let last;
  for (;;) {
    try {
      last = await read();
      if (good(last)) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) {
      throw new Error(`${what}: not within ${timeout} ms; last seen: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
