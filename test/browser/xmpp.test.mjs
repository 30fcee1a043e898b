// People with an ordinary XMPP client beside people with a browser.
import { test, after, before } from 'node:test';
import assert from 'node:assert/strict';
import { Server } from './lib/server.mjs';
import { Participant } from './lib/participant.mjs';
import { Peer } from './lib/peer.mjs';
import { until } from './lib/wait.mjs';

let server;
before(async () => { server = await Server.start(); });
after(async () => { await server?.stop(); });

const alice = (room, password = 'wonderland') => Peer.python('alice.py', 'alice@meet.localhost', password,
  '127.0.0.1', String(server.ports.c2s), `${room}@conference.meet.localhost`, 'alice');

test('alice registers, joins over TCP and chats both ways with a browser', async (t) => {
  await server.ctl(['register', 'alice', 'meet.localhost', 'wonderland']);
  const ann = await Participant.arrive(server.link('tea', { name: 'Ann', moderator: true }), { name: 'Ann' });
  await ann.join();
  const peer = alice('tea');
  const { mechanism } = await peer.event({ event: 'online' });
  t.diagnostic(`logged in with ${mechanism}`);
  assert.match(mechanism, /^SCRAM-SHA-/);
  await peer.event({ event: 'joined' });
  const endpoint = await ann.page.evaluate(() => window.parley.endpointId);
  await peer.event({ event: 'occupant', nick: endpoint });
  await ann.sees(['alice']);
  peer.line('hello from alice');
  await ann.hears('hello from alice');
  await ann.say('welcome, alice');
  await peer.event({ event: 'message', nick: endpoint, body: 'welcome, alice' });
  await peer.stop();
  await ann.sees([]);
  await ann.close();
});

test('a password account opens a room by itself', async () => {
  const peer = alice('garden');
  await peer.event({ event: 'joined' });
  await peer.stop();
});

test('a wrong password is refused', async () => {
  const peer = alice('garden', 'looking-glass');
  await peer.event({ event: 'failed' });
  await peer.stop();
});

test('accounts are managed while the server runs', async () => {
  await server.ctl(['passwd', 'alice@meet.localhost'], 'rabbit-hole\n');
  const peer = alice('garden', 'rabbit-hole');
  await peer.event({ event: 'joined' });
  await peer.stop();
  await server.ctl(['deluser', 'alice@meet.localhost']);
  const gone = alice('garden', 'rabbit-hole');
  await gone.event({ event: 'failed' });
  await gone.stop();
  await assert.rejects(server.ctl(['register', 'focus', 'auth.meet.localhost', 'stolen']), /focus/);
});
