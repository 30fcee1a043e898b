// A network namespace as a second host: one veth pair to this machine, rules by nftables.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
let count = 0;

export class Namespace {
  /** Makes a namespace whose only way out is a link to this machine at `this.host`. */
  static async create() {
    if (process.getuid() !== 0) throw new Error('network namespaces need root: run the tests as root');
    const self = new Namespace();
    const n = (process.pid % 200) + 20;
    const id = count++;
    self.name = `parley${process.pid}x${id}`;
    self.link = `pv${process.pid % 10000}x${id}`;
    self.host = `10.${n}.${id}.1`;
    self.address = `10.${n}.${id}.2`;
    await run('ip', ['netns', 'add', self.name]);
    await run('ip', ['link', 'add', self.link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', self.name]);
    await run('ip', ['addr', 'add', `${self.host}/24`, 'dev', self.link]);
    // No address of its own making, which would come a second late and make a browser start anew.
    await run('ip', ['link', 'set', self.link, 'addrgenmode', 'none']);
    await run('ip', ['link', 'set', self.link, 'up']);
    await self.exec('ip', 'addr', 'add', `${self.address}/24`, 'dev', 'eth0');
    await self.exec('ip', 'link', 'set', 'eth0', 'addrgenmode', 'none');
    await self.exec('ip', 'link', 'set', 'eth0', 'up');
    await self.exec('ip', 'link', 'set', 'lo', 'up');
    await self.exec('ip', 'route', 'add', 'default', 'via', self.host);
    return self;
  }

  exec(...command) { return run('ip', ['netns', 'exec', this.name, ...command]); }

  /** Replaces the namespace's packet filter; rules are applied to what leaves and what enters. */
  async filter(...rules) {
    const body = (hook) => `chain ${hook} { type filter hook ${hook} priority 0; ${rules.map((r) => `${r};`).join(' ')} }`;
    await this.exec('nft', 'flush', 'ruleset');
    if (rules.length > 0) await this.exec('nft', `table inet parley { ${body('input')}; ${body('output')}; }`);
  }

  async destroy() {
    await run('ip', ['netns', 'del', this.name]).catch(() => {});
    await run('ip', ['link', 'del', this.link]).catch(() => {});
  }
}
