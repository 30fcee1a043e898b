// What people wait for and what the server costs, measured on the machine that runs the tests: printed, not judged,
// but for limits that only a fault could cross.
import { test, after, before } from 'node:test';
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { Server } from './lib/server.mjs';
import { Participant } from './lib/participant.mjs';

let server;
const people = [];
before(async () => { server = await Server.start(); });
after(async () => {
  await Promise.all(people.map((p) => p.close()));
  await server?.stop();
});

const arrive = async (room, name, options) => {
  const person = await Participant.arrive(server.link(room, { name, moderator: name === 'Ann' }), { name, ...options });
  people.push(person);
  return person;
};

// Resident memory in MiB and CPU time in ms of the server process.
async function usage() {
  const status = await readFile(`/proc/${server.process.pid}/status`, 'utf8');
  const stat = await readFile(`/proc/${server.process.pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { rss: Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024, cpu: (Number(fields[11]) + Number(fields[12])) * 10 };
}

const middle = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

test('first paint', async (t) => {
  const html = await (await fetch(`${server.base}/daily`)).text();
  const files = [...html.matchAll(/(?:src|href)="([^"]+\.(?:js|css)[^"]*)"/g)].map((m) => m[1]);
  let total = gzipSync(html).length;
  for (const file of files) total += gzipSync(Buffer.from(await (await fetch(new URL(file, `${server.base}/`))).arrayBuffer())).length;
  t.diagnostic(`first paint: ${(total / 1024).toFixed(1)} KiB gzip in ${files.length + 1} files (wanted: 150)`);
  assert.ok(total < 450 * 1024);
});

test('from the click on join to the first decoded remote frame', async (t) => {
  t.diagnostic(`RSS with nobody: ${(await usage()).rss.toFixed(0)} MiB (wanted: 60)`);
  const ann = await arrive('swift', 'Ann');
  await ann.join();
  const bob = await arrive('swift', 'Bob');
  const waits = [];
  for (let i = 0; i < 7; i++) {
    if (i > 0) await bob.visit(server.link('swift', { name: 'Bob' }));
    await bob.page.getByTestId('prejoin-join').waitFor();
    await bob.page.waitForFunction(() => [...document.querySelectorAll('video')].some((v) => v.videoWidth > 0));
    // A person looks at the page before clicking; meanwhile both browsers are done with loading it.
    await bob.page.waitForTimeout(2_000);
    await bob.join();
    const times = await bob.page.waitForFunction(() => {
      const { joinClicked, joined, mediaConnected, firstRemoteFrame } = window.parley.times;
      return firstRemoteFrame ? { joined: joined - joinClicked, connected: mediaConnected - joinClicked, frame: firstRemoteFrame - joinClicked } : false;
    }).then((handle) => handle.jsonValue());
    waits.push(times);
    await bob.leave();
    await ann.sees([]);
  }
  const round = (key) => waits.map((w) => Math.round(w[key]));
  t.diagnostic(`in the room: p50 ${middle(round('joined'))} ms; media connected: p50 ${middle(round('connected'))} ms`);
  t.diagnostic(`first remote frame: p50 ${middle(round('frame'))} ms of ${round('frame').join(', ')} (wanted: 600)`);
  await bob.close();
  await ann.close();
  people.length = 0;
});

test('cost of a call of four', async (t) => {
  const names = ['Ann', 'Bob', 'Cyd', 'Dan'];
  const all = [];
  for (const name of names) all.push(await (await arrive('four', name)).join());
  await Promise.all(all.map((p) => p.receives(names.filter((n) => n !== p.name))));
  const received = async () => {
    let packets = 0;
    for (const p of all) for (const r of await p.reports()) if (r.type === 'inbound-rtp') packets += r.packetsReceived;
    return packets;
  };
  const before = { ...(await usage()), packets: await received() };
  await all[0].page.waitForTimeout(10_000);
  const now = { ...(await usage()), packets: await received() };
  const packets = now.packets - before.packets;
  t.diagnostic(`RSS with four people: ${now.rss.toFixed(0)} MiB`);
  t.diagnostic(`${((now.cpu - before.cpu) * 1000 / packets).toFixed(1)} µs of server CPU per forwarded packet (all of parley serve; ${Math.round(packets / 10)} packets/s)`);
  assert.ok(packets > 0);
});
