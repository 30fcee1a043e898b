import { signal } from '@preact/signals';
import { BridgeChannel, channelAddress } from '../rtc/channel';
import { encodeReceiverConstraints, encodeVideoType } from '../rtc/bridgemsg';
import type { BridgeEvent } from '../rtc/bridgemsg';
import { PeerSession } from '../rtc/peer';
import { StanzaError } from '../xmpp/errors';
import { decodeJingle, encodeAccept, encodeRestart, encodeSourceAdd, JingleError } from '../xmpp/jingle';
import type { JingleRequest, Offer } from '../xmpp/jingle';
import type { XmlElement } from '../xmpp/xml';
import { NS } from '../xmpp/ns';
import type { Stream } from '../xmpp/stream';
import type { LocalMedia, MediaSlot } from './localmedia';
import type { Participants } from './participants';
import { Pulse } from './pulse';

/**
 * Where the media stands. `waiting`: nobody to talk to, or not invited yet.
 * `interrupted`: there was media and it is being restored. `failed`: given up.
 */
export type MediaState = 'waiting' | 'connecting' | 'connected' | 'interrupted' | 'failed';

export interface CallOptions {
  readonly stream: Stream;
  /** The focus's address in the room; Jingle from anybody else is refused. */
  readonly focus: string;
  readonly endpointId: string;
  readonly local: LocalMedia;
  readonly participants: Participants;
  readonly simulcast: boolean;
  readonly preferSctp: boolean;
  readonly lastN: number;
  readonly iceServers: () => RTCIceServer[];
  readonly onState: (state: MediaState) => void;
  /** The browser would not have what the focus offered (C13). */
  readonly onRefused: (error: unknown) => void;
}

/** What the layout asks of the bridge. */
export interface ReceiveWishes {
  readonly heights: Readonly<Record<string, number>>;
  readonly stage: readonly string[];
}

const MAX_RESTARTS = 3;
/** The focus refuses restarts closer together than five seconds. */
const RESTART_PAUSE_MS = 5_500;
/** Before this long a path that went quiet usually comes back by itself. */
const QUIET_MS = 1_500;
/** For this long the signalling must have worked without the media coming back, until a new session is asked for. */
const NURSE_MS = 3_000;
const NURSE_STEP_MS = 500;
/** After an outage of everything, media comes back as soon as the signalling, or not at all. */
const SETTLE_MS = 500;

function jingleRefusal(condition: string, tag: string): StanzaError {
  return new StanzaError({ type: 'cancel', condition, text: '', tags: [tag] });
}

/** The media half of a conference: Jingle sessions with the focus, one after the other. */
export class Call {
  readonly #options: CallOptions;
  readonly dominant = signal('');
  readonly channelOpen = signal(false);
  #session: PeerSession | undefined;
  #offer: Offer | undefined;
  #channel: BridgeChannel | undefined;
  #state: MediaState = 'waiting';
  #wishes: ReceiveWishes = { heights: {}, stage: [] };
  #sentWishes = '';
  #restarts = 0;
  #lastRestart = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #detached = false;
  #pulse: Pulse | undefined;

  constructor(options: CallOptions) {
    this.#options = options;
    options.stream.handleIq(NS.JINGLE, 'jingle', (iq) => this.#handle(iq));
  }

  get peer(): PeerSession | undefined {
    return this.#session;
  }

  get state(): MediaState {
    return this.#state;
  }

  setWishes(wishes: ReceiveWishes): void {
    this.#wishes = wishes;
    this.#sendWishes(false);
  }

  /** A local track came, went, or was muted. */
  localChanged(slot: MediaSlot): void {
    const session = this.#session;
    void session?.setTrack(slot, this.#options.local.track(slot)).catch((error: unknown) => console.warn('changing track', slot, error));
    this.#sendVideoTypes();
  }

  left(id: string): void {
    this.#session?.removeOwner(id);
  }

  close(): void {
    this.#drop();
    this.#setState('waiting');
  }

  /**
   * The signalling is gone and the media goes on by itself: from now on the call says nothing to anybody. Its owner
   * passes on changes of our tracks, and closes it.
   */
  detach(): void {
    clearTimeout(this.#timer);
    this.#pulse?.stop();
    this.#detached = true;
  }

  /** Of how many people sound and pictures have come in. */
  async arrived(): Promise<{ audio: number; video: number }> {
    const owners = { audio: new Set<string>(), video: new Set<string>() };
    (await this.#session?.pc.getStats())?.forEach((report: Readonly<Record<string, unknown>>) => {
      const { type, kind, mid } = report;
      const source = typeof mid === 'string' ? this.#session?.sourceOfMid(mid) : undefined;
      if (type === 'inbound-rtp' && source !== undefined && Number(kind === 'video' ? report['framesDecoded'] : report['packetsReceived']) > 0) {
        owners[source.kind].add(source.owner);
      }
    });
    return { audio: owners.audio.size, video: owners.video.size };
  }

  #setState(state: MediaState): void {
    if (this.#state !== state) {
      this.#state = state;
      if (!this.#detached) {
        this.#options.onState(state);
      }
    }
  }

  /** The people shown, as long as they are ours to change. */
  get #people(): Participants | undefined {
    return this.#detached ? undefined : this.#options.participants;
  }

  #handle(iq: XmlElement): XmlElement | undefined {
    if (iq.attrs['from'] !== this.#options.focus) {
      throw jingleRefusal('item-not-found', 'unknown-session');
    }
    let request: JingleRequest;
    try {
      request = decodeJingle(iq);
    } catch (error) {
      if (error instanceof JingleError) {
        console.warn('jingle request refused:', error.message);
        throw new StanzaError({ type: 'modify', condition: 'bad-request', text: error.message, tags: [] });
      }
      throw error;
    }
    this.#dispatch(request);
    return undefined;
  }

  #dispatch(request: JingleRequest): void {
    if (request.action === 'session-initiate') {
      if (request.sid === this.#offer?.sid) {
        throw jingleRefusal('service-unavailable', '');
      }
      this.#begin(request.offer);
      return;
    }
    if (request.sid !== this.#offer?.sid) {
      throw jingleRefusal('item-not-found', 'unknown-session');
    }
    switch (request.action) {
      case 'source-add':
        this.#people?.addSources(request.sources);
        this.#session?.addSources(request.sources);
        break;
      case 'source-remove': {
        const names = new Set(request.sources.map((s) => s.name));
        this.#people?.removeSources((s) => names.has(s.name));
        this.#session?.removeSources(request.sources);
        break;
      }
      case 'session-terminate':
        console.info('session ended by the focus:', request.reason, request.text);
        this.#drop();
        // A session that idled out is no loss; a moved one is followed by a new offer.
        this.#setState(request.reason === 'expired' ? 'waiting' : 'interrupted');
        break;
      default:
        throw jingleRefusal('bad-request', '');
    }
  }

  /** Takes a new offer, whether or not an older session still stands. */
  #begin(offer: Offer): void {
    const again = this.#session !== undefined || this.#state === 'interrupted';
    this.#drop();
    this.#offer = offer;
    const { endpointId, local, stream, focus } = this.#options;
    this.#people?.addSources(offer.sources);
    this.#setState(again ? 'interrupted' : 'connecting');
    let session: PeerSession;
    try {
      session = this.#session = new PeerSession({
        offer,
        endpointId,
        iceServers: this.#options.iceServers(),
        simulcast: this.#options.simulcast,
        tracks: { a0: local.track('a0'), v0: local.track('v0'), v1: local.track('v1') },
        handlers: {
          accept: async (answer, sources) => {
            await stream.iq('set', focus, encodeAccept(offer, answer, sources, focus, stream.jid));
            this.#sendWishes(true);
          },
          announce: async (source) => {
            await stream.iq('set', focus, encodeSourceAdd(offer.sid, [source], focus));
          },
          tracks: (tracks) => this.#people?.setTracks(tracks),
          connection: (state) => this.#session === session && this.#connection(state),
          failed: (error) => this.#session === session && this.#failed(error),
        },
      });
    } catch (error) {
      // WebRTC is switched off in this browser: stay in the room as a reader.
      this.#options.onRefused(error);
      this.#setState('failed');
      return;
    }
    session.start();
    if (local.track('v1') !== null) {
      void session.setTrack('v1', local.track('v1'));
    }
    this.#openChannel(offer, session);
  }

  #openChannel(offer: Offer, session: PeerSession): void {
    const channel = new BridgeChannel({
      open: () => {
        this.#sendVideoTypes();
        this.#sendWishes(true);
      },
      message: (event) => this.#bridgeEvent(event),
      state: (open) => (this.channelOpen.value = open),
    });
    this.#channel = channel;
    const sctp = offer.sctpPort === undefined ? undefined : () => session.openDataChannel();
    const address = offer.channelUrl === undefined ? undefined : channelAddress(offer.channelUrl, location);
    channel.connect(this.#options.preferSctp && sctp !== undefined ? undefined : address, sctp);
  }

  #drop(): void {
    clearTimeout(this.#timer);
    this.#pulse?.stop();
    this.#channel?.close();
    this.#channel = undefined;
    this.channelOpen.value = false;
    this.#session?.close();
    this.#session = undefined;
    this.#offer = undefined;
    this.#sentWishes = '';
    this.#people?.setTracks(new Map());
    this.#people?.setForwarded(undefined);
    this.#people?.removeSources(() => true);
  }

  #connection(state: RTCPeerConnectionState): void {
    clearTimeout(this.#timer);
    switch (state) {
      case 'connected':
        this.#restarts = 0;
        this.#setState('connected');
        this.#watch();
        break;
      case 'disconnected':
        this.#timer = setTimeout(() => this.#nurse(NURSE_MS), QUIET_MS);
        break;
      case 'failed':
        this.#setState('interrupted');
        this.#scheduleRestart('ICE FAILED');
        break;
      case 'new':
      case 'connecting':
      case 'closed':
        break;
    }
  }

  /**
   * Waits for media that stopped. Where the signalling works meanwhile, it is the way of the media that is gone, at
   * the bridge perhaps; browsers say so after half a minute.
   */
  #nurse(left: number): void {
    this.#setState('interrupted');
    const up = this.#options.stream.state === 'online';
    if (up && left <= 0) {
      this.#scheduleRestart('ICE FAILED');
      return;
    }
    this.#timer = setTimeout(() => this.#nurse(up ? left - NURSE_STEP_MS : Math.min(left + NURSE_STEP_MS, NURSE_MS)), NURSE_STEP_MS);
  }

  #watch(): void {
    this.#pulse?.stop();
    const session = this.#session;
    if (session !== undefined && !this.#detached) {
      this.#pulse = new Pulse(session.pc, (since, first) => this.#silent(since, first));
    }
  }

  /**
   * Nothing comes in. Perhaps our network is another one now, which browsers do not always say and do not move a
   * call to. The signalling tells: where it had to begin anew since, and the media is silent still, a new session
   * will find the way from here.
   */
  #silent(since: number, first: boolean): void {
    const { stream } = this.#options;
    if (first) {
      stream.retryNow();
    }
    if (stream.state === 'online' && stream.resumedAt > since && performance.now() - stream.resumedAt >= SETTLE_MS) {
      this.#pulse?.stop();
      this.#setState('interrupted');
      this.#scheduleRestart('ICE FAILED');
    }
  }

  /** After the machine slept: what does not flow now will not flow again. */
  async probe(): Promise<void> {
    const session = this.#session;
    const received = async (): Promise<number> => {
      let packets = 0;
      (await session?.pc.getStats())?.forEach((report: Readonly<Record<string, unknown>>) => {
        packets += report['type'] === 'inbound-rtp' ? Number(report['packetsReceived'] ?? 0) : 0;
      });
      return packets;
    };
    const before = await received();
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    if (before > 0 && this.#session === session && this.#state === 'connected' && (await received()) === before) {
      clearTimeout(this.#timer);
      this.#nurse(0);
    }
  }

  #failed(error: unknown): void {
    console.error('media session', error);
    this.#options.onRefused(error);
    this.#scheduleRestart('offer could not be applied');
  }

  /** Asks the focus for a fresh session, not too often. */
  #scheduleRestart(text: string): void {
    if (this.#detached) {
      return;
    }
    if (this.#restarts >= MAX_RESTARTS) {
      this.#setState('failed');
      return;
    }
    const pause = Math.max(0, this.#lastRestart + RESTART_PAUSE_MS * (this.#restarts + 1) - Date.now());
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#restart(text), pause);
  }

  /** For the person who does not want to wait, after giving up. */
  restartNow(): void {
    this.#restarts = 0;
    this.#setState('interrupted');
    this.#scheduleRestart('asked for by the person');
  }

  async #restart(text: string): Promise<void> {
    const offer = this.#offer;
    if (offer === undefined) {
      return;
    }
    this.#restarts++;
    this.#lastRestart = Date.now();
    try {
      await this.#options.stream.iq('set', this.#options.focus, encodeRestart(offer, this.#options.focus, text));
    } catch (error) {
      console.warn('restart refused', error);
      if (this.#offer === offer) {
        this.#scheduleRestart(text);
      }
    }
  }

  #bridgeEvent(event: BridgeEvent): void {
    switch (event.kind) {
      case 'dominant-speaker':
        this.dominant.value = event.endpoint;
        break;
      case 'connectivity':
        this.#people?.setInterrupted(event.endpoint, !event.active);
        break;
      case 'sender-constraints':
        this.#session?.restrict(event.source, event.maxHeight);
        break;
      case 'forwarded-sources':
        this.#people?.setForwarded(event.sources);
        break;
      case 'hello':
      case 'endpoint-message':
      case 'unknown':
        break;
    }
  }

  #sendVideoTypes(): void {
    const { local, endpointId } = this.#options;
    this.#channel?.send(encodeVideoType(`${endpointId}-v0`, local.cameraMuted ? 'none' : 'camera'));
    if (local.screen.value !== null) {
      this.#channel?.send(encodeVideoType(`${endpointId}-v1`, 'desktop'));
    }
  }

  #sendWishes(force: boolean): void {
    const { heights, stage } = this.#wishes;
    const message = encodeReceiverConstraints({
      lastN: this.#options.lastN,
      selectedSources: [],
      onStageSources: stage,
      // Tiles that scrolled out of sight keep a small picture, so that they are not black when they come back.
      defaultMaxHeight: 180,
      maxHeights: heights,
    });
    if (this.#channel?.isOpen === true && (force || message !== this.#sentWishes)) {
      this.#sentWishes = message;
      this.#channel.send(message);
    }
  }
}

