// Every part on a machine of its own: a network namespace, a settings file and a data directory each, and
// nothing let in but what the parts are documented to need of each other.
import { spawn, execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BINARY } from './server.mjs';
import { Network } from './network.mjs';
import { token } from './token.mjs';
import { atEnd, owned } from './cleanup.mjs';
import { until, PATIENCE } from './wait.mjs';

const run = promisify(execFile);
const secret = () => randomBytes(32).toString('base64url');

export class Apart {
  /** Prepares the machines; `run` starts a part on its own. */
  static async create() {
    const self = new Apart();
    self.processes = new Map();
    self.logs = {};
    self.net = await Network.create('xmppd', 'focus', 'bridge', 'web');
    self.dir = await mkdtemp(join(tmpdir(), 'parley-apart-'));
    atEnd(() => self.destroy());
    await self.configure();
    return self;
  }

  async configure() {
    const { net, dir } = this;
    const [xmppd, focus, bridge, web] = ['xmppd', 'focus', 'bridge', 'web'].map((name) => net.at(name));
    const keys = { token: secret(), focus: secret(), component: secret(), bridge: secret() };
    this.tokenSecret = keys.token;
    this.base = `https://${web}:8443`;
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
  }

  link(room, claims = {}) { return `${this.base}/${room}?jwt=${token(this.tokenSecret, room, claims)}`; }

  run(part) {
    const child = owned(spawn('ip', ['netns', 'exec', this.net.space(part), BINARY, part,
      '--data', join(this.dir, part), '--config', join(this.dir, `${part}.yaml`)], { stdio: ['ignore', 'pipe', 'pipe'] }));
    this.logs[part] ??= '';
    const hear = (chunk) => { this.logs[part] += chunk; };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    this.processes.set(part, child);
  }

  /** Kills a part without warning. */
  async kill(part) {
    const child = this.processes.get(part);
    this.processes.delete(part);
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await gone;
  }

  /**
   * Resets a part's connections to another as a router that forgot them does; neither side has asked for it. False
   * where the kernel does not offer that.
   */
  async cut(part, other) {
    const { stdout } = await this.net.exec(part, 'ss', '-H', '-K', 'dst', this.net.at(other));
    return stdout.trim() !== '';
  }

  /** Waits for a line in a part's log. */
  says(part, text, timeout = PATIENCE) {
    return until(`${part} says ${text}`, () => this.logs[part].includes(text), Boolean, timeout)
      .catch((error) => { throw new Error(`${error.message}\n${this.story()}`); });
  }

  story() { return Object.entries(this.logs).map(([part, text]) => `${part}:\n${text.slice(-4000)}`).join('\n'); }

  async destroy() {
    await Promise.all([...this.processes.keys()].map((part) => this.kill(part)));
    await this.net.destroy();
    await rm(this.dir, { recursive: true, force: true });
  }
}
