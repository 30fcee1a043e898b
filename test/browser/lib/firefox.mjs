// Firefox ESR with fake devices, driven by Marionette, the protocol that is built into it: one TCP connection, each
// message a length, a colon and JSON. Nothing else needs to be installed.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd, owned } from './cleanup.mjs';
import { until, PATIENCE } from './wait.mjs';

const EXECUTABLE = process.env.PARLEY_FIREFOX ?? '/usr/bin/firefox-esr';
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'; // the key W3C WebDriver gives an element's reference

const PREFERENCES = {
  'marionette.port': 0, // any; which one stands in a file in the profile
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.autoplay.default': 0,
  'media.gmp-manager.updateEnabled': false,
  'media.volume_scale': '0.01',
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.page': 0,
  'browser.aboutwelcome.enabled': false,
  'app.update.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'toolkit.telemetry.enabled': false,
  'network.proxy.type': 0,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'extensions.getAddons.cache.enabled': false,
  'services.settings.server': 'data:,',
};

export class Firefox {
  /** Starts one with a profile of its own. */
  static async launch() {
    if (!existsSync(EXECUTABLE)) throw new Error(`no Firefox at ${EXECUTABLE}: run test/setup.sh, or set PARLEY_FIREFOX`);
    const self = new Firefox();
    self.profile = await mkdtemp(join(tmpdir(), 'parley-firefox-'));
    atEnd(() => self.close());
    const lines = Object.entries(PREFERENCES).map(([key, value]) => `user_pref(${JSON.stringify(key)}, ${JSON.stringify(value)});\n`);
    await writeFile(join(self.profile, 'user.js'), lines.join(''));
    self.said = '';
    self.process = owned(spawn(EXECUTABLE, ['--headless', '--marionette', '--no-remote', '--profile', self.profile, 'about:blank'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, HOME: self.profile, MOZ_CRASHREPORTER_DISABLE: '1' },
    }));
    for (const stream of [self.process.stdout, self.process.stderr]) stream.on('data', (chunk) => { self.said += chunk; });
    try {
      const port = await until('Firefox listens', async () => Number(await readFile(join(self.profile, 'MarionetteActivePort'), 'utf8')));
      await self.connect(port);
      await self.command('WebDriver:NewSession', { acceptInsecureCerts: true });
      await self.command('WebDriver:SetTimeouts', { script: PATIENCE, pageLoad: PATIENCE, implicit: PATIENCE });
    } catch (error) {
      throw new Error(`${error.message}\n${self.said.slice(-4000)}`, { cause: error });
    }
    return self;
  }

  connect(port) {
    this.waiting = new Map();
    this.sent = 0;
    let data = Buffer.alloc(0);
    return new Promise((done, fail) => {
      this.socket = connect(port, '127.0.0.1').once('error', fail);
      this.socket.on('close', () => {
        for (const { fail: tell } of this.waiting.values()) tell(new Error('Firefox hung up'));
        this.waiting.clear();
      });
      this.socket.on('data', (chunk) => {
        data = Buffer.concat([data, chunk]);
        for (;;) {
          const colon = data.indexOf(':');
          const end = colon + 1 + Number(data.subarray(0, Math.max(0, colon)).toString());
          if (colon < 0 || data.length < end) return;
          const message = JSON.parse(data.subarray(colon + 1, end).toString());
          data = data.subarray(end);
          if (Array.isArray(message)) this.answered(message);
          else done(); // the greeting
        }
      });
    });
  }

  answered([, id, error, result]) {
    const { done, fail } = this.waiting.get(id) ?? {};
    this.waiting.delete(id);
    if (error) fail?.(new Error(`Firefox: ${error.error}: ${error.message}`));
    else done?.(result);
  }

  command(name, parameters = {}) {
    const id = ++this.sent;
    const text = Buffer.from(JSON.stringify([0, id, name, parameters]));
    return new Promise((done, fail) => {
      this.waiting.set(id, { done, fail });
      this.socket.write(Buffer.concat([Buffer.from(`${text.length}:`), text]));
    });
  }

  visit(url) { return this.command('WebDriver:Navigate', { url }); }

  /** Runs a function in the page, which may be asynchronous, and returns what it returns. */
  async evaluate(fn, ...args) {
    const { value } = await this.command('WebDriver:ExecuteScript', { script: `return (${fn})(...arguments)`, args, sandbox: null });
    return value;
  }

  async find(testid) {
    const { value } = await this.command('WebDriver:FindElement', { using: 'css selector', value: `[data-testid="${testid}"]` });
    return value[ELEMENT];
  }

  async click(testid) { await this.command('WebDriver:ElementClick', { id: await this.find(testid) }); }

  /** The page as PNG. */
  async screenshot() {
    const { value } = await this.command('WebDriver:TakeScreenshot', { full: false });
    return Buffer.from(value, 'base64');
  }

  async close() {
    if (this.process.exitCode === null && !this.process.signalCode) {
      const gone = new Promise((done) => this.process.once('exit', done));
      const hard = setTimeout(() => this.process.kill('SIGKILL'), 15_000);
      await this.command('Marionette:Quit', { flags: ['eForceQuit'] }).catch(() => this.process.kill('SIGKILL'));
      await gone;
      clearTimeout(hard);
    }
    this.socket?.destroy();
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
