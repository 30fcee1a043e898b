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
    const pair = await bob.way('udp');
    assert.deepEqual([pair.remoteAddress, pair.remotePort], [apart.net.at('bridge'), 10_000]);
    await ann.say('over four machines');
    await bob.hears('over four machines');
    assertSteady(t, 'Bob', await bob.watch(['Ann']));

    // A cut of the signalling is nobody's business: the same media go on, and nobody is told of anything.
    for (const part of ['focus', 'bridge']) {
      await bob.mark();
      if (!await apart.cut(part, 'xmppd')) {
        t.diagnostic('this kernel cuts no connections');
        break;
      }
      await apart.says(part, 'the session with the XMPP server goes on');
      assertSteady(t, `Bob, while the ${part} was cut off`, await bob.watch(['Ann'], 3_000));
      assert.ok(await bob.marked(), `Bob has another call since the ${part} was cut off`);
    }

    // The server dies under the call: rooms live in its memory, so everybody meets anew, and sees the others meanwhile.
    const before = [await ann.endpoint(), await bob.endpoint()];
    const watched = bob.watch(['Ann'], 12_000);
    await apart.kill('xmppd');
    await new Promise((done) => { setTimeout(done, 3_000); });
    apart.run('xmppd');
    const back = Date.now();
    await Promise.all([ann, bob].map((person, i) => person.isBack(before[i])));
    t.diagnostic(`everybody was together again ${Date.now() - back} ms after the server was started again (wanted: 5 s)`);
    assertSteady(t, 'Bob, while the server was away for 3 s', await watched);
    await Promise.all([ann.receives(['Bob']), bob.receives(['Ann'])]);
    const cyd = await arrive('Cyd');
    await cyd.receives(['Ann', 'Bob']);
    assertSteady(t, 'Bob afterwards', await bob.watch(['Ann', 'Cyd']));
  } catch (error) {
    t.diagnostic(apart.story());
    throw error;
  }
});
