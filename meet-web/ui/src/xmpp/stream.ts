import { decodeStanzaError, errorElement, NoAnswerError, StanzaError } from './errors';
import { randomHex } from './jid';
import { NS } from './ns';
import { isStanza, StreamManagement } from './sm';
import type { Transport } from './transport';
import { child, children, el, withAttrs, withChildren } from './xml';
import type { XmlElement } from './xml';

/**
 * An authenticated stream to the server, whatever carries it.
 *
 * connecting → online ⇄ reconnecting → closed. `closed` is final; the owner makes
 * a new Stream. While reconnecting, stanzas are kept and go out after the resume.
 */
export type StreamState = 'connecting' | 'online' | 'reconnecting' | 'closed';

/** Why a stream ended for good. */
export type CloseReason =
  | { readonly kind: 'local' }
  /** SASL said no: the person needs another link, trying again is useless. */
  | { readonly kind: 'refused'; readonly condition: string; readonly text: string }
  /** No carrier reached the server. */
  | { readonly kind: 'unreachable'; readonly detail: string }
  /** There was a session; the server no longer knows it. */
  | { readonly kind: 'lost'; readonly detail: string };

export interface StreamOptions {
  readonly host: string;
  /** New carriers, best first. `previd` is the token of the session to take over, if any. */
  readonly carriers: readonly ((previd: string) => Transport)[];
  readonly onState: (state: StreamState) => void;
  /** Presence and messages; IQs that ask something go to `handleIq`. */
  readonly onStanza: (stanza: XmlElement) => void;
  readonly onClosed: (reason: CloseReason) => void;
  /** The next try of a broken stream; for the notice that counts them. */
  readonly onRetry?: (attempt: number, secondsLeft: number) => void;
}

type IqHandler = (iq: XmlElement) => XmlElement | undefined;

interface Pending {
  readonly to: string;
  resolve(result: XmlElement): void;
  reject(error: Error): void;
  timer: ReturnType<typeof setTimeout>;
}

const IQ_TIMEOUT_MS = 10_000;
const PING_EVERY_MS = 10_000;
const PING_TIMEOUT_MS = 5_000;
const PING_TRIES = 2;
/** Of a network that is new, or a machine that slept: resuming a session that is well costs little. */
const PROBE_TIMEOUT_MS = 1_500;
/** A try that has heard nothing for so long may have begun on a network that is gone. */
const STALE_TRY_MS = 1_000;
const RETRY_MS = [300, 700, 1_200, 2_000];

export class Stream {
  readonly #options: StreamOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #iqHandlers = new Map<string, IqHandler>();
  #state: StreamState = 'connecting';
  #transport: Transport | undefined;
  #carrier = 0;
  #sm = new StreamManagement();
  #jid = '';
  #authenticated = false;
  #held: XmlElement[] = [];
  #lostAt = 0;
  #attempt = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #pingTimer: ReturnType<typeof setInterval> | undefined;
  #lastHeard = 0;
  #dialedAt = 0;
  #resumedAt = 0;

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  get state(): StreamState {
    return this.#state;
  }

  /** When the session last went on over a new connection (`performance.now`); 0 if it never had to. */
  get resumedAt(): number {
    return this.#resumedAt;
  }

  /** Our full address; empty until online. */
  get jid(): string {
    return this.#jid;
  }

  connect(): void {
    this.#dial();
  }

  /** Answers IQs whose payload has this name; the returned payload goes into the result. */
  handleIq(ns: string, name: string, handler: IqHandler): void {
    this.#iqHandlers.set(`${ns} ${name}`, handler);
  }

  send(stanza: XmlElement): void {
    if (this.#state === 'closed') {
      return;
    }
    const askNow = this.#sm.countSent(stanza);
    if (this.#state === 'online') {
      this.#transport?.send(stanza);
      if (askNow) {
        this.#transport?.send(this.#sm.request());
      }
    } else if (!this.#sm.enabled) {
      this.#held.push(stanza);
    }
    if (this.#sm.overflowing) {
      this.#close({ kind: 'lost', detail: 'the server confirms nothing' });
    }
  }

  /** Sends an IQ and waits for its answer. A refused one rejects with StanzaError. */
  iq(type: 'get' | 'set', to: string, payload: XmlElement, timeoutMs = IQ_TIMEOUT_MS): Promise<XmlElement> {
    const id = randomHex(12);
    return new Promise((resolve, reject) => {
      if (this.#state === 'closed') {
        reject(new NoAnswerError('stream closed'));
        return;
      }
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new NoAnswerError(`no answer from ${to}`));
      }, timeoutMs);
      this.#pending.set(id, { to, resolve, reject, timer });
      this.send(el(NS.CLIENT, 'iq', { type, id, to }, payload));
    });
  }

  /** Tries again at once, for example because the browser came back online. */
  retryNow(): void {
    if (this.#state === 'reconnecting' && this.#transport === undefined) {
      this.#attempt = 0;
      clearTimeout(this.#retryTimer);
      this.#dial();
    } else if (this.#state === 'reconnecting' && this.#lastHeard < this.#dialedAt && Date.now() - this.#dialedAt >= STALE_TRY_MS) {
      this.#attempt = 0;
      this.#transport?.abort('tried anew');
    } else if (this.#state === 'online') {
      void this.#ping(PROBE_TIMEOUT_MS, 1);
    }
  }

  /** Leaves politely. Works inside `pagehide`. */
  close(...last: XmlElement[]): void {
    if (this.#state === 'closed') {
      return;
    }
    const transport = this.#transport;
    this.#transport = undefined;
    transport?.close(this.#state === 'online' ? last : []);
    this.#close({ kind: 'local' });
  }

  #setState(state: StreamState): void {
    if (this.#state !== state) {
      this.#state = state;
      this.#options.onState(state);
    }
  }

  #dial(): void {
    const make = this.#options.carriers[this.#carrier];
    if (make === undefined) {
      this.#close({ kind: 'unreachable', detail: 'no way to reach the server is configured' });
      return;
    }
    this.#authenticated = false;
    this.#dialedAt = Date.now();
    const transport = make(this.#sm.id);
    this.#transport = transport;
    transport.connect({
      element: (element) => this.#receive(transport, element),
      closed: (established, reason) => this.#transportClosed(transport, established, reason),
    });
  }

  #transportClosed(transport: Transport, established: boolean, reason: string): void {
    if (this.#transport !== transport) {
      return;
    }
    this.#transport = undefined;
    clearInterval(this.#pingTimer);
    if (this.#state === 'connecting') {
      // A carrier that never spoke is replaced by the next one; one that did is a real loss.
      if (!established && this.#carrier + 1 < this.#options.carriers.length) {
        this.#carrier++;
        this.#dial();
        return;
      }
      this.#close({ kind: 'unreachable', detail: reason });
      return;
    }
    if (!this.#sm.canResume || !transport.resumable) {
      this.#close({ kind: 'lost', detail: reason });
      return;
    }
    if (this.#state === 'online') {
      this.#lostAt = Date.now();
      this.#attempt = 0;
      this.#setState('reconnecting');
    }
    this.#scheduleRetry(reason);
  }

  #scheduleRetry(reason: string): void {
    const left = this.#sm.max * 1000 - (Date.now() - this.#lostAt);
    if (left <= 0) {
      this.#close({ kind: 'lost', detail: reason });
      return;
    }
    const pause = RETRY_MS[Math.min(this.#attempt, RETRY_MS.length - 1)] ?? 2_000;
    this.#attempt++;
    this.#options.onRetry?.(this.#attempt, Math.round(left / 1000));
    this.#retryTimer = setTimeout(() => this.#dial(), Math.min(pause * (0.75 + Math.random() / 2), left));
  }

  #receive(transport: Transport, element: XmlElement): void {
    if (this.#transport !== transport) {
      return;
    }
    this.#lastHeard = Date.now();
    if (element.ns === NS.STREAM && element.name === 'features') {
      this.#features(transport, element);
    } else if (element.ns === NS.STREAM && element.name === 'error') {
      const condition = element.children[0]?.name ?? 'unknown';
      transport.abort(`stream error ${condition}`);
    } else if (element.ns === NS.SASL) {
      this.#sasl(transport, element);
    } else if (element.ns === NS.SM) {
      this.#management(transport, element);
    } else if (isStanza(element)) {
      this.#sm.countReceived();
      this.#stanza(element);
    }
  }

  #features(transport: Transport, features: XmlElement): void {
    if (!this.#authenticated) {
      const offered = children(child(features, 'mechanisms', NS.SASL), 'mechanism').map((m) => m.text);
      if (!offered.includes('ANONYMOUS')) {
        this.#close({ kind: 'refused', condition: 'not-authorized', text: 'account required' });
        return;
      }
      transport.send(el(NS.SASL, 'auth', { mechanism: 'ANONYMOUS' }));
      return;
    }
    if (this.#sm.canResume) {
      transport.send(this.#sm.resumeRequest());
      return;
    }
    void this.#bind(transport, features);
  }

  async #bind(transport: Transport, features: XmlElement): Promise<void> {
    try {
      const bound = await this.#rawIq(transport, el(NS.BIND, 'bind'));
      this.#jid = child(child(bound, 'bind', NS.BIND), 'jid')?.text ?? '';
      if (child(features, 'session', NS.SESSION) !== undefined) {
        await this.#rawIq(transport, el(NS.SESSION, 'session'));
      }
    } catch (error) {
      transport.abort(error instanceof Error ? error.message : 'bind refused');
      return;
    }
    if (transport.resumable && child(features, 'sm', NS.SM) !== undefined) {
      transport.send(el(NS.SM, 'enable', { resume: 'true' }));
      return;
    }
    this.#goOnline();
  }

  /** An IQ during negotiation: past the queue and the counters. */
  #rawIq(transport: Transport, payload: XmlElement): Promise<XmlElement> {
    const id = randomHex(8);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new NoAnswerError(`no answer to ${payload.name}`));
      }, IQ_TIMEOUT_MS);
      this.#pending.set(id, { to: '', resolve, reject, timer });
      transport.send(el(NS.CLIENT, 'iq', { type: 'set', id }, payload));
    });
  }

  #sasl(transport: Transport, element: XmlElement): void {
    if (element.name === 'success') {
      this.#authenticated = true;
      transport.restart();
    } else if (element.name === 'failure') {
      const condition = element.children.find((c) => c.name !== 'text')?.name ?? 'not-authorized';
      const text = child(element, 'text')?.text ?? '';
      this.#transport = undefined;
      transport.close([]);
      // During a resume the token may have run out meanwhile: then the session is gone, which the
      // rejoin that follows will explain with a fresh refusal.
      this.#close(this.#state === 'reconnecting' ? { kind: 'lost', detail: text } : { kind: 'refused', condition, text });
    }
  }

  #management(transport: Transport, element: XmlElement): void {
    switch (element.name) {
      case 'enabled':
        this.#sm.enable(element);
        this.#goOnline();
        break;
      case 'r':
        transport.send(this.#sm.answer());
        break;
      case 'a':
        if (!this.#sm.acknowledge(element.attrs['h'])) {
          transport.abort('acknowledged more than was sent');
        }
        break;
      case 'resumed':
        this.#resumed(transport, element);
        break;
      case 'failed':
        if (this.#sm.canResume) {
          this.#transport = undefined;
          transport.close([]);
          this.#close({ kind: 'lost', detail: 'the server no longer knows the session' });
        } else {
          // Stream management refused: the stream works without it.
          this.#goOnline();
        }
        break;
      default:
        break;
    }
  }

  #resumed(transport: Transport, element: XmlElement): void {
    if (!this.#sm.acknowledge(element.attrs['h'])) {
      this.#close({ kind: 'lost', detail: 'the counts do not fit after a resume' });
      return;
    }
    this.#resumedAt = performance.now();
    this.#setState('online');
    for (const stanza of this.#sm.unacked) {
      transport.send(stanza);
    }
    this.#startPing();
  }

  #goOnline(): void {
    this.#setState('online');
    const held = this.#held;
    this.#held = [];
    for (const stanza of held) {
      this.send(stanza);
    }
    this.#startPing();
  }

  #stanza(stanza: XmlElement): void {
    if (stanza.name !== 'iq') {
      this.#options.onStanza(stanza);
      return;
    }
    const type = stanza.attrs['type'];
    if (type === 'result' || type === 'error') {
      this.#answer(stanza);
    } else {
      this.#question(stanza);
    }
  }

  #answer(iq: XmlElement): void {
    const id = iq.attrs['id'] ?? '';
    const pending = this.#pending.get(id);
    // An answer counts only from the one who was asked; the server itself may leave `from` out.
    if (pending === undefined || (pending.to !== '' && iq.attrs['from'] !== undefined && iq.attrs['from'] !== pending.to)) {
      return;
    }
    clearTimeout(pending.timer);
    this.#pending.delete(id);
    if (iq.attrs['type'] === 'error') {
      pending.reject(new StanzaError(decodeStanzaError(iq)));
    } else {
      pending.resolve(iq);
    }
  }

  #question(iq: XmlElement): void {
    const payload = iq.children[0];
    const handler = payload === undefined ? undefined : this.#iqHandlers.get(`${payload.ns} ${payload.name}`);
    let reply = el(NS.CLIENT, 'iq', { type: 'result', id: iq.attrs['id'], to: iq.attrs['from'] });
    if (handler === undefined) {
      reply = withChildren(withAttrs(reply, { type: 'error' }), errorElement('cancel', 'service-unavailable'));
      this.send(reply);
      return;
    }
    try {
      const result = handler(iq);
      this.send(result === undefined ? reply : withChildren(reply, result));
    } catch (error) {
      const info = error instanceof StanzaError ? error.info : undefined;
      if (info === undefined) {
        console.error('answering an IQ', error);
      }
      const answer = errorElement(info?.type ?? 'cancel', info?.condition ?? 'internal-server-error');
      this.send(withChildren(withAttrs(reply, { type: 'error' }), answer));
    }
  }

  #startPing(): void {
    clearInterval(this.#pingTimer);
    this.#lastHeard = Date.now();
    this.#pingTimer = setInterval(() => {
      if (Date.now() - this.#lastHeard >= PING_EVERY_MS - 1_000) {
        void this.#ping(PING_TIMEOUT_MS, PING_TRIES);
      }
    }, PING_EVERY_MS);
  }

  /** Asks for a sign of life; whatever the server says is one. */
  async #ping(patience: number, tries: number): Promise<void> {
    const transport = this.#transport;
    const began = Date.now();
    for (let i = 0; i < tries; i++) {
      try {
        await this.iq('get', this.#options.host, el(NS.PING, 'ping'), patience);
        return;
      } catch (error) {
        if (!(error instanceof NoAnswerError) || this.#transport !== transport || this.#lastHeard > began) {
          return;
        }
      }
    }
    transport?.abort('the server does not answer');
  }

  #close(reason: CloseReason): void {
    if (this.#state === 'closed') {
      return;
    }
    clearTimeout(this.#retryTimer);
    clearInterval(this.#pingTimer);
    const transport = this.#transport;
    this.#transport = undefined;
    transport?.abort('stream closed');
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer);
      pending.reject(new NoAnswerError('stream closed'));
    }
    this.#pending.clear();
    this.#setState('closed');
    this.#options.onClosed(reason);
  }
}
