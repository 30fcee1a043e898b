import { Serial } from '../lib/serial';
import type { Answer, Offer, Source } from '../xmpp/jingle';
import { encodingsFor, type EncodingSetting } from './encodings';
import { Redundancy } from './redundancy';
import { addSimulcast, readAnswer, readOwnSource, RemoteDescription } from './sdp';
import type { Line } from './sdp';

/** What we send, by the part after the endpoint id in the source's name. */
export type OwnSlot = 'a0' | 'v0' | 'v1';

export interface PeerHandlers {
  /** The first answer is ready: tell the focus. Rejects when the focus refuses. */
  accept(answer: Answer, sources: readonly Source[]): Promise<void>;
  /** A source of ours that came later. */
  announce(source: Source): Promise<void>;
  /** All remote tracks by source name; called after each change. */
  tracks(tracks: ReadonlyMap<string, MediaStreamTrack>): void;
  connection(state: RTCPeerConnectionState): void;
  failed(error: unknown): void;
}

export interface PeerOptions {
  readonly offer: Offer;
  readonly endpointId: string;
  readonly iceServers: RTCIceServer[];
  readonly simulcast: boolean;
  readonly tracks: Readonly<Record<OwnSlot, MediaStreamTrack | null>>;
  readonly handlers: PeerHandlers;
}

const DATA_CHANNEL_LABEL = 'JVB data channel';
const DATA_CHANNEL_PROTOCOL = 'http://jitsi.org/protocols/colibri';

function slotOf(name: string): OwnSlot | undefined {
  const slot = name.slice(name.lastIndexOf('-') + 1);
  return slot === 'a0' || slot === 'v0' || slot === 'v1' ? slot : undefined;
}

// How long a picture goes on being sent as tall as before when less of it is wanted. An encoder
// that was stopped takes over a second to begin again, and most lulls are short: somebody reloads,
// or the bridge hears of a new viewer before it hears what the viewer wants.
const LINGER_MS = 5000;

/** How often to look whether the way from us has room for sound that repeats itself. */
const LOOK_EVERY_MS = 1000;

const tall = (maxHeight: number): number => (maxHeight < 0 ? Infinity : maxHeight);

const settled = (encoding: RTCRtpEncodingParameters, wanted: EncodingSetting | undefined): boolean =>
  Object.entries(wanted ?? {}).every(([key, value]) => encoding[key as keyof RTCRtpEncodingParameters] === value);

const FIREFOX = navigator.userAgent.includes('Firefox');

/** Firefox sends what it likes whatever SSRCs its description names: there one layer is the honest announcement. */
const LAYERS_BY_DESCRIPTION = !FIREFOX;

/** Firefox leaves a source on the line that it first came on by payload type, even when it gets a line of its own. */
const HEAR_ON_OWN_LINES = !FIREFOX;

/**
 * One Jingle session with the bridge: a peer connection kept in step with a
 * RemoteDescription. Changes go into the description at once; a single running
 * negotiation brings the connection after it, so that any number of changes in
 * between cost one round.
 */
export class PeerSession {
  readonly pc: RTCPeerConnection;
  readonly #options: PeerOptions;
  readonly #remote: RemoteDescription;
  readonly #serial = new Serial();
  readonly #tracks: Record<OwnSlot, MediaStreamTrack | null>;
  readonly #limits = new Map<OwnSlot, number>();
  readonly #lowering = new Map<OwnSlot, number>();
  readonly #layers: number[] = [];
  readonly #redundancy = new Redundancy();
  #looking: number | undefined;
  #screenLine: Line | undefined;
  #screenAnnounced = false;
  #negotiations = 0;
  #dirty = false;
  #closed = false;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.#tracks = { ...options.tracks };
    this.#remote = new RemoteDescription(options.offer, HEAR_ON_OWN_LINES);
    this.pc = new RTCPeerConnection({ iceServers: options.iceServers, bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' });
    this.pc.onconnectionstatechange = () => options.handlers.connection(this.pc.connectionState);
  }

  start(): void {
    this.#changed();
    if (this.#remote.mayRepeatSound) {
      this.#looking = window.setInterval(() => void this.#watchSound(), LOOK_EVERY_MS);
    }
  }

  addSources(sources: readonly Source[]): void {
    if (this.#remote.add(sources.filter((s) => s.owner !== this.#options.endpointId))) {
      this.#changed();
    }
  }

  removeSources(sources: readonly Source[]): void {
    const names = new Set(sources.map((s) => s.name));
    if (this.#remote.remove((s) => names.has(s.name))) {
      this.#changed();
    }
  }

  removeOwner(owner: string): void {
    if (this.#remote.remove((s) => s.owner === owner)) {
      this.#changed();
    }
  }

  /** Sends another track, or nothing, on a slot; signalling is needed only for the first screen. */
  async setTrack(slot: OwnSlot, track: MediaStreamTrack | null): Promise<void> {
    this.#tracks[slot] = track;
    if (slot === 'v1' && track !== null && this.#screenLine === undefined) {
      this.#screenLine = this.#remote.addOwnLine('video');
      this.#changed();
    }
    await this.#serial.run(() => this.#applyTrack(slot));
  }

  /** The bridge tells how tall a source of ours is wanted: 0 not at all, -1 without limit. */
  restrict(sourceName: string, maxHeight: number): void {
    const slot = slotOf(sourceName);
    if (slot !== undefined && sourceName.startsWith(this.#options.endpointId)) {
      window.clearTimeout(this.#lowering.get(slot));
      const lower = tall(maxHeight) < tall(this.#limits.get(slot) ?? -1);
      if (lower) {
        this.#lowering.set(slot, window.setTimeout(() => this.#limit(slot, maxHeight), LINGER_MS));
      } else {
        this.#limit(slot, maxHeight);
      }
    }
  }

  #limit(slot: OwnSlot, maxHeight: number): void {
    this.#limits.set(slot, maxHeight);
    void this.#serial.run(() => this.#applyLimit(slot)).catch((e: unknown) => console.warn('limiting', slot, e));
  }

  /** Looks how much room there is, and has our sound repeat itself where it can. */
  async #watchSound(): Promise<void> {
    const reports: Readonly<Record<string, unknown>>[] = [];
    const sender = this.#transceiver('a0')?.sender;
    (await sender?.getStats())?.forEach((report: Readonly<Record<string, unknown>>) => reports.push(report));
    const pictures = (['v0', 'v1'] as const).some((slot) => this.#tracks[slot] !== null && this.#limits.get(slot) !== 0);
    if (!this.#closed && this.#remote.repeatSound(this.#redundancy.look(reports, pictures, performance.now()))) {
      this.#changed();
    }
  }

  /** Makes the SCTP bridge channel; usable when the offer had a data content. */
  openDataChannel(): RTCDataChannel {
    const channel = this.pc.createDataChannel(DATA_CHANNEL_LABEL, { protocol: DATA_CHANNEL_PROTOCOL });
    this.#remote.addDataLine();
    this.#changed();
    return channel;
  }

  /** Who a transceiver's line belongs to; for statistics. */
  sourceOfMid(mid: string): Source | undefined {
    return this.#remote.lines.find((l) => l.mid === mid && l.role === 'remote')?.source;
  }

  close(): void {
    if (!this.#closed) {
      this.#closed = true;
      window.clearInterval(this.#looking);
      this.#lowering.forEach((timer) => window.clearTimeout(timer));
      this.#serial.close();
      this.pc.onconnectionstatechange = null;
      this.pc.close();
    }
  }

  #changed(): void {
    if (this.#dirty || this.#closed) {
      return;
    }
    this.#dirty = true;
    this.#serial
      .run(() => this.#negotiate())
      .catch((error: unknown) => this.#failed(error));
  }

  #failed(error: unknown): void {
    if (!this.#closed) {
      this.#options.handlers.failed(error);
    }
  }

  async #negotiate(): Promise<void> {
    this.#dirty = false;
    const first = this.#negotiations++ === 0;
    await this.pc.setRemoteDescription({ type: 'offer', sdp: this.#remote.toSdp() });
    await this.#prepareOwnLines();
    const answer = await this.pc.createAnswer();
    const video = this.#remote.ownLine('video');
    let sdp = answer.sdp ?? '';
    if (this.#options.simulcast && video !== undefined && LAYERS_BY_DESCRIPTION) {
      sdp = addSimulcast(sdp, video.mid, this.#layers);
    }
    await this.pc.setLocalDescription({ type: 'answer', sdp });
    this.#publishTracks();
    if (first) {
      const local = this.pc.localDescription?.sdp ?? sdp;
      // Not awaited: the stream keeps the order, and the next change need not wait for the focus.
      this.#options.handlers.accept(readAnswer(local, this.#remote.lines), this.#ownSources(local)).catch((error: unknown) => this.#failed(error));
    }
    for (const slot of ['v0', 'v1'] as const) {
      await this.#applyLimit(slot);
    }
    await this.#announceScreen();
  }

  /** Before an answer: our lines must be willing to send, with or without a track. */
  async #prepareOwnLines(): Promise<void> {
    for (const slot of ['a0', 'v0', 'v1'] as const) {
      const transceiver = this.#transceiver(slot);
      if (transceiver !== undefined && transceiver.direction !== 'sendrecv' && transceiver.direction !== 'sendonly') {
        transceiver.direction = slot === 'v1' ? 'sendonly' : 'sendrecv';
        await transceiver.sender.replaceTrack(this.#tracks[slot]);
      }
    }
  }

  #lineOf(slot: OwnSlot): Line | undefined {
    return slot === 'v1' ? this.#screenLine : this.#remote.ownLine(slot === 'a0' ? 'audio' : 'video');
  }

  #transceiver(slot: OwnSlot): RTCRtpTransceiver | undefined {
    const mid = this.#lineOf(slot)?.mid;
    return mid === undefined ? undefined : this.pc.getTransceivers().find((t) => t.mid === mid);
  }

  async #applyTrack(slot: OwnSlot): Promise<void> {
    const sender = this.#transceiver(slot)?.sender;
    if (sender !== undefined && sender.track !== this.#tracks[slot]) {
      await sender.replaceTrack(this.#tracks[slot]);
      await this.#applyLimit(slot);
    }
  }

  async #applyLimit(slot: OwnSlot): Promise<void> {
    const sender = slot === 'a0' ? undefined : this.#transceiver(slot)?.sender;
    if (sender === undefined) {
      return;
    }
    const parameters = sender.getParameters();
    if (parameters.encodings.length === 0) {
      return;
    }
    const { width = 1280, height = 720 } = this.#tracks[slot]?.getSettings() ?? {};
    const wanted = encodingsFor(parameters.encodings.length, { width, height }, this.#limits.get(slot) ?? -1, slot === 'v1');
    // Setting what is set already would make the encoder begin anew.
    if (parameters.encodings.every((encoding, index) => settled(encoding, wanted[index]))) {
      return;
    }
    parameters.encodings.forEach((encoding, index) => Object.assign(encoding, wanted[index]));
    await sender.setParameters(parameters);
  }

  #ownSource(local: string, slot: OwnSlot): Source | undefined {
    const line = this.#lineOf(slot);
    const own = line === undefined ? undefined : readOwnSource(local, line.mid);
    if (line === undefined || own === undefined) {
      return undefined;
    }
    const { endpointId } = this.#options;
    const kind = slot === 'a0' ? 'audio' : 'video';
    return {
      owner: endpointId,
      name: `${endpointId}-${slot}`,
      kind,
      msid: `${endpointId}-${kind}-${slot === 'v1' ? 1 : 0}-1 ${endpointId}-${slot}-${own.ssrcs[0] ?? 0}`,
      videoType: slot === 'v1' ? 'desktop' : 'camera',
      ...own,
    };
  }

  #ownSources(local: string): Source[] {
    return (['a0', 'v0'] as const).flatMap((slot) => this.#ownSource(local, slot) ?? []);
  }

  async #announceScreen(): Promise<void> {
    if (this.#screenAnnounced || this.#screenLine === undefined) {
      return;
    }
    const source = this.#ownSource(this.pc.localDescription?.sdp ?? '', 'v1');
    if (source !== undefined) {
      this.#screenAnnounced = true;
      await this.#options.handlers.announce(source);
    }
  }

  #publishTracks(): void {
    const tracks = new Map<string, MediaStreamTrack>();
    const transceivers = this.pc.getTransceivers();
    for (const line of this.#remote.lines) {
      const track = line.role === 'remote' ? transceivers.find((t) => t.mid === line.mid)?.receiver.track : undefined;
      if (line.source !== undefined && track !== undefined) {
        tracks.set(line.source.name, track);
      }
    }
    this.#options.handlers.tracks(tracks);
  }
}
