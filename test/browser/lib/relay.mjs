// The seeded bad network of test/udprelay, between a namespace and the bridge.
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { atEnd, owned } from './cleanup.mjs';
import { ROOT } from './server.mjs';

const run = promisify(execFile);

/**
 * Leads what the namespace sends to the bridge's UDP port through the relay, the only way there: its TCP port is closed.
 * `ports` are the server's, `bad` the relay's flags: { loss: 0.1, jitter: '50ms' }. Resolves with what ends the relay
 * and returns its count; the namespace's next filter removes the way to it.
 */
export async function detour(space, ports, bad) {
  const dir = await mkdtemp(join(tmpdir(), 'parley-relay-'));
  const forget = atEnd(() => rm(dir, { recursive: true, force: true }));
  const program = join(dir, 'udprelay');
  await run('go', ['build', '-buildvcs=false', '-o', program, './test/udprelay'], { cwd: ROOT });
  const flags = Object.entries(bad).map(([name, value]) => `-${name}=${value}`);
  const child = owned(spawn(program, [`-listen=${space.host}:0`, `-target=${space.host}:${ports.udp}`, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] }));
  let said = '';
  const address = await new Promise((done, fail) => {
    child.once('exit', () => fail(new Error('the relay ended by itself')));
    child.stdout.on('data', (chunk) => {
      said += chunk;
      if (said.includes('\n')) done(said.split('\n')[0]);
    });
  });
  // The bridge's own checks would open a way past the relay, for answers to them are not led astray; and where
  // packets are lost, TCP may be the first way that works.
  await space.exec('nft', `table ip parleyrelay {
    chain output { type nat hook output priority -100; udp dport ${ports.udp} dnat to ${address}; };
    chain straight { type filter hook prerouting priority -300; udp sport ${ports.udp} drop; };
    chain stream { type filter hook output priority 0; tcp dport ${ports.tcp} drop; };
  }`);
  return async () => {
    const ended = new Promise((done) => { child.once('close', done); });
    child.kill('SIGTERM');
    await ended;
    await rm(dir, { recursive: true, force: true });
    forget();
    return said.trim().split('\n').pop();
  };
}
