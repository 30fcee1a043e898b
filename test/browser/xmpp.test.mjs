// People with an ordinary XMPP client beside people with a browser.
import { test, after, before } from 'node:test';
import assert from 'node:assert/strict';
import { Server } from './lib/server.mjs';
import { Participant } from './lib/participant.mjs';
import { Peer } from './lib/peer.mjs';
import { until } from './lib/wait.mjs';

let server;
before(async () => {
  server = await Server.start();
  await server.ctl(['register', 'alice', 'meet.localhost', 'wonderland']);
});
after(async () => { await server?.stop(); });

const alice = (room, password = 'wonderland') => Peer.python('alice.py', 'alice@meet.localhost', password,
  '127.0.0.1', String(server.ports.c2s), `${room}@conference.meet.localhost`, 'alice');

test('an ordinary client joins over TCP and chats both ways with a browser', async (t) => {
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

test('a client in a terminal joins over STARTTLS, sees who is there and chats both ways', async () => {
  await server.ctl(['register', 'bob', 'meet.localhost', 'looking-glass']);
  const peer = alice('kitchen');
  await peer.event({ event: 'joined' });
  const bob = Peer.terminal('profanity');
  await bob.shows(/Type '\/help'/);
  bob.line(`/connect bob@meet.localhost server 127.0.0.1 port ${server.ports.c2s} tls trust`);
  await bob.shows(/Enter password:/);
  bob.line('looking-glass');
  await bob.shows(/bob@meet\.localhost\/\S+ logged in successfully/);
  await bob.shows(/\[TLS\] +\[online\]/);
  bob.line('/join kitchen@conference.meet.localhost nick bob');
  await bob.shows(/You have joined the room as bob/);
  await bob.shows(/ Moderators\n[^]* alice\n[^]* bob\n/); // the list of occupants, beside the talk
  await peer.event({ event: 'occupant', nick: 'bob' });
  bob.line('more tea?');
  await peer.event({ event: 'message', nick: 'bob', body: 'more tea?' });
  peer.line('I have had nothing yet');
  await bob.shows(/alice: I have had nothing yet/);
  await bob.stop();
  await peer.event({ event: 'left', nick: 'bob' });
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
