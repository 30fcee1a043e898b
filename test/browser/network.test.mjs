// Hard networks, each in a namespace of its own: UDP blocked, loss, jitter, a viewer without devices; 720p on a good one.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { assertSteady } from './lib/participant.mjs';
import { Outskirts } from './lib/far.mjs';
import { detour } from './lib/relay.mjs';
import { staysAt } from './lib/tallest.mjs';

const town = await Outskirts.prepare();
const { skip } = town;

test('UDP blocked: media goes over TCP 4443', { skip }, async (t) => {
  await town.space.filter('meta l4proto udp drop');
  const ann = await town.near('tcp', 'Ann');
  const bob = await town.far('tcp', 'Bob');
  await Promise.all([ann.receives(['Bob']), bob.receives(['Ann'])]);
  const pair = await bob.way('tcp');
  assert.equal(pair.remotePort, town.server.ports.tcp);
  assertSteady(t, 'Bob over TCP', await bob.watch(['Ann']));
  assertSteady(t, 'Ann', await ann.watch(['Bob'], 5_000));
});

test('a viewer without devices or permission sees and hears', { skip }, async (t) => {
  const ann = await town.near('viewer', 'Ann');
  const vic = await town.far('viewer', 'Vic', { devices: false });
  await vic.receives(['Ann']);
  const { audio } = await vic.media();
  assert.equal(audio, 1, 'Vic hears Ann');
  assertSteady(t, 'Vic', await vic.watch(['Ann'], 5_000));
  await ann.sees(['Vic']);
});

test('720p arrives and stays, and 5 % loss does not freeze it', { skip }, async (t) => {
  const onlyUDP = `tcp dport ${town.server.ports.tcp} drop`; // over TCP no packet is lost
  await town.space.filter(onlyUDP);
  const ann = await town.near('hd', 'Ann');
  const bob = await town.far('hd', 'Bob');
  await bob.receives(['Ann']);
  const steady = bob.watch(['Ann'], 20_000);
  await staysAt(t, 720, ann, bob, { seconds: 10, patience: 180_000, wanted: '20 s' });
  assertSteady(t, 'Bob from the beginning', await steady);
  assert.equal((await bob.way('udp')).srtp, 'SRTP_AEAD_AES_128_GCM');

  await town.space.filter(onlyUDP, 'meta l4proto udp numgen random mod 100 < 5 drop');
  assertSteady(t, 'Bob with 5 % loss', await bob.watch(['Ann'], 15_000));
  const video = (await bob.reports()).find((r) => r.type === 'inbound-rtp' && r.kind === 'video' && r.framesDecoded > 0);
  t.diagnostic(`lost ${video.packetsLost}, repaired by RTX ${video.retransmittedPacketsReceived}, NACKs ${video.nackCount}, freezes ${video.freezeCount}`);
  assert.ok(video.retransmittedPacketsReceived > 0, 'RTX repaired something');
});

test('10 % loss, 50 ms of jitter and packets out of order', { skip }, async (t) => {
  const end = await detour(town.space, town.server.ports, { delay: '20ms', jitter: '50ms', loss: 0.1, seed: 7 });
  const ann = await town.near('bad', 'Ann');
  const bob = await town.far('bad', 'Bob');
  await Promise.all([ann.receives(['Bob']), bob.receives(['Ann'])]);
  await bob.way('udp');
  await bob.page.waitForTimeout(5_000);
  const [viewer, sender] = await Promise.all([bob.watch(['Ann'], 20_000), ann.watch(['Bob'], 20_000)]);
  for (const person of [bob, ann]) {
    const reports = await person.reports();
    const sound = reports.find((r) => r.type === 'inbound-rtp' && r.kind === 'audio' && r.packetsReceived > 0);
    t.diagnostic(`${person.name} hears ${(100 * sound.concealedSamples / sound.totalSamplesReceived).toFixed(1)} % made up, since joining`);
    const video = reports.find((r) => r.type === 'inbound-rtp' && r.kind === 'video' && r.framesDecoded > 0);
    t.diagnostic(`${person.name} sees ${video.frameHeight} lines; decoded ${video.framesDecoded} frames, ${video.keyFramesDecoded} keyframes, dropped ${video.framesDropped}; `
      + `lost ${video.packetsLost}, asked ${video.nackCount} times, repaired by RTX ${video.retransmittedPacketsReceived}, froze ${video.freezeCount} times for ${video.totalFreezesDuration} s`);
  }
  // Wanted: 0.5 s.
  assertSteady(t, 'Bob', viewer);
  assertSteady(t, 'Ann', sender);
  await town.leave();
  const count = await end();
  t.diagnostic(`the relay ${count}`);
  assert.match(count, /^carried [1-9]\d{3,} packets, lost [1-9]/, 'the call went through the relay');
});
