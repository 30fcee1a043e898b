// The four-process form: any start order, a bridge killed and restarted in the middle of a call.
import { test, after } from 'node:test';
import { Parts } from './lib/server.mjs';
import { Participant, assertSteady } from './lib/participant.mjs';

let parts;
const people = [];
after(async () => {
  await Promise.all(people.map((p) => p.close()));
  await parts?.stop();
});

const join = async (name) => {
  const person = await Participant.arrive(parts.link('split', { name, moderator: true }), { name });
  people.push(person);
  return person.join();
};

test('four processes; the bridge is killed and comes back without a page reload', async (t) => {
  parts = await Parts.start(['bridge', 'web', 'focus', 'xmppd']); // the worst order: the server last
  const ann = await join('Ann');
  const bob = await join('Bob');
  await Promise.all([ann.receives(['Bob']), bob.receives(['Ann'])]);

  await parts.kill('bridge');
  await parts.run('bridge');
  const back = Date.now();
  const frames = (await bob.media()).video.Ann?.frames ?? 0;
  await Promise.all([bob.resumes('Ann', 60_000), ann.resumes('Bob', 60_000)]);
  t.diagnostic(`media was back ${Date.now() - back} ms after the bridge was started again (wanted: 10 s; had ${frames} frames before)`);
  assertSteady(t, 'Bob afterwards', await bob.watch(['Ann']));

  await parts.kill('focus');
  await parts.run('focus');
  const cyd = await join('Cyd');
  await Promise.all([cyd.receives(['Ann', 'Bob']), ann.receives(['Bob', 'Cyd'])]);
});
