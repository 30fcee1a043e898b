import { en } from './en';

/** The texts in use. One language so far; another is a file beside en.ts and a choice here. */
export const t = en;
export type { Texts } from './en';

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const dayAndClock = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

export function formatTime(date: Date): string {
  return clock.format(date);
}

export function formatMoment(date: Date | undefined): string {
  return date === undefined ? '' : dayAndClock.format(date);
}

/** "2 h 05 min", "4 min 10 s", "9 s". */
export function formatCountdown(milliseconds: number): string {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  if (h > 0) {
    return `${h} h ${String(m).padStart(2, '0')} min`;
  }
  return m > 0 ? `${m} min ${String(s).padStart(2, '0')} s` : `${s} s`;
}
