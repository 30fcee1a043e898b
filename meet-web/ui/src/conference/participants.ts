import { computed, signal } from '@preact/signals';
import type { ReadonlySignal } from '@preact/signals';
import type { MediaKind, Source } from '../xmpp/jingle';
import type { Occupant } from '../xmpp/muc';

/** A person in the call as the page shows them. Values are replaced, never changed. */
export interface Participant {
  readonly id: string;
  /** Empty when they gave none. */
  readonly name: string;
  readonly local: boolean;
  readonly moderator: boolean;
  /** False for people who only write, such as an ordinary chat client. */
  readonly hasMedia: boolean;
  readonly audioMuted: boolean;
  readonly videoMuted: boolean;
  readonly screenShared: boolean;
  /** The bridge holds the camera picture back, for want of bandwidth. */
  readonly videoPaused: boolean;
  /** The bridge hears nothing from them. */
  readonly interrupted: boolean;
  readonly audio: MediaStreamTrack | undefined;
  readonly video: MediaStreamTrack | undefined;
  readonly screen: MediaStreamTrack | undefined;
}

const HEX_NICK = /^[0-9a-f]{8}$/;

/** What to call somebody: their name, or the nick unless it is a mere endpoint id. */
export function nameOf(occupant: Occupant): string {
  return occupant.displayName !== '' ? occupant.displayName : HEX_NICK.test(occupant.nick) ? '' : occupant.nick;
}

interface Entry {
  occupant: Occupant;
  interrupted: boolean;
}

/** The people in the room besides us, in the order they came. Owned by Conference. */
export class Participants {
  readonly #entries = new Map<string, Entry>();
  readonly #list = signal<readonly Participant[]>([]);
  #tracks: ReadonlyMap<string, MediaStreamTrack> = new Map();
  #sources = new Map<string, Source>();
  #forwarded: ReadonlySet<string> | undefined;
  #held = false;

  readonly list: ReadonlySignal<readonly Participant[]> = this.#list;
  readonly count = computed(() => this.#list.value.length + 1);

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  nameOf(id: string): string | undefined {
    const entry = this.#entries.get(id);
    return entry === undefined ? undefined : nameOf(entry.occupant);
  }

  /** True when the occupant is new. */
  put(occupant: Occupant): boolean {
    const known = this.#entries.get(occupant.nick);
    this.#entries.set(occupant.nick, { occupant, interrupted: known?.interrupted ?? false });
    this.#emit();
    return known === undefined;
  }

  remove(id: string): boolean {
    const known = this.#entries.delete(id);
    if (known) {
      this.#emit();
    }
    return known;
  }

  clear(): void {
    this.#entries.clear();
    this.#tracks = new Map();
    this.#sources.clear();
    this.#forwarded = undefined;
    this.#emit();
  }

  /** Goes on showing what is there now, whatever comes; `clear` and the rest begin the next meeting behind it. */
  hold(): void {
    this.#held = true;
  }

  /** Shows what there is really. */
  release(): void {
    this.#held = false;
    this.#emit();
  }

  get held(): boolean {
    return this.#held;
  }

  setInterrupted(id: string, interrupted: boolean): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined && entry.interrupted !== interrupted) {
      entry.interrupted = interrupted;
      this.#emit();
    }
  }

  addSources(sources: readonly Source[]): void {
    for (const source of sources) {
      this.#sources.set(source.name, source);
    }
    this.#emit();
  }

  removeSources(matches: (source: Source) => boolean): void {
    for (const [name, source] of this.#sources) {
      if (matches(source)) {
        this.#sources.delete(name);
      }
    }
    this.#emit();
  }

  setTracks(tracks: ReadonlyMap<string, MediaStreamTrack>): void {
    this.#tracks = tracks;
    this.#emit();
  }

  /** What the bridge forwards at the moment; undefined while it has not said. */
  setForwarded(names: readonly string[] | undefined): void {
    this.#forwarded = names === undefined ? undefined : new Set(names);
    this.#emit();
  }

  /** The name of a person's source, as the bridge knows it. */
  sourceName(id: string, what: 'audio' | 'camera' | 'screen'): string | undefined {
    return this.#source(id, what === 'audio' ? 'audio' : 'video', what === 'screen')?.name;
  }

  #source(id: string, kind: MediaKind, screen: boolean): Source | undefined {
    for (const source of this.#sources.values()) {
      if (source.owner === id && source.kind === kind && (kind === 'audio' || (source.videoType === 'desktop') === screen)) {
        return source;
      }
    }
    return undefined;
  }

  /** SourceInfo decides where there is one; a client that publishes none sends as long as its source stands. */
  #muted(entry: Entry, suffix: RegExp, videoType: 'camera' | 'desktop', source: Source | undefined): boolean {
    const states = entry.occupant.sources;
    if (states === undefined) {
      return source === undefined;
    }
    return ![...states].some(([name, state]) => suffix.test(name) && state.videoType === videoType && !state.muted);
  }

  #show(id: string, entry: Entry): Participant {
    const [audio, camera, screen] = [this.#source(id, 'audio', false), this.#source(id, 'video', false), this.#source(id, 'video', true)];
    const track = (source: Source | undefined): MediaStreamTrack | undefined => (source === undefined ? undefined : this.#tracks.get(source.name));
    const screenShared = !this.#muted(entry, /-v\d+$/, 'desktop', screen);
    const hasMedia = entry.occupant.meetingClient || entry.occupant.sources !== undefined || audio !== undefined || camera !== undefined;
    return {
      id,
      name: nameOf(entry.occupant),
      local: false,
      moderator: entry.occupant.role === 'moderator',
      hasMedia,
      audioMuted: this.#muted(entry, /-a\d+$/, 'camera', audio),
      videoMuted: this.#muted(entry, /-v\d+$/, 'camera', camera),
      screenShared,
      videoPaused: camera !== undefined && this.#forwarded !== undefined && !this.#forwarded.has(camera.name),
      // A chat client that is offered media never takes it up: nothing of it is lost.
      interrupted: entry.interrupted && hasMedia,
      audio: track(audio),
      video: track(camera),
      screen: screenShared ? track(screen) : undefined,
    };
  }

  #emit(): void {
    if (this.#held) {
      return;
    }
    this.#list.value = [...this.#entries].map(([id, entry]) => this.#show(id, entry));
  }
}
