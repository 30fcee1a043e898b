import { signal } from '@preact/signals';
import { LevelMeter } from '../rtc/level';
import type { Conference } from './conference';
import type { LocalMedia } from './localmedia';

const POLL_MS = 250;
/** Sound above this counts as speech; between words the ring stays for HOLD_MS. */
const REMOTE_THRESHOLD = 0.02;
const LOCAL_THRESHOLD = 0.45;
const HOLD_MS = 600;

/** Who is speaking at the moment, heard at our end; the bridge's word counts too. */
export class Speaking {
  readonly ids = signal<ReadonlySet<string>>(new Set());
  /** Our own microphone, 0 … 1, muted or not. */
  readonly level = signal(0);
  readonly #conference: Conference;
  readonly #local: LocalMedia;
  readonly #heard = new Map<string, number>();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #stop: () => void;
  #meter: LevelMeter | undefined;

  constructor(conference: Conference, local: LocalMedia) {
    this.#conference = conference;
    this.#local = local;
    this.#timer = setInterval(() => this.#poll(), POLL_MS);
    this.#stop = local.mic.subscribe((track) => {
      this.#meter?.close();
      this.#meter = track === null ? undefined : new LevelMeter(track, (level) => (this.level.value = level));
      this.level.value = 0;
    });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#stop();
    this.#meter?.close();
  }

  #poll(): void {
    const now = performance.now();
    const people = this.#conference.participants.list.value;
    for (const receiver of this.#conference.call?.peer?.pc.getReceivers() ?? []) {
      const person = receiver.track.kind === 'audio' ? people.find((p) => p.audio === receiver.track) : undefined;
      const loudest = Math.max(0, ...receiver.getSynchronizationSources().map((s) => s.audioLevel ?? 0));
      if (person !== undefined && !person.audioMuted && loudest > REMOTE_THRESHOLD) {
        this.#heard.set(person.id, now);
      }
    }
    if (!this.#local.micMuted && this.level.value > LOCAL_THRESHOLD) {
      this.#heard.set(this.#conference.endpointId.value, now);
    }
    const ids = new Set([...this.#heard].filter(([, at]) => now - at < HOLD_MS).map(([id]) => id));
    const known = this.ids.value;
    if (ids.size !== known.size || [...ids].some((id) => !known.has(id))) {
      this.ids.value = ids;
    }
  }
}
