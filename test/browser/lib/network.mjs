// Several network namespaces on one switch, as machines in a rack; this machine is plugged in, too.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { atEnd } from './cleanup.mjs';
import { sweep } from './netns.mjs';

const run = promisify(execFile);
let count = 0;

export class Network {
  /** Makes a namespace for every name; `at(name)` is its address, `here` is this machine's. */
  static async create(...names) {
    await sweep();
    const self = new Network();
    const id = count++;
    const third = (process.pid % 200) + 20;
    self.names = names;
    self.prefix = `10.${200 + id}.${third}`;
    self.here = `${self.prefix}.1`;
    self.tag = `p${process.pid}n${id}`;
    self.bridge = `${self.tag}b`;
    atEnd(() => self.destroy());
    await run('ip', ['link', 'add', self.bridge, 'type', 'bridge']);
    await run('ip', ['addr', 'add', `${self.here}/24`, 'dev', self.bridge]);
    // No address of its own making, which would come a second late and make a browser start anew.
    await run('ip', ['link', 'set', self.bridge, 'addrgenmode', 'none']);
    await run('ip', ['link', 'set', self.bridge, 'up']);
    for (const [i, name] of names.entries()) {
      const port = `${self.tag}v${i}`;
      await run('ip', ['netns', 'add', self.space(name)]);
      await run('ip', ['link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', self.space(name)]);
      await run('ip', ['link', 'set', port, 'master', self.bridge]);
      await run('ip', ['link', 'set', port, 'addrgenmode', 'none']);
      await run('ip', ['link', 'set', port, 'up']);
      await self.exec(name, 'ip', 'addr', 'add', `${self.at(name)}/24`, 'dev', 'eth0');
      await self.exec(name, 'ip', 'link', 'set', 'eth0', 'addrgenmode', 'none');
      await self.exec(name, 'ip', 'link', 'set', 'eth0', 'up');
      await self.exec(name, 'ip', 'link', 'set', 'lo', 'up');
    }
    return self;
  }

  space(name) { return `${this.tag}-${name}`; }
  at(name) { return `${this.prefix}.${this.names.indexOf(name) + 2}`; }
  exec(name, ...command) { return run('ip', ['netns', 'exec', this.space(name), ...command]); }

  /** Lets in only what the rules accept, and answers. */
  async admit(name, ...rules) {
    const accept = ['ct state established,related accept', 'iif lo accept', 'meta l4proto { icmp, ipv6-icmp } accept', ...rules.map((r) => `${r} accept`)];
    await this.exec(name, 'nft', `table inet parley { chain input { type filter hook input priority 0; policy drop; ${accept.join('; ')}; }; }`);
  }

  async destroy() {
    for (const name of this.names) await run('ip', ['netns', 'del', this.space(name)]).catch(() => {});
    await run('ip', ['link', 'del', this.bridge]).catch(() => {});
  }
}
