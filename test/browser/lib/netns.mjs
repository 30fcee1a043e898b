// A network namespace as a second host: one veth pair to this machine, rules by nftables.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { atEnd } from './cleanup.mjs';

process.env.PATH += ':/usr/sbin:/sbin'; // where ip and nft are, also for those whose path leaves that out
const run = promisify(execFile);
let count = 0;

/**
 * Why the tests that need network namespaces are skipped, in one sentence: they need root. Undefined for root; a machine
 * that lets not even root make them is an error, or these tests would never be run there and nobody would notice.
 */
export async function noNamespaces() {
  if (process.getuid() !== 0) return 'network namespaces need root: run the tests as root';
  const name = `parley${process.pid}probe`;
  try {
    await sweep();
    await run('ip', ['netns', 'add', name]);
    await run('ip', ['netns', 'exec', name, 'nft', 'table inet probe { }']);
  } catch (error) {
    throw new Error('no network namespaces with a packet filter can be made here, and tests need them: '
      + `run test/setup.sh, and where that does not help, run on a machine that is no container (${error.message.trim().split('\n').pop()})`);
  } finally {
    await run('ip', ['netns', 'del', name]).catch(() => {});
  }
}

/** Removes what test processes that were killed have left: names begin with the number of a process that is gone. */
export async function sweep() {
  const { stdout } = await run('ip', ['-o', 'link', 'show']);
  const links = [...stdout.matchAll(/^\d+: (p[vn]?(\d+)[xn]\d+b?)[@:]/gm)];
  const names = (await run('ip', ['netns', 'list'])).stdout.split('\n').map((line) => line.split(' ')[0]);
  const spaces = names.map((name) => /^p(?:arley)?(\d+)(?:x\d+|n\d+-\w+|probe)$/.exec(name)).filter(Boolean);
  const gone = (pid) => !existsSync(`/proc/${pid}`);
  for (const [name, pid] of spaces) if (gone(pid)) await run('ip', ['netns', 'del', name]).catch(() => {});
  for (const [, name, pid] of links) if (gone(pid)) await run('ip', ['link', 'del', name]).catch(() => {});
}

export class Namespace {
  /** Makes a namespace whose only way out is a link to this machine at `this.host`. */
  static async create() {
    await sweep();
    const self = new Namespace();
    const n = (process.pid % 200) + 20;
    const id = count++;
    self.name = `parley${process.pid}x${id}`;
    self.link = `pv${process.pid}x${id}`;
    self.host = `10.${n}.${id}.1`;
    self.address = `10.${n}.${id}.2`;
    atEnd(() => self.destroy());
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

  /** Lets what goes to the namespace pass at a rate only ('300kbit'), with a queue like a home router's; no rate frees it. */
  async narrow(rate) {
    if (rate) await run('tc', ['qdisc', 'replace', 'dev', this.link, 'root', 'tbf', 'rate', rate, 'burst', '10kb', 'latency', '400ms']);
    else await run('tc', ['qdisc', 'del', 'dev', this.link, 'root']);
  }

  /** A second way out of the namespace opens, and then the first one is gone, with its address: from cable to Wi-Fi. */
  async unplug() {
    const [, n, id] = this.host.split('.').map(Number);
    const link = `${this.link}b`;
    await run('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth1', 'netns', this.name]);
    await run('ip', ['addr', 'add', `10.${n}.${id + 128}.1/24`, 'dev', link]);
    await run('ip', ['link', 'set', link, 'addrgenmode', 'none']);
    await run('ip', ['link', 'set', link, 'up']);
    await this.exec('ip', 'addr', 'add', `10.${n}.${id + 128}.2/24`, 'dev', 'eth1');
    await this.exec('ip', 'link', 'set', 'eth1', 'addrgenmode', 'none');
    await this.exec('ip', 'link', 'set', 'eth1', 'up');
    await this.exec('ip', 'addr', 'del', `${this.address}/24`, 'dev', 'eth0');
    await this.exec('ip', 'link', 'set', 'eth0', 'down');
    await this.exec('ip', 'route', 'replace', 'default', 'via', `10.${n}.${id + 128}.1`);
    this.second = { link, address: `10.${n}.${id + 128}` };
  }

  /** The second way's address goes, and a moment later there is another one: from one Wi-Fi to the next. */
  async roam() {
    const { address } = this.second;
    await this.exec('ip', 'addr', 'del', `${address}.2/24`, 'dev', 'eth1');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await this.exec('ip', 'addr', 'add', `${address}.3/24`, 'dev', 'eth1');
    await this.exec('ip', 'route', 'replace', 'default', 'via', `${address}.1`);
  }

  async destroy() {
    await run('ip', ['netns', 'del', this.name]).catch(() => {});
    await run('ip', ['link', 'del', this.link]).catch(() => {});
    if (this.second) await run('ip', ['link', 'del', this.second.link]).catch(() => {});
  }
}
