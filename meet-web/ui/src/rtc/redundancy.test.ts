import { expect, test } from 'vitest';
import { Redundancy } from './redundancy';

/** The changes while the way from us is so; one look a second. */
function run(r: Redundancy, from: number, ways: readonly (readonly [room: number, lost: number])[], pictures = true): [at: number, on: boolean][] {
  const changes: [number, boolean][] = [];
  let before: boolean | undefined;
  ways.forEach(([room, lost], i) => {
    const at = from + 1000 * i;
    const on = r.look([
      { type: 'candidate-pair', availableOutgoingBitrate: room },
      { type: 'candidate-pair' },
      { type: 'remote-inbound-rtp', kind: 'audio', timestamp: at, fractionLost: lost },
    ], pictures, at);
    if (on !== before && (before !== undefined || on)) {
      changes.push([i, on]);
    }
    before = on;
  });
  return changes;
}

const seconds = (n: number, room: number, lost = 0): [number, number][] => Array.from({ length: n }, () => [room, lost]);

test('sound repeats itself where there is room beside the pictures', () => {
  expect(run(new Redundancy(), 10_000, seconds(20, 300_000))).toEqual([]);
  expect(run(new Redundancy(), 10_000, [...seconds(3, 300_000), ...seconds(20, 600_000), ...seconds(9, 300_000)])).toEqual([[3, true], [23, false]]);
  expect(run(new Redundancy(), 10_000, seconds(3, 300_000), false)).toEqual([[0, true]]);
  expect(run(new Redundancy(), 10_000, seconds(20, 80_000), false)).toEqual([]);
});

test('a room that wavers changes nothing', () => {
  const wavers = Array.from({ length: 40 }, (_, i): [number, number] => [i % 2 === 0 ? 520_000 : 380_000, 0]);
  expect(run(new Redundancy(), 10_000, wavers)).toEqual([[0, true]]);
  const wildly = Array.from({ length: 40 }, (_, i): [number, number] => [i % 2 === 0 ? 600_000 : 200_000, 0]);
  expect(run(new Redundancy(), 10_000, wildly).length).toBeLessThanOrEqual(8);
});

test('a way that loses packets is taken for narrow: it repeats there, too', () => {
  expect(run(new Redundancy(), 10_000, seconds(20, 120_000, 0.1))).toEqual([[1, true]]);
  expect(run(new Redundancy(), 10_000, seconds(20, 80_000, 0.1))).toEqual([]);
});

test('a report counts once', () => {
  const r = new Redundancy();
  const report = { type: 'remote-inbound-rtp', kind: 'audio', timestamp: 7, fractionLost: 0.08 };
  for (let at = 0; at < 60_000; at += 1000) {
    expect(r.look([{ type: 'candidate-pair', availableOutgoingBitrate: 250_000 }, report], true, at)).toBe(false);
  }
});
