// A server on this machine, people near it, and people behind a network of their own that a test makes bad.
import { after, afterEach, before } from 'node:test';
import { Namespace, noNamespaces } from './netns.mjs';
import { Participant } from './participant.mjs';
import { Server } from './server.mjs';

export class Outskirts {
  /**
   * Has both made before the tests of a file and ended after them; after each one everybody goes home. `skip` says why
   * the tests cannot be run, if they cannot.
   */
  static async prepare(options = { resolution: 720 }) {
    const self = new Outskirts();
    self.people = [];
    self.skip = await noNamespaces();
    before(async () => {
      if (self.skip) return;
      self.space = await Namespace.create();
      self.server = await Server.start(options);
    });
    // Also after a test that failed: who stays would keep the processor from the next one.
    afterEach(async () => { if (!self.skip) await self.home(); });
    after(async () => {
      await self.server?.stop();
      await self.space?.destroy();
    });
    return self;
  }

  /** A person on this machine. */
  near(room, name, options = {}) {
    return this.enter(this.server.link(room, { name, moderator: true }), { name, ...options });
  }

  /** A person behind the namespace's network; the page comes by HTTPS from the machine's address there. */
  far(room, name, options = {}) {
    const url = this.server.link(room, { name }, `https://${this.space.host}:${this.server.ports.https}`);
    return this.enter(url, { name, netns: this.space.name, ...options });
  }

  async enter(url, options) {
    const person = await Participant.arrive(url, options);
    this.people.push(person);
    return person.join();
  }

  async leave() { await Promise.all(this.people.splice(0).map((p) => p.close())); }

  /** Everybody leaves, and the network is good again. */
  async home() {
    await this.leave();
    await this.space.filter();
  }
}
