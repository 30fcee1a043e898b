// A participant made of other people's parts, slixmpp and aiortc, in a call with a browser.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Server } from './lib/server.mjs';
import { Participant, assertSteady } from './lib/participant.mjs';
import { Peer } from './lib/peer.mjs';
import { until } from './lib/wait.mjs';

test('aiortc and Chromium see and hear each other', async (t) => {
  const server = await Server.start();
  await server.ctl(['register', 'robot', 'meet.localhost', 'metal']);
  const ann = await Participant.arrive(server.link('works', { name: 'Ann', moderator: true }), { name: 'Ann' });
  await ann.join();
  const robot = Peer.python('endpoint.py', 'robot@meet.localhost', 'metal', '127.0.0.1', String(server.ports.c2s),
    'works@conference.meet.localhost', 'robot');
  await robot.event({ event: 'joined' });
  await robot.event({ event: 'invited' });
  await robot.event({ event: 'ice', state: 'connected' });
  const last = () => robot.events.findLast((e) => e.event === 'media');

  await Promise.all([
    ann.receives(['robot']),
    until('the robot sees and hears Ann', last, (m) => m?.frames > 0 && m.loud > 100),
  ]);
  const before = last();
  assertSteady(t, 'Ann', await ann.watch(['robot']));
  const after = last();
  t.diagnostic(`robot ← Ann: ${after.frames - before.frames} frames in those 10 s, ${after.lines} lines, loudness ${after.loud}`);
  assert.ok(after.frames > before.frames, 'the robot goes on decoding');

  await robot.stop();
  await ann.sees([]);
});
