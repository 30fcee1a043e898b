// Firefox and Chromium in one room: each hears and sees the other.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Server } from './lib/server.mjs';
import { Participant, assertSteady } from './lib/participant.mjs';
import { Firefox } from './lib/firefox.mjs';
import { until } from './lib/wait.mjs';

// What Firefox decodes, by the name on the tile: frames and their height, and the energy of the sound.
const media = (firefox) => firefox.evaluate(async () => {
  const { participants } = window.parley;
  const named = (figures) => figures.map((f) => ({ ...f, name: participants.find((p) => p.id === f.endpoint)?.name }));
  return { video: named(await window.parley.videoStats()), audio: named(await window.parley.audioStats()) };
});

test('Firefox and Chromium see and hear each other', async (t) => {
  const server = await Server.start();
  const ann = await Participant.arrive(server.link('foxes', { name: 'Ann', moderator: true }), { name: 'Ann' });
  await ann.join();

  const firefox = await Firefox.launch();
  await firefox.visit(server.link('foxes', { name: 'Fox' }));
  // The link brings the name; typing it as well would race with that.
  await until('the name is there', () => firefox.evaluate(() => document.querySelector('[data-testid="prejoin-name"]')?.value), (v) => v === 'Fox');
  await firefox.click('prejoin-join');
  await firefox.find('toolbar-leave');

  const both = until('Firefox sees and hears Ann', () => media(firefox), ({ video, audio }) =>
    video.some((v) => v.name === 'Ann' && v.framesDecoded > 0) && audio.some((a) => a.name === 'Ann' && a.totalAudioEnergy > 0.00001));
  await Promise.all([ann.receives(['Fox']), both]);

  const before = (await media(firefox)).video.find((v) => v.name === 'Ann');
  assertSteady(t, 'Ann', await ann.watch(['Fox']));
  const after = (await media(firefox)).video.find((v) => v.name === 'Ann');
  t.diagnostic(`Fox ← Ann: ${after.framesDecoded - before.framesDecoded} frames in those 10 s, ${after.frameHeight} lines, ${after.codec}, freezes ${after.freezeCount - before.freezeCount}; channel ${await firefox.evaluate(() => window.parley.channelOpen) ? 'open' : 'closed'}`);
  assert.ok(after.framesDecoded > before.framesDecoded, 'Firefox goes on decoding');

  await ann.say('hello, Fox');
  await until('the chat reaches Firefox', () => firefox.evaluate(() => document.body.textContent.includes('hello, Fox')));

  await firefox.click('toolbar-leave');
  await ann.sees([]);
});
