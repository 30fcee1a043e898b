// People with an ordinary XMPP client beside people with a browser.
import { test, after, before } from 'node:test';
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { launch, open } from './lib/browser.mjs';
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

// Runs in the page: a person with a library for browsers (strophe.js) in a room, remembering what it hears.
function enter({ url, jid, password, room, nick }) {
  const { Strophe, $pres, $msg } = window;
  const connection = new Strophe.Connection(url);
  const heard = { status: [], nicks: [], messages: [] };
  window.person = {
    heard,
    say: (body) => connection.send($msg({ to: room, type: 'groupchat' }).c('body').t(body)),
    leave: () => connection.disconnect('enough'),
  };
  connection.addHandler((stanza) => {
    const from = Strophe.getResourceFromJid(stanza.getAttribute('from'));
    heard.nicks = heard.nicks.filter((known) => known !== from);
    if (stanza.getAttribute('type') !== 'unavailable') heard.nicks.push(from);
    return true;
  }, null, 'presence', null, null, room, { matchBareFromJid: true });
  connection.addHandler((stanza) => {
    const body = stanza.querySelector('body');
    if (body) heard.messages.push(`${Strophe.getResourceFromJid(stanza.getAttribute('from'))}: ${body.textContent}`);
    return true;
  }, null, 'message', 'groupchat', null, room, { matchBareFromJid: true });
  connection.connect(jid, password, (status) => {
    heard.status.push(status);
    if (status === Strophe.Status.CONNECTED) connection.send($pres({ to: `${room}/${nick}` }).c('x', { xmlns: 'http://jabber.org/protocol/muc' }));
  });
}

test('a library for browsers joins over WebSocket and over BOSH', async () => {
  const library = await readFile(new URL('node_modules/strophe.js/dist/strophe.umd.min.js', import.meta.url), 'utf8');
  const peer = alice('library');
  await peer.event({ event: 'joined' });
  const browser = await launch({ devices: false });
  for (const [nick, url] of [['web', `${server.base.replace('http', 'ws')}/xmpp-websocket`], ['bosh', `${server.base}/http-bind`]]) {
    const page = await open(browser, `${server.base}/about/health`, { devices: false });
    await page.evaluate(library);
    await page.evaluate(enter, { url, nick, jid: 'alice@meet.localhost', password: 'wonderland', room: 'library@conference.meet.localhost' });
    const hears = (what, list, text) => until(`${nick} ${what}`, () => page.evaluate(() => window.person.heard), (heard) => heard[list].includes(text));
    await hears('sees alice', 'nicks', 'alice');
    await hears('is inside', 'nicks', nick);
    await peer.event({ event: 'occupant', nick });
    await page.evaluate((body) => window.person.say(body), `hello by ${nick}`);
    await peer.event({ event: 'message', nick, body: `hello by ${nick}` });
    peer.line(`welcome, ${nick}`);
    await hears('hears alice', 'messages', `alice: welcome, ${nick}`);
    await page.evaluate(() => window.person.leave());
    await peer.event({ event: 'left', nick });
    await page.context().close();
  }
  await browser.close();
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
