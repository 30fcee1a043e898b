// Hard networks, each in a namespace of its own: UDP blocked, loss, a viewer without devices; 720p on a good one.
import { test, after, before } from 'node:test';
import assert from 'node:assert/strict';
import { Server } from './lib/server.mjs';
import { Namespace } from './lib/netns.mjs';
import { Participant, assertSteady } from './lib/participant.mjs';
import { until } from './lib/wait.mjs';

let space;
let server;
const people = [];

before(async () => {
  space = await Namespace.create();
  server = await Server.start({ resolution: 720 });
});
after(async () => {
  await Promise.all(people.map((p) => p.close()));
  await server?.stop();
  await space?.destroy();
});

// A person behind the namespace's network; the page comes by HTTPS from the machine's address there.
async function far(room, name, options = {}) {
  const url = server.link(room, { name }, `https://${space.host}:${server.ports.https}`);
  const person = await Participant.arrive(url, { name, netns: space.name, ...options });
  people.push(person);
  return person.join();
}

async function near(room, name, options = {}) {
  const person = await Participant.arrive(server.link(room, { name, moderator: true }), { name, ...options });
  people.push(person);
  return person.join();
}

async function home() {
  await Promise.all(people.splice(0).map((p) => p.close()));
  await space.filter();
}

test('UDP blocked: media goes over TCP 4443', async (t) => {
  await space.filter('meta l4proto udp drop');
  const ann = await near('tcp', 'Ann');
  const bob = await far('tcp', 'Bob');
  await Promise.all([ann.receives(['Bob'], { timeout: 45_000 }), bob.receives(['Ann'], { timeout: 45_000 })]);
  const pair = await bob.pair();
  assert.equal(pair.protocol, 'tcp');
  assert.equal(pair.remotePort, server.ports.tcp);
  assertSteady(t, 'Bob over TCP', await bob.watch(['Ann']));
  assertSteady(t, 'Ann', await ann.watch(['Bob'], 5_000));
  await home();
});

test('a viewer without devices or permission sees and hears', async (t) => {
  const ann = await near('viewer', 'Ann');
  const vic = await far('viewer', 'Vic', { devices: false });
  await vic.receives(['Ann'], { timeout: 45_000 });
  const { audio } = await vic.media();
  assert.equal(audio, 1, 'Vic hears Ann');
  assertSteady(t, 'Vic', await vic.watch(['Ann'], 5_000));
  await ann.sees(['Vic']);
  await home();
});

test('720p arrives and stays, and 5 % loss does not freeze it', async (t) => {
  const ann = await near('hd', 'Ann');
  const bob = await far('hd', 'Bob');
  const started = Date.now();
  await until('720 lines', () => bob.media(), (m) => m.video.Ann?.height === 720, 60_000);
  t.diagnostic(`720 lines after ${Date.now() - started} ms (wanted: 20 s)`);
  const heights = [];
  const steady = bob.watch(['Ann']);
  for (let i = 0; i < 10; i++) {
    heights.push((await bob.media()).video.Ann?.height);
    const sending = (await ann.reports()).filter((r) => r.type === 'outbound-rtp' && r.kind === 'video');
    assert.ok(sending.every((r) => r.qualityLimitationReason !== 'bandwidth'), 'the sender is not limited by bandwidth');
    await bob.page.waitForTimeout(1000);
  }
  assert.deepEqual([...new Set(heights)], [720]);
  assertSteady(t, 'Bob at 720p', await steady);
  assert.equal((await bob.pair()).srtp, 'SRTP_AEAD_AES_128_GCM');

  await space.filter('meta l4proto udp numgen random mod 100 < 5 drop');
  assertSteady(t, 'Bob with 5 % loss', await bob.watch(['Ann'], 15_000), 3_000);
  const video = (await bob.reports()).find((r) => r.type === 'inbound-rtp' && r.kind === 'video' && r.framesDecoded > 0);
  t.diagnostic(`lost ${video.packetsLost}, repaired by RTX ${video.retransmittedPacketsReceived}, NACKs ${video.nackCount}, freezes ${video.freezeCount}`);
  assert.ok(video.retransmittedPacketsReceived > 0, 'RTX repaired something');
  await home();
});
