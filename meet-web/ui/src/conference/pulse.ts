const LOOK_EVERY_MS = 500;
/** So many looks in a row that find something make a flow; so many that find nothing after one are silence. */
const FLOW_LOOKS = 4;
const SILENT_LOOKS = 2;
/** The same where there was no flow, as when all are mute: browsers check the way every two and a half seconds. */
const IDLE_LOOKS = 7;

/** How much has come in over a connection: bytes, and answers to checks, so that a call in which all are mute lives. */
async function received(pc: RTCPeerConnection): Promise<number> {
  let sum = 0;
  (await pc.getStats()).forEach((report: Readonly<Record<string, unknown>>) => {
    if (report['type'] === 'candidate-pair') {
      sum += Number(report['bytesReceived'] ?? 0) + Number(report['responsesReceived'] ?? 0);
    }
  });
  return sum;
}

/** When a receiver has played something last, by its own clock; 0 for never. */
const played = (receiver: RTCRtpReceiver): number => Math.max(0, ...receiver.getSynchronizationSources().map((source) => source.timestamp));

/** Looks whether anything still comes in over a connection; the browser itself says so after six seconds and more. */
export class Pulse {
  readonly #pc: RTCPeerConnection;
  readonly #timer: ReturnType<typeof setInterval>;
  #stopped = false;
  #busy = false;
  /** Who had something new last, most likely has so again: only that one is asked, however many there are. */
  #teller: RTCRtpReceiver | undefined;
  #played = 0;
  /** What had come in at the last look into the statistics; unknown after looks that needed none. */
  #sum: number | undefined = 0;
  #quiet = 0;
  #found = 0;
  #patience = IDLE_LOOKS;
  /** When something new came in last, as far as we have looked. */
  #at = performance.now();

  /** `silent` is called at every look in a silence, with the time it began; `first` says that it is new. */
  constructor(pc: RTCPeerConnection, silent: (since: number, first: boolean) => void) {
    this.#pc = pc;
    this.#timer = setInterval(() => {
      if (!this.#busy) {
        this.#busy = true;
        void this.#look(silent).finally(() => (this.#busy = false));
      }
    }, LOOK_EVERY_MS);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  async #look(silent: (since: number, first: boolean) => void): Promise<void> {
    const now = performance.now();
    if (this.#plays()) {
      this.#sum = undefined;
      this.#flows(now);
      return;
    }
    // Nothing is played; but there may be answers to checks, or packets that cannot be played yet.
    const sum = await received(this.#pc);
    if (this.#stopped) {
      return;
    }
    const more = this.#sum !== undefined && sum !== this.#sum;
    this.#sum = sum;
    if (more) {
      this.#flows(now);
      return;
    }
    this.#found = 0;
    if (++this.#quiet >= this.#patience && sum > 0) {
      silent(this.#at, this.#quiet === this.#patience);
    }
  }

  #flows(now: number): void {
    this.#found++;
    this.#patience = this.#found >= FLOW_LOOKS ? SILENT_LOOKS : IDLE_LOOKS;
    this.#quiet = 0;
    this.#at = now;
  }

  #plays(): boolean {
    const fresh = (receiver: RTCRtpReceiver): boolean => {
      const at = played(receiver);
      if (at <= this.#played) {
        return false;
      }
      this.#played = at;
      this.#teller = receiver;
      return true;
    };
    return (this.#teller !== undefined && fresh(this.#teller)) || this.#pc.getReceivers().some(fresh);
  }
}
