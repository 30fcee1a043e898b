// One meeting over three bridges, of which one is killed in the middle of it.
import { test, after } from 'node:test';
import assert from 'node:assert/strict';
import { Mesh } from './lib/mesh.mjs';
import { Participant, assertSteady } from './lib/participant.mjs';
import { until } from './lib/wait.mjs';

let mesh;
const people = [];
after(async () => {
  await Promise.all(people.map((p) => p.close()));
  await mesh?.stop();
});

const NAMES = ['Ann', 'Bob', 'Cyd'];
const others = (name) => NAMES.filter((n) => n !== name);

/** The port of the bridge a person gets media from: each bridge has its own. */
const port = async (person) => (await person.way('udp')).remotePort;

test('three people on three bridges; one bridge is killed and its person comes back on another', async (t) => {
  mesh = await Mesh.start(['east', 'north', 'west']);
  for (const name of NAMES) {
    const person = await Participant.arrive(mesh.link('mesh', { name, moderator: true }), { name });
    people.push(person);
    await person.join();
  }
  const began = Date.now();
  await Promise.all(people.map((p) => p.receives(others(p.name))));
  t.diagnostic(`everybody sees and hears everybody ${Date.now() - began} ms after the last came in (wanted: 3 s)`);
  const ports = await Promise.all(people.map(port));
  assert.equal(new Set(ports).size, 3, `the bridges' ports are ${ports}`);
  assertSteady(t, 'Ann', await people[0].watch(['Bob', 'Cyd'], 4_000));

  // The bridge of the last one goes without a word.
  const [ann, , cyd] = people;
  const bridge = Object.entries(mesh.environment).find(([, env]) => env.PARLEY_BRIDGE_MEDIA_PORT === ports[2])[0];
  await mesh.kill(bridge);
  const gone = Date.now();
  await Promise.all([ann.resumes('Cyd', 60_000), cyd.resumes('Ann', 60_000)]);
  t.diagnostic(`media was back ${Date.now() - gone} ms after the bridge was killed (wanted: 10 s)`);
  await until('Cyd is on another bridge', () => port(cyd), (p) => p && p !== ports[2]);
  await Promise.all(people.map((p) => p.receives(others(p.name))));
  assertSteady(t, 'Bob afterwards', await people[1].watch(['Ann', 'Cyd'], 4_000));
});
