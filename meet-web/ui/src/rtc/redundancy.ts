/** What statistics tell of the way from us: one report of `getStats`. */
type Report = Readonly<Record<string, unknown>>;

/** From how many bit/s on sound is repeated, and below how many it no longer is: with pictures, which need the room, and without. */
const ROOM = { pictures: { from: 500_000, until: 350_000 }, sound: { from: 100_000, until: 70_000 } };
/** Where so large a share is lost it is repeated on narrower ways, too, which browsers then take for narrower than they are. */
const LOSS = 0.03;
const LOSSY_ROOM = { from: 90_000, until: 60_000 };
const LOSS_WEIGHT = 0.25;
/** No change sooner after the last one: each costs a round of descriptions. */
const STEADY_MS = 5000;

/**
 * Decides whether our sound repeats itself (RED, RFC 2198): where the way from us has room for the 30 kbit/s that costs.
 * It begins without, for nothing is known of the way then, and pictures need all of a narrow one to begin.
 */
export class Redundancy {
  #on = false;
  #loss = 0;
  #changed = -Infinity;
  #heard: unknown;

  /** Takes in statistics of the microphone's sender and whether pictures are sent, too, and says whether to repeat from now on. */
  look(reports: readonly Report[], pictures: boolean, now: number): boolean {
    let room = 0;
    for (const report of reports) {
      if (report['type'] === 'candidate-pair') {
        room = Math.max(room, Number(report['availableOutgoingBitrate'] ?? 0));
      } else if (report['type'] === 'remote-inbound-rtp') {
        this.#heardOf(report);
      }
    }
    const narrow = pictures && this.#loss >= LOSS ? LOSSY_ROOM : pictures ? ROOM.pictures : ROOM.sound;
    const on = room >= (this.#on ? narrow.until : narrow.from);
    if (on !== this.#on && now - this.#changed >= STEADY_MS) {
      this.#on = on;
      this.#changed = now;
    }
    return this.#on;
  }

  /** Each report of the bridge counts once, however often it is looked at. */
  #heardOf(report: Report): void {
    if (report['kind'] === 'audio' && report['timestamp'] !== this.#heard) {
      this.#heard = report['timestamp'];
      this.#loss += LOSS_WEIGHT * (Number(report['fractionLost'] ?? 0) - this.#loss);
    }
  }
}
