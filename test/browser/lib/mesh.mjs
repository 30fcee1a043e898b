// Several bridges on this machine, each a process with ports and a data directory of its own, that serve one meeting
// together: every participant is put on another one.
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Parts, freePort } from './server.mjs';
import { until } from './wait.mjs';

export class Mesh extends Parts {
  static async start(names) {
    const self = new Mesh();
    self.processes = new Map();
    self.environment = { focus: { PARLEY_FOCUS_BRIDGE_SELECTION_STRATEGY: 'split' } };
    self.directories = {};
    await self.prepare();
    const fronts = {};
    for (const name of names) {
      const [udp, tcp, colibri] = [await freePort(), await freePort(), await freePort()];
      fronts[name] = `127.0.0.1:${colibri}`;
      self.environment[name] = {
        PARLEY_BRIDGE_RELAY_ID: name, PARLEY_BRIDGE_REGION: name, PARLEY_BRIDGE_WEBSOCKET_SERVER_ID: name,
        PARLEY_BRIDGE_MEDIA_PORT: udp, PARLEY_BRIDGE_MEDIA_TCP_PORT: tcp, PARLEY_BRIDGE_WEBSOCKET_LISTEN: fronts[name],
      };
    }
    const text = await readFile(self.config, 'utf8');
    const bridges = Object.entries(fronts).map(([name, at]) => `${name}: '${at}'`).join(', ');
    await writeFile(self.config, text.replace('\nweb:\n', `\nweb:\n  bridges: {${bridges}}\n`));
    for (const part of ['xmppd', 'web', 'focus']) await self.run(part);
    await self.ready();
    for (const name of names) {
      // What an operator would carry over to another machine: the secrets, and the certificate to trust.
      const directory = self.directories[name] = await mkdtemp(join(tmpdir(), 'parley-bridge-'));
      await mkdir(join(directory, 'tls'), { mode: 0o700 });
      for (const file of ['secrets.yaml', 'tls/cert.pem']) await copyFile(join(self.data, file), join(directory, file));
      await self.run(name);
    }
    await until('the focus knows the bridges', () => self.log.split('Added new videobridge').length - 1, (n) => n >= names.length)
      .catch((error) => { throw new Error(`${error.message}\n${self.log}`); });
    return self;
  }

  async run(part) {
    const bridge = this.directories[part];
    this.processes.set(part, this.spawn(bridge ? 'bridge' : part, { data: bridge, env: this.environment[part] }));
  }

  async stop() {
    await super.stop();
    await Promise.all(Object.values(this.directories).map((directory) => rm(directory, { recursive: true, force: true })));
  }
}
