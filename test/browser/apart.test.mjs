// The four parts on four machines that share nothing but a network: settings, data and secrets are each one's own.
import { test, after } from 'node:test';
import assert from 'node:assert/strict';
import { Apart } from './lib/apart.mjs';
import { noNamespaces } from './lib/netns.mjs';
import { Participant, assertSteady } from './lib/participant.mjs';

let apart;
const people = [];
after(async () => {
  await Promise.all(people.map((p) => p.close()));
  await apart?.destroy();
});

const arrive = async (name) => {
  const person = await Participant.arrive(apart.link('apart', { name, moderator: true }), { name });
  people.push(person);
  return person.join();
};

test('every part on a machine of its own', { skip: await noNamespaces() }, async (t) => {
  apart = await Apart.create();
  for (const part of ['focus', 'web', 'bridge', 'xmppd']) apart.run(part);
  await apart.says('focus', 'logged in to the XMPP server');
  await apart.says('bridge', 'entered room');

  try {
    const ann = await arrive('Ann');
    const bob = await arrive('Bob');
    await Promise.all([ann.receives(['Bob']), bob.receives(['Ann'])]);
    const pair = await bob.pair();
    assert.deepEqual([pair.remoteAddress, pair.remotePort], [apart.net.at('bridge'), 10_000]);
    await ann.say('over four machines');
    await bob.hears('over four machines');
    assertSteady(t, 'Bob', await bob.watch(['Ann']));

    // The server dies under the call: rooms live in its memory, so everybody meets anew, and a newcomer with them.
    await apart.kill('xmppd');
    const cut = Date.now();
    apart.run('xmppd');
    assertSteady(t, 'Bob, while the server starts again', await bob.watch(['Ann'], 20_000), 15_000);
    const cyd = await arrive('Cyd');
    await cyd.receives(['Ann', 'Bob']);
    t.diagnostic(`everybody was together again ${Date.now() - cut} ms after the server was killed`);
    assertSteady(t, 'Bob afterwards', await bob.watch(['Ann', 'Cyd']));
  } catch (error) {
    t.diagnostic(apart.story());
    throw error;
  }
});
