// Two, then four people in one room; a second room beside it; chat, leaving, reloading.
import { test, after, before } from 'node:test';
import assert from 'node:assert/strict';
import { Server } from './lib/server.mjs';
import { Participant, assertSteady } from './lib/participant.mjs';

let server;
const people = [];
const arrive = async (room, name, options = {}) => {
  const person = await Participant.arrive(server.link(room, { name, moderator: name === 'Ann' }), { name, ...options });
  people.push(person);
  await person.join();
  return person;
};

before(async () => { server = await Server.start(); });
after(async () => {
  await Promise.all(people.map((p) => p.close()));
  await server?.stop();
});

test('two people see and hear each other, then four', async (t) => {
  const ann = await arrive('daily', 'Ann');
  const bob = await arrive('daily', 'Bob');
  await Promise.all([ann.receives(['Bob']), bob.receives(['Ann'])]);
  const [annSees, bobSees] = await Promise.all([ann.watch(['Bob']), bob.watch(['Ann'])]);
  assertSteady(t, 'Ann', annSees);
  assertSteady(t, 'Bob', bobSees);

  const pair = await ann.way('udp');
  t.diagnostic(`selected pair: ${JSON.stringify(pair)}`);
  assert.equal(pair.remotePort, server.ports.udp, 'media goes to the bridge');
  assert.equal(pair.srtp, 'SRTP_AEAD_AES_128_GCM');

  const stranger = await arrive('elsewhere', 'Eve');
  const friend = await arrive('elsewhere', 'Fay');
  await Promise.all([stranger.receives(['Fay']), friend.receives(['Eve'])]);
  await stranger.say('only for this room');
  await friend.hears('only for this room');
  assert.deepEqual((await ann.tiles()).map((tile) => tile.name), ['Bob'], 'nothing of the other room');
  assert.deepEqual((await stranger.tiles()).map((tile) => tile.name), ['Fay']);
  assert.equal(await ann.page.getByText('only for this room').count(), 0);
  const foreign = (await ann.reports()).filter((r) => r.type === 'inbound-rtp' && r.kind === 'video' && r.framesDecoded > 0);
  assert.equal(foreign.length, 1, 'Ann decodes one video, Bob\'s');
  await Promise.all([stranger.close(), friend.close()]);

  await ann.say('hello from Ann');
  await bob.hears('hello from Ann');
  const cyd = await arrive('daily', 'Cyd');
  const dan = await arrive('daily', 'Dan');
  const all = { Ann: ann, Bob: bob, Cyd: cyd, Dan: dan };
  const others = (me) => Object.keys(all).filter((name) => name !== me);
  await Promise.all(Object.entries(all).map(([name, p]) => p.receives(others(name))));
  const watched = await Promise.all(Object.entries(all).map(async ([name, p]) => [name, await p.watch(others(name))]));
  for (const [name, seen] of watched) assertSteady(t, name, seen);

  // Who leaves is gone at once; who vanishes would be waited for.
  await dan.leave();
  const left = Date.now();
  await Promise.all(['Ann', 'Bob', 'Cyd'].map((name) => all[name].sees(others(name).filter((n) => n !== 'Dan'), 15_000)));
  t.diagnostic(`the leaver was gone after ${Date.now() - left} ms (wanted: 1 s)`);

  await bob.reload();
  await bob.page.getByTestId('toolbar-leave').waitFor(); // a reload comes back without asking
  await bob.receives(['Ann', 'Cyd']);
  await Promise.all([ann.sees(['Bob', 'Cyd']), cyd.sees(['Ann', 'Bob'])]);
  await ann.receives(['Bob', 'Cyd']);
});
