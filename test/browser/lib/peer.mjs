// Other programs as peers: they speak JSON lines on standard output.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { owned } from './cleanup.mjs';
import { until, PATIENCE } from './wait.mjs';

const PEERS = join(dirname(fileURLToPath(import.meta.url)), '..', 'peers');
const PYTHON = '/usr/bin/python3'; // Debian's interpreter: its packages are not seen by any other

export class Peer {
  /** Starts peers/NAME with Debian's Python. */
  static python(name, ...args) {
    if (!existsSync(PYTHON)) throw new Error(`no ${PYTHON}: run test/setup.sh`);
    const self = new Peer();
    self.events = [];
    self.errors = '';
    self.process = owned(spawn(PYTHON, [join(PEERS, name), ...args], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' } }));
    let rest = '';
    self.process.stdout.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) self.events.push(JSON.parse(line));
    });
    self.process.stderr.on('data', (chunk) => { self.errors += chunk; });
    self.process.once('close', () => { self.over = true; }); // and has said all it had to say
    return self;
  }

  /** Starts a program for terminals in one of its own; see `shows`. */
  static terminal(...program) { return Peer.python('terminal.py', ...program); }

  /** Waits until the screen of a terminal shows a text. */
  async shows(pattern, timeout = PATIENCE) {
    const text = await until(`the screen shows ${pattern}`, () => this.events.at(-1)?.text ?? '',
      (screen) => this.over || pattern.test(screen), timeout);
    if (!pattern.test(text)) throw new Error(`it ended without showing ${pattern}:\n${text}\n${this.errors}`);
    return text;
  }

  /** Waits for an event that has all the given fields. */
  async event(fields, timeout = PATIENCE) {
    const fits = (e) => Object.entries(fields).every(([k, v]) => e[k] === v);
    const found = await until(JSON.stringify(fields), () => this.events.find(fits) ?? null, (event) => event || this.over, timeout)
      .catch((error) => { throw new Error(`${error.message}\n${this.errors}`); });
    if (!found) throw new Error(`it ended without ${JSON.stringify(fields)}: ${JSON.stringify(this.events.slice(-5))}\n${this.errors}`);
    return found;
  }

  line(text) { this.process.stdin.write(`${text}\n`); }

  async stop() {
    if (this.process.exitCode !== null || this.process.signalCode) return;
    const gone = new Promise((done) => this.process.once('exit', done));
    this.process.stdin.end('/quit\n');
    setTimeout(() => this.process.kill('SIGKILL'), 15_000).unref();
    await gone;
  }
}
