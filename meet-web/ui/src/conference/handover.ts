import type { Call } from './call';
import type { MediaSlot } from './localmedia';
import type { Participants } from './participants';

const LOOK_EVERY_MS = 100;
/** How long the next call may take, once it is connected, to bring everybody who was there. */
const MAX_WAIT_MS = 6_000;
/** How long after we joined there may be no next call at all: nobody else has come back. */
const MAX_ALONE_MS = 10_000;
/** The others may still be looking at the call of before. */
const LINGER_MS = 2_000;

/**
 * From one session with the server to the next without a gap in picture and sound: the bridge does not need the
 * server to go on with a call. So the call of a lost session is kept, and its people are shown, until the next one
 * brings in as much.
 *
 * idle → holding (the server is away) → joined (the next call begins) → idle
 */
export class Handover {
  readonly #participants: Participants;
  readonly #done: () => void;
  #kept: Call | undefined;
  #next: Call | undefined;
  #names = new Set<string>();
  #wanted = { audio: 0, video: 0 };
  #joinedAt = 0;
  #connectedAt = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  #lingering = new Map<Call, ReturnType<typeof setTimeout>>();

  constructor(participants: Participants, done: () => void) {
    this.#participants = participants;
    this.#done = done;
  }

  get running(): boolean {
    return this.#kept !== undefined;
  }

  /** Takes the call of a lost session over, or closes it when there is nothing in it to keep. */
  begin(call: Call): void {
    const people = this.#participants.list.peek();
    if (this.#kept !== undefined || call.state !== 'connected' || people.length === 0) {
      call.close(); // the server went again before the next call was up: that of before is still shown
      this.#next = undefined;
      return;
    }
    call.detach();
    this.#participants.hold();
    this.#kept = call;
    this.#names = new Set(people.map((p) => p.name));
    this.#wanted = {
      audio: people.filter((p) => p.audio !== undefined && !p.audioMuted).length,
      video: people.filter((p) => p.video !== undefined && !p.videoMuted && !p.videoPaused).length,
    };
    this.#timer = setInterval(() => void this.#look(), LOOK_EVERY_MS);
  }

  /** We are in the room again, and this call is to replace what is shown. */
  joined(next: Call): void {
    if (this.#kept === undefined) {
      return;
    }
    this.#next = next;
    this.#joinedAt = Date.now();
    this.#connectedAt = 0;
  }

  /** Somebody of that name was in the meeting before, and comes back. Says so once. */
  expects(name: string): boolean {
    return this.#names.delete(name);
  }

  localChanged(slot: MediaSlot): void {
    [this.#kept, ...this.#lingering.keys()].forEach((call) => call?.localChanged(slot));
  }

  /** Ends all at once. */
  end(): void {
    clearInterval(this.#timer);
    this.#kept?.close();
    this.#kept = this.#next = undefined;
    this.#names.clear();
    for (const [call, timer] of this.#lingering) {
      clearTimeout(timer);
      call.close();
    }
    this.#lingering.clear();
    if (this.#participants.held) {
      this.#participants.release();
    }
  }

  async #look(): Promise<void> {
    const [kept, next] = [this.#kept, this.#next];
    if (kept !== undefined && ((await this.#enough(next)) || kept.peer?.pc.connectionState === 'failed') && this.#kept === kept && this.#next === next) {
      this.#finish(kept);
    }
  }

  async #enough(next: Call | undefined): Promise<boolean> {
    if (next === undefined) {
      return false;
    }
    const now = Date.now();
    if (next.state !== 'connected') {
      return next.state === 'failed' || now - this.#joinedAt > MAX_ALONE_MS;
    }
    this.#connectedAt ||= now;
    const { audio, video } = await next.arrived();
    return (audio >= this.#wanted.audio && video >= this.#wanted.video) || now - this.#connectedAt > MAX_WAIT_MS;
  }

  #finish(kept: Call): void {
    clearInterval(this.#timer);
    this.#kept = this.#next = undefined;
    this.#participants.release();
    this.#done();
    const timer = setTimeout(() => {
      this.#lingering.delete(kept);
      kept.close();
    }, LINGER_MS);
    this.#lingering.set(kept, timer);
  }
}
