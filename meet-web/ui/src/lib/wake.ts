const LOOK_EVERY_MS = 2_000;
/** A page in the background is called once a minute at the worst. */
const SLEPT_MS = 65_000;

/**
 * Calls back when the machine has slept: its clock went on while its timers stood still. What it was connected to
 * before has most likely given it up, and browsers notice that late or never.
 */
export function whenWoken(woken: () => void): void {
  let last = Date.now();
  setInterval(() => {
    const now = Date.now();
    const gap = now - last;
    last = now;
    if (gap > (document.visibilityState === 'visible' ? 4 * LOOK_EVERY_MS : SLEPT_MS)) {
      woken();
    }
  }, LOOK_EVERY_MS);
}
