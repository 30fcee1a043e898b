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
import { randomBytes } from 'node:crypto';
import { token } from './token.mjs';
import { until } from './wait.mjs';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const BINARY = process.env.PARLEY_BINARY ?? join(ROOT, 'bin', 'parley');

/** A TCP port nobody listens on at this moment. */
export function freePort() {
  return new Promise((done, fail) => {
    const probe = createServer().once('error', fail).listen(0, () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

/** The same for UDP. */
export function freeUDPPort() {
  return new Promise((done, fail) => {
    const probe = createSocket('udp6').once('error', fail).bind(0, () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

// What both forms have in common: a data directory, ports, a configuration, links and commands.
class Installation {
  async prepare({ resolution = 360 } = {}) {
    if (!existsSync(BINARY)) throw new Error(`no binary at ${BINARY}: run make build`);
    this.data = await mkdtemp(join(tmpdir(), 'parley-test-'));
    this.ports = { udp: await freeUDPPort() };
    for (const name of ['https', 'http', 'tcp', 'c2s', 'xmppHTTP', 'component', 'colibri', 'metrics']) this.ports[name] = await freePort();
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
  }

  spawn(command) {
    const child = spawn(BINARY, [command, '--data', this.data, '--config', this.config], { stdio: ['ignore', 'pipe', 'pipe'] });
    const hear = (chunk) => {
      this.log += chunk;
      if (process.env.PARLEY_TEST_LOG) process.stderr.write(chunk);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
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

  /** Waits until the page is served and everything behind it is healthy. */
  ready(timeout = 15_000) {
    return until('the front answers', async () => (await fetch(`${this.base}/about/health`)).status, (status) => status === 200, timeout)
      .catch((error) => { throw new Error(`${error.message}\n${this.log}`); });
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

  async stop() {
    this.process.kill('SIGINT');
    const hard = setTimeout(() => this.process.kill('SIGKILL'), 10_000);
    await ended(this.process);
    clearTimeout(hard);
    await rm(this.data, { recursive: true, force: true });
  }
}

/** `parley xmppd`, `focus`, `bridge` and `web`, each a process of its own. */
export class Parts extends Installation {
  /** Starts the parts in the given order, without waiting for one before the next. */
  static async start(order) {
    const self = new Parts();
    await self.prepare();
    self.processes = new Map();
    for (const part of order) await self.run(part);
    await self.ready();
    return self;
  }

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
