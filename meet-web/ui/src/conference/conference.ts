import { computed, signal } from '@preact/signals';
import { BoshTransport } from '../xmpp/bosh';
import { discoInfoAnswer } from '../xmpp/caps';
import { StanzaError } from '../xmpp/errors';
import { decodeFocusPresence, decodeServices } from '../xmpp/focus';
import { bareJid, domainOf, endpointIdFor, randomHex } from '../xmpp/jid';
import { decodeMessage, decodePresence, encodeMessage, encodePresence, leavePresence } from '../xmpp/muc';
import type { Departure, Occupant, OwnPresence } from '../xmpp/muc';
import { NS } from '../xmpp/ns';
import { Stream } from '../xmpp/stream';
import type { CloseReason } from '../xmpp/stream';
import type { Transport } from '../xmpp/transport';
import { WebSocketTransport } from '../xmpp/websocket';
import { child, el } from '../xmpp/xml';
import type { XmlElement } from '../xmpp/xml';
import { Call } from './call';
import type { MediaState, ReceiveWishes } from './call';
import { Chat } from './chat';
import { carrierUrl } from './config';
import type { AppConfig } from './config';
import { askForConference } from './entrance';
import { Handover } from './handover';
import type { LocalMedia, MediaSlot } from './localmedia';
import { Participants } from './participants';
import { joinMayBeRetried, refusalOfJoin, refusalOfLogin } from './token';
import type { Refusal } from './token';

/**
 * Where we stand towards the room.
 *
 * connecting → ready → joining → joined → left
 *      ↘ refused      ↘ refused    ↘ ended (kicked, destroyed)
 *      ↘ unreachable (and back by itself)
 */
export type Phase =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'joining' }
  | { readonly kind: 'joined' }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'unreachable'; readonly detail: string }
  | { readonly kind: 'ended'; readonly why: 'kicked' | 'banned' | 'destroyed'; readonly by: string; readonly reason: string }
  | { readonly kind: 'left' };

/** How the signalling fares while we are in the room. */
export type Link = { readonly kind: 'up' } | { readonly kind: 'resuming'; readonly attempt: number; readonly secondsLeft: number } | { readonly kind: 'rejoining' };

/** Things worth a short notice. The page finds the words. */
export type Notice =
  | { readonly kind: 'joined' | 'left'; readonly name: string }
  | { readonly kind: 'moderator' }
  | { readonly kind: 'muted-by-moderator'; readonly what: 'audio' | 'video' }
  | { readonly kind: 'chat'; readonly name: string; readonly text: string }
  | { readonly kind: 'media-refused' }
  | { readonly kind: 'focus-gone' };

export interface ConferenceOptions {
  readonly config: AppConfig;
  /** Room node, folded. */
  readonly room: string;
  readonly token: string;
  readonly page: URL;
  readonly local: LocalMedia;
  readonly displayName: string;
  readonly onNotice: (notice: Notice) => void;
}

const MAX_JOIN_RETRIES = 3;
const REJOIN_PAUSES_MS = [100, 500, 1_000, 2_000, 3_000];
const FOCUS_PAUSE_MS = 2_000;
/** People who were there before us are no news. */
const ARRIVAL_GRACE_MS = 1_500;

/** One visit to one room, over as many streams as the network makes necessary. */
export class Conference {
  readonly phase = signal<Phase>({ kind: 'connecting' });
  readonly link = signal<Link>({ kind: 'up' });
  readonly media = signal<MediaState>('waiting');
  readonly noBridge = signal(false);
  readonly channelOpen = signal(true);
  readonly dominant = signal('');
  readonly moderator = signal(false);
  /** The person has asked to join and is not in yet. */
  readonly entering = signal(false);
  readonly subject = signal('');
  readonly endpointId = signal('');
  readonly displayName;
  readonly participants = new Participants();
  readonly chat = new Chat();
  readonly alone = computed(() => this.participants.list.value.length === 0);
  /** Milliseconds of the page's clock, for measuring how long joining takes. */
  readonly times: { joinClicked?: number; joined?: number; mediaConnected?: number; firstRemoteFrame?: number } = {};

  readonly #options: ConferenceOptions;
  readonly #room: string;
  #stream: Stream | undefined;
  #call: Call | undefined;
  #focusJid: string;
  #iceServers: RTCIceServer[] = [];
  #wantJoin = false;
  #entering = false;
  #everJoined = false;
  #joinedAt = 0;
  #joinRetries = 0;
  #screenEver = false;
  #rejoins = 0;
  #sentPresence = '';
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wishes: ReceiveWishes | undefined;
  #unsubscribe: (() => void)[] = [];
  readonly #handover = new Handover(this.participants, () => (this.media.value = this.#call?.state ?? 'waiting'));

  constructor(options: ConferenceOptions) {
    this.#options = options;
    this.#room = `${options.room}@${options.config.muc}`;
    this.#focusJid = options.config.focusUser;
    this.displayName = signal(options.displayName);
    options.local.onChange = (slot) => this.#localChanged(slot);
  }

  /** The address of the room on the server. */
  get roomJid(): string {
    return this.#room;
  }

  get call(): Call | undefined {
    return this.#call;
  }

  get #occupantJid(): string {
    return `${this.#room}/${this.endpointId.value}`;
  }

  /** After a refusal that time may have cured. */
  tryAgain(): void {
    this.phase.value = { kind: 'connecting' };
    this.connect();
  }

  /** Logs in ahead of the join, so that a refused link is told at once and joining is quick. */
  connect(): void {
    clearTimeout(this.#timer);
    const { config, token } = this.#options;
    const host = token === '' && config.anonymousDomain !== '' ? config.anonymousDomain : config.domain;
    const stream: Stream = new Stream({
      host,
      carriers: this.#carriers(host),
      onState: (state) => this.#stream === stream && this.#streamState(state),
      onStanza: (stanza) => this.#stream === stream && this.#stanza(stanza),
      onClosed: (reason) => this.#stream === stream && this.#streamClosed(reason),
      onRetry: (attempt, secondsLeft) => {
        if (this.#stream === stream && this.phase.value.kind === 'joined') {
          this.link.value = { kind: 'resuming', attempt, secondsLeft };
        }
      },
    });
    this.#stream = stream;
    stream.handleIq(NS.DISCO_INFO, 'query', (iq) => discoInfoAnswer(child(iq, 'query')?.attrs['node']));
    stream.handleIq(NS.PING, 'ping', () => undefined);
    stream.handleIq(NS.JITMEET_AUDIO, 'mute', (iq) => this.#muteRequest(iq, 'audio'));
    stream.handleIq(NS.JITMEET_VIDEO, 'mute', (iq) => this.#muteRequest(iq, 'video'));
    stream.connect();
  }

  join(displayName: string): void {
    this.displayName.value = displayName;
    this.times.joinClicked = performance.now();
    this.#wantJoin = true;
    this.entering.value = true;
    if (this.phase.value.kind === 'ready') {
      void this.#enter();
    }
  }

  setDisplayName(name: string): void {
    this.displayName.value = name;
    this.#sendPresence(false);
  }

  sendChat(text: string): void {
    const id = randomHex(16);
    this.chat.sending(id, text, this.displayName.value);
    this.#stream?.send(encodeMessage(this.#room, id, text));
  }

  setWishes(wishes: ReceiveWishes): void {
    this.#wishes = wishes;
    this.#call?.setWishes(wishes);
  }

  /** Tries again at once, whatever we are waiting for. */
  retryNow(): void {
    if (this.phase.value.kind === 'unreachable' || this.link.value.kind === 'rejoining') {
      this.connect();
    } else if (this.media.value === 'failed') {
      this.#call?.restartNow();
    } else {
      this.#stream?.retryNow();
    }
  }

  /** The machine slept: neither the session nor the media may have survived it. */
  woken(): void {
    this.retryNow();
    void this.#call?.probe();
  }

  /** Leaves politely; also from `pagehide`. */
  leave(): void {
    clearTimeout(this.#timer);
    this.#wantJoin = false;
    const stream = this.#stream;
    this.#stream = undefined;
    this.#teardown();
    stream?.close(...(this.endpointId.value === '' ? [] : [leavePresence(this.#occupantJid), el(NS.CLIENT, 'presence', { type: 'unavailable' })]));
    this.#options.local.stopAll();
    this.phase.value = { kind: 'left' };
  }

  #carriers(host: string): ((previd: string) => Transport)[] {
    const { config, page, room, token } = this.#options;
    const query = (previd: string): Record<string, string> => ({ room: decodeURIComponent(room), token, previd });
    const overSocket = (previd: string): Transport => new WebSocketTransport(carrierUrl(config.websocket, page, 'ws', query(previd)), host);
    const overBosh = (): Transport => new BoshTransport(carrierUrl(config.bosh, page, 'http', query('')), host);
    const both = [...(config.websocket === '' ? [] : [overSocket]), ...(config.bosh === '' ? [] : [overBosh])];
    return config.preferBosh ? both.reverse() : both;
  }

  #streamState(state: Stream['state']): void {
    if (state !== 'online') {
      return;
    }
    const stream = this.#stream;
    if (this.phase.value.kind === 'joined' && this.link.value.kind === 'resuming') {
      this.link.value = { kind: 'up' };
      return;
    }
    if (stream === undefined || this.#entering) {
      return;
    }
    void this.#askServices(stream);
    if (this.phase.value.kind !== 'joined') {
      this.phase.value = { kind: 'ready' };
    }
    if (this.#wantJoin) {
      void this.#enter();
    }
  }

  async #askServices(stream: Stream): Promise<void> {
    try {
      this.#iceServers = decodeServices(await stream.iq('get', this.#options.config.domain, el(NS.EXTDISCO, 'services')));
    } catch {
      // A server without relays says so with an error; the bridge's own address will do.
    }
  }

  #streamClosed(reason: CloseReason): void {
    this.#stream = undefined;
    this.#entering = false;
    if (this.#call !== undefined && (reason.kind === 'lost' || reason.kind === 'unreachable')) {
      this.#handover.begin(this.#call);
      this.#call = undefined;
    }
    this.#forget();
    switch (reason.kind) {
      case 'local':
        return;
      case 'refused':
        this.#handover.end();
        this.phase.value = { kind: 'refused', refusal: refusalOfLogin(reason.text, this.#options.token) };
        return;
      case 'unreachable':
      case 'lost':
        this.#reconnectLater(reason.detail);
    }
  }

  /** The session is gone: begin a new one, as often as it takes. */
  #reconnectLater(detail: string): void {
    const pause = REJOIN_PAUSES_MS[Math.min(this.#rejoins, REJOIN_PAUSES_MS.length - 1)] ?? 3_000;
    this.#rejoins++;
    if (this.#everJoined) {
      this.link.value = { kind: 'rejoining' };
    } else if (this.#rejoins > 1) {
      this.phase.value = { kind: 'unreachable', detail };
    }
    this.#timer = setTimeout(() => this.connect(), pause * (0.75 + Math.random() / 2));
  }

  #teardown(): void {
    this.#handover.end();
    this.#forget();
  }

  /** What belongs to one session with the server goes with it. */
  #forget(): void {
    this.#unsubscribe.forEach((stop) => stop());
    this.#unsubscribe = [];
    this.#call?.close();
    this.#call = undefined;
    this.#joinedAt = 0;
    this.participants.clear();
    this.dominant.value = '';
  }

  async #enter(): Promise<void> {
    const stream = this.#stream;
    if (stream === undefined || this.#entering) {
      return;
    }
    this.#entering = true;
    if (!this.#everJoined) {
      this.phase.value = { kind: 'joining' };
    }
    try {
      await this.#requestConference(stream);
    } catch (error) {
      this.#entering = false;
      if (this.#stream === stream) {
        this.#conferenceRefused(error);
      }
      return;
    }
    if (this.#stream !== stream) {
      return;
    }
    this.endpointId.value = endpointIdFor(stream.jid);
    this.#joinedAt = 0;
    this.#startCall(stream);
    this.#sendPresence(true);
  }

  async #requestConference(stream: Stream): Promise<void> {
    this.#focusJid = await askForConference(stream, this.#options.config, this.#room);
  }

  #conferenceRefused(error: unknown): void {
    const info = error instanceof StanzaError ? error.info : undefined;
    const serverText = info === undefined ? String(error) : info.text || info.condition;
    // What is only late is asked again, as long as the person has not given up.
    if (this.#everJoined) {
      this.link.value = { kind: 'rejoining' };
      this.#timer = setTimeout(() => void this.#enter(), 2_000);
      return;
    }
    const refusal = refusalOfJoin({ condition: 'remote-server-timeout', text: serverText, tags: [] }, this.#options.token);
    this.phase.value = { kind: 'refused', refusal: info?.condition === 'not-authorized' ? { ...refusal, code: 'A10' } : refusal };
    this.#closeStream();
  }

  #closeStream(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#entering = false;
    this.#teardown();
    stream?.close();
  }

  #startCall(stream: Stream): void {
    const { config, local } = this.#options;
    const call = new Call({
      stream,
      focus: `${this.#room}/focus`,
      endpointId: this.endpointId.value,
      local,
      participants: this.participants,
      simulcast: config.simulcast,
      preferSctp: config.preferSctp,
      lastN: config.lastN,
      iceServers: () => this.#iceServers,
      onState: (state) => {
        if (state === 'connected') {
          this.times.mediaConnected ??= performance.now();
        }
        if (!this.#handover.running) {
          this.media.value = state;
        }
      },
      onRefused: () => this.#options.onNotice({ kind: 'media-refused' }),
    });
    this.#call = call;
    if (!this.#handover.running) {
      this.media.value = call.state;
    }
    this.#unsubscribe.push(
      call.dominant.subscribe((id) => (this.dominant.value = id)),
      call.channelOpen.subscribe((open) => (this.channelOpen.value = open)),
    );
    if (this.#wishes !== undefined) {
      call.setWishes(this.#wishes);
    }
  }

  #ownPresence(): OwnPresence {
    const { local, config } = this.#options;
    const id = this.endpointId.value;
    this.#screenEver ||= local.screen.value !== null;
    return {
      displayName: this.displayName.value,
      region: config.region,
      sources: {
        [`${id}-a0`]: { muted: local.micMuted },
        [`${id}-v0`]: { muted: local.cameraMuted, videoType: 'camera' },
        ...(this.#screenEver ? { [`${id}-v1`]: { muted: local.screen.value === null, videoType: 'desktop' as const } } : {}),
      },
    };
  }

  #sendPresence(joining: boolean): void {
    if (this.endpointId.value !== '' && (joining || this.#joinedAt !== 0)) {
      const own = this.#ownPresence();
      this.#sentPresence = JSON.stringify(own);
      this.#stream?.send(encodePresence(this.#occupantJid, own, joining));
    }
  }

  #localChanged(slot: MediaSlot): void {
    this.#call?.localChanged(slot);
    this.#handover.localChanged(slot);
    this.#sendPresence(false);
  }

  #stanza(stanza: XmlElement): void {
    if (stanza.name === 'presence') {
      this.#presence(stanza);
    } else if (stanza.name === 'message') {
      this.#message(stanza);
    }
  }

  #presence(stanza: XmlElement): void {
    const event = decodePresence(stanza, this.#room);
    switch (event?.kind) {
      case 'here':
        if (this.#isFocus(event.occupant)) {
          this.noBridge.value = decodeFocusPresence(event.presence).bridgeNotAvailable;
        } else if (event.occupant.self || event.occupant.nick === this.endpointId.value) {
          this.#selfHere(event.occupant);
        } else if (!this.#hidden(event.occupant)) {
          this.#otherHere(event.occupant);
        }
        break;
      case 'gone':
        this.#gone(event.departure);
        break;
      case 'error':
        this.#joinRefused(event.error);
        break;
      case undefined:
        break;
    }
  }

  /** The focus is known by its real address; in rooms that hide addresses, by its nick. */
  #isFocus(occupant: Occupant): boolean {
    return occupant.jid === '' ? occupant.nick === 'focus' : bareJid(occupant.jid) === this.#focusJid || occupant.nick === 'focus';
  }

  #hidden(occupant: Occupant): boolean {
    const { hiddenDomain } = this.#options.config;
    return hiddenDomain !== '' && domainOf(occupant.jid) === hiddenDomain;
  }

  #selfHere(occupant: Occupant): void {
    const moderator = occupant.role === 'moderator';
    if (moderator && !this.moderator.value) {
      this.#options.onNotice({ kind: 'moderator' });
    }
    this.moderator.value = moderator;
    if (this.#joinedAt !== 0) {
      return;
    }
    this.#joinedAt = Date.now();
    this.#entering = false;
    this.#joinRetries = 0;
    this.#rejoins = 0;
    this.times.joined ??= performance.now();
    this.#everJoined = true;
    this.entering.value = false;
    this.link.value = { kind: 'up' };
    this.phase.value = { kind: 'joined' };
    if (this.#call !== undefined) {
      this.#handover.joined(this.#call);
    }
    // A device that opened while we were entering is news to the room.
    if (this.#sentPresence !== JSON.stringify(this.#ownPresence())) {
      this.#sendPresence(false);
    }
  }

  #otherHere(occupant: Occupant): void {
    const fresh = this.participants.put(occupant) && !this.#handover.expects(occupant.displayName);
    if (fresh && this.#joinedAt !== 0 && Date.now() - this.#joinedAt > ARRIVAL_GRACE_MS) {
      this.#options.onNotice({ kind: 'joined', name: this.participants.nameOf(occupant.nick) ?? '' });
    }
  }

  #gone(departure: Departure): void {
    if (departure.nick === 'focus') {
      this.#focusGone();
      return;
    }
    if (departure.self || departure.nick === this.endpointId.value) {
      this.#thrownOut(departure);
      return;
    }
    const name = this.participants.nameOf(departure.nick);
    if (name !== undefined && this.participants.remove(departure.nick)) {
      this.participants.removeSources((s) => s.owner === departure.nick);
      this.#call?.left(departure.nick);
      this.#options.onNotice({ kind: 'left', name });
    }
  }

  /** The media goes on without the focus; asking for the conference again brings one back. */
  #focusGone(): void {
    const stream = this.#stream;
    if (stream === undefined || this.#joinedAt === 0) {
      return;
    }
    this.#options.onNotice({ kind: 'focus-gone' });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#requestConference(stream).catch(() => this.#stream === stream && this.#focusGone());
    }, FOCUS_PAUSE_MS);
  }

  #thrownOut(departure: Departure): void {
    const why = departure.destroyed ? 'destroyed' : departure.banned ? 'banned' : departure.kicked ? 'kicked' : undefined;
    if (why === undefined) {
      // Dropped by the room for no fault of ours, for example after a bounced stanza.
      this.#teardown();
      this.link.value = { kind: 'rejoining' };
      this.#timer = setTimeout(() => void this.#enter(), 1_000);
      return;
    }
    const by = this.participants.nameOf(departure.actor) ?? departure.actor;
    this.#wantJoin = false;
    this.#closeStream();
    this.#options.local.stopAll();
    this.phase.value = { kind: 'ended', why, by, reason: departure.reason };
  }

  #joinRefused(error: { type: string; condition: string; text: string; tags: readonly string[] }): void {
    if (this.#joinedAt !== 0) {
      console.warn('presence refused', error.condition, error.text);
      return;
    }
    if (joinMayBeRetried(error) && this.#joinRetries < MAX_JOIN_RETRIES) {
      this.#joinRetries++;
      this.#timer = setTimeout(() => this.#sendPresence(true), 500 * 1.5 ** this.#joinRetries);
      return;
    }
    this.#closeStream();
    this.phase.value = { kind: 'refused', refusal: refusalOfJoin(error, this.#options.token) };
  }

  #message(stanza: XmlElement): void {
    const event = decodeMessage(stanza, this.#room);
    switch (event?.kind) {
      case 'chat': {
        const { message } = event;
        const own = message.nick === this.endpointId.value;
        const name = own ? this.displayName.value : this.participants.nameOf(message.nick) ?? message.nameHint;
        if (message.nick !== '' && this.chat.received(message, name, own) && !this.chat.open.value) {
          this.#options.onNotice({ kind: 'chat', name, text: message.text });
        }
        break;
      }
      case 'subject':
        this.subject.value = event.subject;
        break;
      case 'error':
        this.chat.refused(event.id, event.error.text || event.error.condition);
        break;
      case undefined:
        break;
    }
  }

  #muteRequest(iq: XmlElement, what: 'audio' | 'video'): undefined {
    if (iq.attrs['from'] !== `${this.#room}/focus`) {
      throw new StanzaError({ type: 'auth', condition: 'forbidden', text: '', tags: [] });
    }
    const { local } = this.#options;
    if (child(iq, 'mute')?.text.trim() !== 'false') {
      void (what === 'audio' ? local.setMic(false) : local.setCamera(false));
      this.#options.onNotice({ kind: 'muted-by-moderator', what });
    }
    return undefined;
  }
}
