// Every part on a machine of its own: a network namespace, a settings file and a data directory each, and
// nothing let in but what the parts are documented to need of each other.
import { test, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BINARY } from './lib/server.mjs';
import { Network } from './lib/network.mjs';
import { Participant, assertSteady } from './lib/participant.mjs';
import { token } from './lib/token.mjs';
import { until } from './lib/wait.mjs';

const run = promisify(execFile);
const secret = () => randomBytes(32).toString('base64url');
const people = [];
const processes = new Map();
const logs = {};
let net;
let dir;

after(async () => {
  await Promise.all(people.map((p) => p.close()));
  for (const child of processes.values()) child.kill('SIGKILL');
  await net?.destroy();
  if (dir) await rm(dir, { recursive: true, force: true });
});

function start(part) {
  const child = spawn('ip', ['netns', 'exec', net.space(part), BINARY, part, '--data', join(dir, part), '--config', join(dir, `${part}.yaml`)],
    { stdio: ['ignore', 'pipe', 'pipe'] });
  logs[part] ??= '';
  const hear = (chunk) => { logs[part] += chunk; };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  processes.set(part, child);
}

async function kill(part) {
  const child = processes.get(part);
  processes.delete(part);
  const gone = new Promise((done) => child.once('exit', done));
  child.kill('SIGKILL');
  await gone;
}

/** The four machines: their settings, and what each lets in from whom. */
async function build() {
  net = await Network.create('xmppd', 'focus', 'bridge', 'web');
  dir = await mkdtemp(join(tmpdir(), 'parley-apart-'));
  const [xmppd, focus, bridge, web] = ['xmppd', 'focus', 'bridge', 'web'].map((name) => net.at(name));
  const keys = { token: secret(), focus: secret(), component: secret(), bridge: secret() };
  // The certificate of the server is known to those who log in; nobody skips looking at it.
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=parley', '-addext', 'subjectAltName=DNS:meet.localhost,DNS:auth.meet.localhost', '-keyout', key, '-out', cert]);
  const settings = {
    xmppd: `
tls: {cert_file: '${cert}', key_file: '${key}'}
xmppd:
  c2s_listen: '${xmppd}:5222'
  http_listen: '${xmppd}:5280'
  component_listen: '${xmppd}:5347'
  trusted_proxies: ['${web}']
  token: {secret: '${keys.token}'}
focus:
  client: {password: '${keys.focus}'}
  component: {secret: '${keys.component}'}
bridge:
  xmpp: [{password: '${keys.bridge}'}]
`,
    focus: `
focus:
  client: {address: '${xmppd}:5222', password: '${keys.focus}', ca_file: '${cert}'}
  component: {address: '${xmppd}:5347', secret: '${keys.component}'}
`,
    bridge: `
bridge:
  xmpp: [{address: '${xmppd}:5222', password: '${keys.bridge}', ca_file: '${cert}'}]
  websocket: {listen: '${bridge}:9090', server_id: far}
`,
    web: `
web:
  xmpp_address: '${xmppd}:5280'
  bridges: {far: '${bridge}:9090'}
`,
  };
  for (const [part, text] of Object.entries(settings)) {
    await mkdir(join(dir, part));
    await writeFile(join(dir, `${part}.yaml`), text, { mode: 0o600 });
  }
  await net.admit('xmppd', `ip saddr { ${focus}, ${bridge} } tcp dport 5222`, `ip saddr ${focus} tcp dport 5347`, `ip saddr ${web} tcp dport 5280`);
  await net.admit('focus');
  await net.admit('bridge', 'udp dport 10000', 'tcp dport 4443', `ip saddr ${web} tcp dport 9090`);
  await net.admit('web', 'tcp dport 8443');
  return (room, name) => `https://${web}:8443/${room}?jwt=${token(keys.token, room, { name, moderator: true })}`;
}

test('every part on a machine of its own', async (t) => {
  const link = await build();
  const arrive = async (name) => {
    const person = await Participant.arrive(link('apart', name), { name });
    people.push(person);
    return person.join();
  };
  const said = (part, text, timeout = 30_000) => until(`${part} says ${text}`, () => logs[part].includes(text), Boolean, timeout)
    .catch((error) => { throw new Error(`${error.message}\n${Object.entries(logs).map(([p, l]) => `${p}:\n${l}`).join('\n')}`); });
  for (const part of ['focus', 'web', 'bridge', 'xmppd']) start(part);
  await said('focus', 'logged in to the XMPP server');
  await said('bridge', 'entered room');

  try {
    const ann = await arrive('Ann');
    const bob = await arrive('Bob');
    await Promise.all([ann.receives(['Bob'], { timeout: 45_000 }), bob.receives(['Ann'], { timeout: 45_000 })]);
    const pair = await bob.pair();
    assert.deepEqual([pair.remoteAddress, pair.remotePort], [net.at('bridge'), 10_000]);
    await ann.say('over three machines');
    await bob.hears('over three machines');
    assertSteady(t, 'Bob', await bob.watch(['Ann']));

    // The server dies under the call: media goes on, and both are found in the room again.
    await kill('xmppd');
    const cut = Date.now();
    start('xmppd');
    assertSteady(t, 'Bob, while the server starts again', await bob.watch(['Ann'], 5_000));
    const cyd = await arrive('Cyd');
    await cyd.receives(['Ann', 'Bob'], { timeout: 60_000 });
    t.diagnostic(`everybody was together again ${Date.now() - cut} ms after the server was killed`);
    assertSteady(t, 'Bob afterwards', await bob.watch(['Ann', 'Cyd'], 5_000));
  } catch (error) {
    for (const [part, text] of Object.entries(logs)) t.diagnostic(`${part}:\n${text.slice(-4000)}`);
    throw error;
  }
});
