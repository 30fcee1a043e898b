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

/** Looks whether anything still comes in over a connection; the browser itself says so after six seconds and more. */
export class Pulse {
  readonly #timer: ReturnType<typeof setInterval>;
  #stopped = false;
  #busy = false;
  #last = 0;
  #quiet = 0;
  #found = 0;
  #patience = IDLE_LOOKS;
  /** When something new came in last, as far as we have looked. */
  #at = performance.now();

  /** `silent` is called at every look in a silence, with the time it began; `first` says that it is new. */
  constructor(pc: RTCPeerConnection, silent: (since: number, first: boolean) => void) {
    this.#timer = setInterval(() => {
      if (!this.#busy) {
        this.#busy = true;
        void this.#look(pc, silent).finally(() => (this.#busy = false));
      }
    }, LOOK_EVERY_MS);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  async #look(pc: RTCPeerConnection, silent: (since: number, first: boolean) => void): Promise<void> {
    const now = performance.now();
    const sum = await received(pc);
    if (this.#stopped) {
      return;
    }
    if (sum !== this.#last) {
      this.#last = sum;
      this.#found++;
      this.#patience = this.#found >= FLOW_LOOKS ? SILENT_LOOKS : IDLE_LOOKS;
      this.#quiet = 0;
      this.#at = now;
      return;
    }
    this.#found = 0;
    if (++this.#quiet >= this.#patience && sum > 0) {
      silent(this.#at, this.#quiet === this.#patience);
    }
  }
}
