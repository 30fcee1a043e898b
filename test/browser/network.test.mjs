// Hard networks, each in a namespace of its own: UDP blocked, loss, a viewer without devices; 720p on a good one.
import { test, after, before } from 'node:test';
import assert from 'node:assert/strict';
import { Server } from './lib/server.mjs';
import { Namespace, noNamespaces } from './lib/netns.mjs';
import { Participant, assertSteady } from './lib/participant.mjs';
import { until } from './lib/wait.mjs';

let space;
let server;
const people = [];
const skip = await noNamespaces();

before(async () => {
  if (skip) return;
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

test('UDP blocked: media goes over TCP 4443', { skip }, async (t) => {
  await space.filter('meta l4proto udp drop');
  const ann = await near('tcp', 'Ann');
  const bob = await far('tcp', 'Bob');
  await Promise.all([ann.receives(['Bob']), bob.receives(['Ann'])]);
  const pair = await bob.pair();
  assert.equal(pair.protocol, 'tcp');
  assert.equal(pair.remotePort, server.ports.tcp);
  assertSteady(t, 'Bob over TCP', await bob.watch(['Ann']));
  assertSteady(t, 'Ann', await ann.watch(['Bob'], 5_000));
  await home();
});

test('a viewer without devices or permission sees and hears', { skip }, async (t) => {
  const ann = await near('viewer', 'Ann');
  const vic = await far('viewer', 'Vic', { devices: false });
  await vic.receives(['Ann']);
  const { audio } = await vic.media();
  assert.equal(audio, 1, 'Vic hears Ann');
  assertSteady(t, 'Vic', await vic.watch(['Ann'], 5_000));
  await ann.sees(['Vic']);
  await home();
});

test('720p arrives and stays, and 5 % loss does not freeze it', { skip }, async (t) => {
  const ann = await near('hd', 'Ann');
  const bob = await far('hd', 'Bob');
  const started = Date.now();
  const limits = async () => (await ann.reports()).filter((r) => r.type === 'outbound-rtp' && r.kind === 'video').map((r) => r.qualityLimitationReason);
  // A processor that cannot encode 720 lines in time makes the browser send fewer; that is not ours to judge.
  let slow = false;
  await until('720 lines', async () => {
    slow ||= (await limits()).includes('cpu');
    return (await bob.media()).video.Ann?.height;
  }, (height) => height === 720 || slow, 60_000);
  t.diagnostic(`${slow ? 'limited by the processor' : '720 lines'} after ${Date.now() - started} ms (wanted: 20 s)`);
  const heights = new Set();
  const watching = bob.watch(['Ann']);
  for (let i = 0; i < 10; i++) {
    heights.add((await bob.media()).video.Ann?.height);
    const now = await limits();
    slow ||= now.includes('cpu');
    assert.ok(!now.includes('bandwidth'), 'the sender is not limited by bandwidth');
    await bob.page.waitForTimeout(1000);
  }
  const calm = await watching;
  t.diagnostic(`heights: ${[...heights].join()}`);
  if (!slow) assert.deepEqual([...heights], [720]);
  assertSteady(t, 'Bob at 720p', calm);
  assert.equal((await bob.pair()).srtp, 'SRTP_AEAD_AES_128_GCM');

  await space.filter('meta l4proto udp numgen random mod 100 < 5 drop');
  // Wanted is a second; a machine that stalled without loss, too, may do so again.
  assertSteady(t, 'Bob with 5 % loss', await bob.watch(['Ann'], 15_000), Math.max(3_000, 3 * calm.Ann.gap));
  const video = (await bob.reports()).find((r) => r.type === 'inbound-rtp' && r.kind === 'video' && r.framesDecoded > 0);
  t.diagnostic(`lost ${video.packetsLost}, repaired by RTX ${video.retransmittedPacketsReceived}, NACKs ${video.nackCount}, freezes ${video.freezeCount}`);
  assert.ok(video.retransmittedPacketsReceived > 0, 'RTX repaired something');
  await home();
});
