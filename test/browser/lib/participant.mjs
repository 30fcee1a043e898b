// A person in a meeting, driven through the page as a person would, and what their browser says of the media.
import { launch, open, reload, visit } from './browser.mjs';
import { until, PATIENCE } from './wait.mjs';

// Runs in the page before its own scripts: remembers every peer connection and samples the decoded frames of every
// person's tile four times a second, so that a gap is seen even when nobody asks at that moment. A person may get a new
// track meanwhile (the meeting began anew). A gap is made of samples that found no new frame since the one before: on a
// machine so slow that the page sleeps between two samples, what was decoded meanwhile still counts.
function watchMedia() {
  const connections = [];
  const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    constructor(...args) {
      super(...args);
      connections.push(this);
    }
  };
  let seen = new Map(); // name → { track, last, frames, gap, longest }
  let began = performance.now();
  let sampled = began;
  let busy = false;
  window.mediaWatch = {
    /** Begins to watch these people. */
    reset(names) {
      seen = new Map(names.map((name) => [name, { track: null, last: 0, frames: 0, gap: 0, longest: 0 }]));
      began = sampled = performance.now();
    },
    async result() {
      await sample();
      return { ms: sampled - began, people: Object.fromEntries(seen) };
    },
    async reports() {
      const out = [];
      for (const pc of connections) {
        if (pc.connectionState === 'closed') continue;
        (await pc.getStats()).forEach((report) => out.push({ ...report }));
      }
      return out;
    },
  };
  const sample = async () => {
    const into = seen;
    const reports = await window.mediaWatch.reports();
    if (into !== seen) return; // begun anew meanwhile
    const now = performance.now();
    const tiles = [...document.querySelectorAll('[data-testid="tile"][data-kind="person"]')];
    for (const [name, known] of into) {
      const track = tiles.find((tile) => tile.dataset.name === name)?.querySelector('video')?.srcObject?.getVideoTracks()[0]?.id ?? null;
      const frames = reports.find((r) => r.type === 'inbound-rtp' && r.kind === 'video' && r.trackIdentifier === track)?.framesDecoded ?? 0;
      const fresh = track === known.track ? frames - known.last : 0; // of a new track, the first sample is where it begins
      known.frames += Math.max(0, fresh);
      known.gap = fresh > 0 ? 0 : known.gap + now - sampled;
      known.longest = Math.max(known.longest, known.gap);
      known.track = track;
      known.last = frames;
    }
    sampled = now;
  };
  setInterval(() => {
    if (busy) return;
    busy = true;
    sample().finally(() => { busy = false; });
  }, 250);
}

export class Participant {
  /** Opens the link in a browser of its own and waits for the pre-join page. */
  static async arrive(url, { name = 'Ann', devices = true, netns, loopback, viewport, flags, context } = {}) {
    const self = new Participant();
    self.name = name;
    self.browser = await launch({ devices, netns, loopback, flags });
    self.page = await open(self.browser, 'about:blank', { devices, viewport, ...context });
    await self.page.addInitScript(watchMedia);
    await visit(self.page, url);
    return self;
  }

  /** Fills in the name and joins; resolves when the call page is there. */
  async join({ timeout = PATIENCE } = {}) {
    await this.page.getByTestId('prejoin-name').fill(this.name, { timeout });
    await this.page.getByTestId('prejoin-join').click({ timeout });
    await this.page.getByTestId('toolbar-leave').waitFor({ timeout });
    return this;
  }

  /** Remote tiles: [{ endpoint, name, track }]. */
  tiles() {
    return this.page.evaluate(() => [...document.querySelectorAll('[data-testid="tile"][data-kind="person"]')]
      .filter((tile) => tile.dataset.endpoint !== window.parley.endpointId)
      .map((tile) => ({
        endpoint: tile.dataset.endpoint,
        name: tile.dataset.name,
        track: tile.querySelector('video')?.srcObject?.getVideoTracks()[0]?.id ?? null,
      })));
  }

  /** Waits until exactly these names have tiles. */
  sees(names, timeout = PATIENCE) {
    const wanted = [...names].sort().join();
    return until(`${this.name} sees ${wanted}`, () => this.tiles(),
      (tiles) => tiles.map((t) => t.name).sort().join() === wanted, timeout);
  }

  reports() { return this.page.evaluate(() => window.mediaWatch.reports()); }

  /** For each remote tile by name: decoded frames so far, and energy of that person's audio is in `audio`. */
  async media() {
    const [tiles, reports] = await Promise.all([this.tiles(), this.reports()]);
    const video = {};
    for (const tile of tiles) {
      const report = reports.find((r) => r.type === 'inbound-rtp' && r.kind === 'video' && r.trackIdentifier === tile.track);
      video[tile.name] = report ? { frames: report.framesDecoded ?? 0, height: report.frameHeight ?? 0 } : null;
    }
    const audio = reports.filter((r) => r.type === 'inbound-rtp' && r.kind === 'audio' && (r.totalAudioEnergy ?? 0) > 0.00001).length;
    return { video, audio };
  }

  /** Waits until video of every named person is being decoded and `audio` people are heard. */
  receives(names, { audio = names.length, timeout = PATIENCE } = {}) {
    return until(`${this.name} receives ${names.join()}`, () => this.media(),
      (m) => names.every((n) => (m.video[n]?.frames ?? 0) > 0) && m.audio >= audio, timeout);
  }

  /**
   * Watches the named people's video for `ms`; returns per name the decoded rate (frames/s) and the
   * longest time without a new frame (ms).
   */
  async watch(names, ms = 10_000) {
    await this.page.evaluate((who) => window.mediaWatch.reset(who), names);
    await this.page.waitForTimeout(ms);
    const seen = await this.page.evaluate(() => window.mediaWatch.result());
    return Object.fromEntries(names.map((name) => {
      const { frames, longest } = seen.people[name];
      return [name, { rate: Math.round(10_000 * frames / seen.ms) / 10, gap: Math.round(longest) }];
    }));
  }

  /**
   * Waits until the named person's video goes on: frames beyond what was decoded at the call, or of a new track or a new
   * connection. A track of the same name in a new connection counts its frames from the beginning.
   */
  async resumes(name, timeout) {
    const before = (await this.tiles()).find((t) => t.name === name)?.track;
    let start = (await this.media()).video[name]?.frames ?? 0;
    return until(`${this.name} gets ${name} back`, async () => {
      const track = (await this.tiles()).find((t) => t.name === name)?.track;
      const frames = (await this.media()).video[name]?.frames ?? 0;
      if (track !== before || (frames > 0 && frames < start)) start = 0;
      return frames - start;
    }, (frames) => frames > 10, timeout);
  }

  /** The selected candidate pair: { remotePort, remoteAddress, protocol, localType, srtp }. */
  async pair() {
    const reports = await this.reports();
    const byId = new Map(reports.map((r) => [r.id, r]));
    const transport = reports.find((r) => r.type === 'transport' && r.selectedCandidatePairId);
    const pair = byId.get(transport?.selectedCandidatePairId);
    const remote = byId.get(pair?.remoteCandidateId);
    const local = byId.get(pair?.localCandidateId);
    return { remotePort: remote?.port, remoteAddress: remote?.address, protocol: remote?.protocol, localType: local?.candidateType, srtp: transport?.srtpCipher };
  }

  /**
   * Waits until media takes this way ('udp' or 'tcp'), and returns the pair. Where a machine or a network is slow, TCP
   * may be the first that works; the session moves to UDP when that is proved to work.
   */
  way(protocol) { return until(`media of ${this.name} goes over ${protocol}`, () => this.pair(), (pair) => pair.protocol === protocol); }

  /** Goes to another link, or to the same one anew. */
  visit(url) { return visit(this.page, url); }
  reload() { return reload(this.page); }

  /** Remembers the media connection, to see later whether it is still the same. */
  mark() { return this.page.evaluate(() => { window.parley.pc.seen = true; }); }
  marked() { return this.page.evaluate(() => window.parley.pc?.seen === true); }

  endpoint() { return this.page.evaluate(() => window.parley.endpointId); }

  /** Waits until the person is in the room again as somebody else, with media. */
  isBack(before, timeout = PATIENCE) {
    return until(`${this.name} is back`, () => this.page.evaluate(() => {
      const { endpointId, state, link, pc } = window.parley;
      return { endpointId, state, link, media: pc?.connectionState };
    }), (p) => p.endpointId !== before && p.state === 'joined' && p.link === 'up' && p.media === 'connected', timeout);
  }

  async say(text) {
    const input = this.page.getByTestId('chat-input');
    if (!await input.isVisible()) await this.page.getByTestId('toolbar-chat').click();
    await input.fill(text);
    await input.press('Enter');
  }

  async hears(text, timeout = PATIENCE) {
    if (!await this.page.getByTestId('chat-input').isVisible()) await this.page.getByTestId('toolbar-chat').click();
    await this.page.getByTestId('chat-message').filter({ hasText: text }).first().waitFor({ timeout });
  }

  async leave() { await this.page.getByTestId('toolbar-leave').click(); }
  async close() { await this.browser.close(); }
}

/** Fails when a gap is longer than `limit` ms; prints what was measured either way. */
export function assertSteady(t, who, watched, limit = 6_000) {
  for (const [name, { rate, gap }] of Object.entries(watched)) {
    t.diagnostic(`${who} ← ${name}: ${rate} frames/s, longest gap ${gap} ms`);
    if (rate === 0 || gap >= limit) throw new Error(`${who} lost ${name}'s video: ${rate} frames/s, longest gap ${gap} ms (limit ${limit})`);
  }
}
