// The binary under test: started on free ports with a data directory of its own,
// as one process (Server) or as four (Parts).
import { execFile, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { randomBytes, randomInt } from 'node:crypto';
import { token } from './token.mjs';
import { atEnd, owned, tellOnFailure } from './cleanup.mjs';
import { until, PATIENCE } from './wait.mjs';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const BINARY = process.env.PARLEY_BINARY ?? join(ROOT, 'bin', 'parley');

const [FIRST_PORT, PORTS] = [10_500, 9_000];
let lastPort = randomInt(PORTS);

/**
 * A port nobody uses, for TCP or UDP; none is given twice. It is none of those the system hands out (32768 and up): a
 * part that starts a moment later, or again, would find it taken by some outgoing connection of a browser.
 */
export async function freePort() {
  for (let i = 0; i < PORTS; i++) {
    lastPort = (lastPort + 1) % PORTS;
    const port = FIRST_PORT + lastPort;
    if (await bindsTCP(port) && await bindsUDP(port)) return port;
  }
  throw new Error('no free port');
}

function bindsTCP(port) {
  return new Promise((done) => {
    const probe = createServer().once('error', () => done(false)).listen(port, () => probe.close(() => done(true)));
  });
}

function bindsUDP(port) {
  return new Promise((done) => {
    const probe = createSocket('udp4').once('error', () => { probe.close(); done(false); }).bind(port, () => probe.close(() => done(true)));
  });
}

// What both forms have in common: a data directory, ports, a configuration, links and commands.
class Installation {
  async prepare({ resolution = 360 } = {}) {
    if (!existsSync(BINARY)) throw new Error(`no binary at ${BINARY}: run make build`);
    this.data = await mkdtemp(join(tmpdir(), 'parley-test-'));
    atEnd(() => this.stop());
    this.ports = {};
    for (const name of ['udp', 'https', 'http', 'tcp', 'c2s', 'xmppHTTP', 'component', 'colibri', 'metrics']) this.ports[name] = await freePort();
    this.tokenSecret = randomBytes(32).toString('base64url');
    this.base = `http://localhost:${this.ports.http}`;
    this.config = join(this.data, 'parley.yaml');
    const p = this.ports;
    await writeFile(this.config, `
metrics: {serve: '127.0.0.1:${p.metrics}', xmppd: '', focus: '', bridge: '', web: ''}
xmppd:
  c2s_listen: ':${p.c2s}'
  http_listen: '127.0.0.1:${p.xmppHTTP}'
  component_listen: '127.0.0.1:${p.component}'
  token: {secret: '${this.tokenSecret}'}
bridge:
  media: {port: ${p.udp}, tcp: {port: ${p.tcp}}}
  websocket: {listen: '127.0.0.1:${p.colibri}'}
  private_listen: ''
web:
  https_listen: ':${p.https}'
  http_listen: '127.0.0.1:${p.http}'
  page: {resolution: ${resolution}} # four browsers share two cores
`, { mode: 0o600 });
    this.log = '';
    tellOnFailure('the server', () => this.log);
  }

  spawn(command, { data = this.data, env = {} } = {}) {
    const child = owned(spawn(BINARY, [command, '--data', data, '--config', this.config],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } }));
    const hear = (chunk) => {
      this.log += chunk;
      if (process.env.PARLEY_TEST_LOG) process.stderr.write(chunk);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('exit', (code, signal) => { this.log += `(${command} ended: ${signal ?? code})\n`; });
    return child;
  }

  /** A link into a room; claims go into its token. */
  link(room, claims = {}, base = this.base) {
    return `${base}/${room}?jwt=${token(this.tokenSecret, room, claims)}`;
  }

  /** Runs `parley ctl …`; resolves with what it printed, rejects with its complaint. */
  ctl(words, input = '') {
    return new Promise((done, fail) => {
      const child = execFile(BINARY, ['ctl', '--data', this.data, '--config', this.config, ...words], (error, stdout, stderr) => {
        if (error) fail(new Error(`parley ctl ${words[0]}: ${stderr || stdout || error.message}`));
        else done(stdout);
      });
      child.stdin.on('error', () => {}); // it may end without reading
      child.stdin.end(input);
    });
  }

  /** Waits until the page is served and everything behind it is healthy; tells what the server said when it is not. */
  async ready(timeout = PATIENCE) {
    const dead = () => this.children().find((child) => child.exitCode !== null || child.signalCode);
    try {
      await until('the front answers', async () => dead() || (await fetch(`${this.base}/about/health`)).status,
        (status) => status === 200 || dead(), timeout);
      if (dead()) throw new Error(`the server ended by itself (${dead().signalCode ?? dead().exitCode})`);
    } catch (error) {
      throw new Error(`${error.message}\n${this.log}`, { cause: error });
    }
  }
}

const ended = (child) => new Promise((done) => (child.exitCode !== null || child.signalCode ? done() : child.once('exit', done)));

/** `parley serve`. */
export class Server extends Installation {
  static async start(options) {
    const self = new Server();
    await self.prepare(options);
    self.process = self.spawn('serve');
    await self.ready();
    return self;
  }

  children() { return [this.process]; }

  /** Stops it as Ctrl-C does, with three times the time it gives itself. */
  async stop() {
    if (this.process) {
      this.process.kill('SIGINT');
      const hard = setTimeout(() => this.process.kill('SIGKILL'), 50_000);
      await ended(this.process);
      clearTimeout(hard);
    }
    await rm(this.data, { recursive: true, force: true });
  }
}

/** `parley xmppd`, `focus`, `bridge` and `web`, each a process of its own. */
export class Parts extends Installation {
  /** Starts the parts in the given order, without waiting for one before the next. */
  static async start(order) {
    const self = new Parts();
    self.processes = new Map();
    await self.prepare();
    for (const part of order) await self.run(part);
    await self.ready();
    return self;
  }

  children() { return [...this.processes.values()]; }

  async run(part) { this.processes.set(part, this.spawn(part)); }

  /** Kills a part without warning. */
  async kill(part) {
    const child = this.processes.get(part);
    this.processes.delete(part);
    child.kill('SIGKILL');
    await ended(child);
  }

  async stop() {
    await Promise.all([...this.processes.keys()].map((part) => this.kill(part)));
    await rm(this.data, { recursive: true, force: true });
  }
}
