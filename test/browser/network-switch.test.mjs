// The network under a call becomes another one: the person stays in the meeting, and media comes back by itself.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Outskirts } from './lib/far.mjs';
import { until } from './lib/wait.mjs';

/** Of sound and pictures without a break; wanted: 5 s. */
const LIMIT = 30_000;

const town = await Outskirts.prepare({ resolution: 360 });
const { skip } = town;

/** Waits until new pictures of `name` come in, after which time in ms. */
async function back(person, name, began) {
  await person.page.evaluate((who) => window.mediaWatch.reset([who]), name);
  await until(`${person.name} gets ${name} back`, () => person.page.evaluate(() => window.mediaWatch.result()),
    ({ people }) => people[name].frames > 10, LIMIT);
  return Math.round(performance.now() - began);
}

test('a call goes on when its network becomes another one', { skip }, async (t) => {
  const [ann, bob] = await Promise.all([town.near('switch', 'Ann'), town.far('switch', 'Bob')]);
  await Promise.all([ann.receives(['Bob']), bob.receives(['Ann'])]);
  const endpoint = await bob.endpoint();

  for (const [what, change] of [
    ['a second interface, and the first one gone', () => town.space.unplug()],
    ['the address gone for a second, then another one', () => town.space.roam()],
  ]) {
    await bob.watch(['Ann'], 2_500);
    await change();
    const began = performance.now();
    const [seen, shown] = await Promise.all([back(bob, 'Ann', began), back(ann, 'Bob', began)]);
    await bob.receives(['Ann'], { timeout: LIMIT });
    t.diagnostic(`${what}: Bob sees Ann again after ${seen} ms, Ann sees Bob after ${shown} ms (wanted: 5000)`);
    assert.equal(await bob.endpoint(), endpoint, 'Bob is still who he was');
  }
});
