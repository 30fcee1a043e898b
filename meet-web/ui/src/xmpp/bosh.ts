import { NS } from './ns';
import type { Transport, TransportHandlers } from './transport';
import { escapeXml, parseXml, serialize } from './xml';
import type { XmlElement } from './xml';

const WAIT_S = 60;
const MAX_RETRIES = 3;
/** A request is given up when the server exceeds its own holding time by this much. */
const GRACE_MS = 10_000;

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Serialises a `<body/>` by hand: it needs the one prefixed attribute XMPP over BOSH has. */
function body(attrs: Record<string, string>, payload: readonly XmlElement[]): string {
  let out = `<body xmlns="${NS.HTTPBIND}" xmlns:xmpp="${NS.XBOSH}"`;
  for (const [key, value] of Object.entries(attrs)) {
    out += ` ${key}="${escapeXml(value)}"`;
  }
  return out + '>' + payload.map((p) => serialize(p, NS.HTTPBIND)).join('') + '</body>';
}

/**
 * BOSH (XEP-0124, XEP-0206) with at most two requests in flight: one the server
 * holds, one that carries what we have to say. Bodies are repeated with the same
 * rid when the network fails; the server answers repeats from its store.
 */
export class BoshTransport implements Transport {
  readonly resumable = false;
  readonly #url: string;
  readonly #host: string;
  readonly #fetch: Fetch;
  #handlers: TransportHandlers | undefined;
  #rid = Math.floor(Math.random() * 2 ** 40) + 1;
  #sid = '';
  #established = false;
  #inFlight = 0;
  #outbox: XmlElement[] = [];
  #restartDue = false;
  #flushDue = false;
  /** Answers must be handled in rid order although two requests may overtake each other. */
  #nextToHandle = 0;
  readonly #answers = new Map<number, XmlElement>();

  constructor(url: string, host: string, fetcher: Fetch = (u, i) => fetch(u, i)) {
    this.#url = url;
    this.#host = host;
    this.#fetch = fetcher;
  }

  connect(handlers: TransportHandlers): void {
    this.#handlers = handlers;
    this.#nextToHandle = this.#rid;
    void this.#request(
      {
        to: this.#host,
        'xml:lang': 'en',
        wait: String(WAIT_S),
        hold: '1',
        ver: '1.6',
        content: 'text/xml; charset=utf-8',
        'xmpp:version': '1.0',
      },
      [],
    );
  }

  send(element: XmlElement): void {
    this.#outbox.push(element);
    this.#scheduleFlush();
  }

  restart(): void {
    this.#restartDue = true;
    this.#scheduleFlush();
  }

  close(last: readonly XmlElement[]): void {
    if (this.#handlers !== undefined && this.#sid !== '') {
      const text = body({ rid: String(this.#rid++), sid: this.#sid, type: 'terminate' }, [...this.#outbox, ...last]);
      // keepalive lets the request outlive the page.
      void this.#fetch(this.#url, { method: 'POST', body: text, keepalive: true, headers: { 'Content-Type': 'text/xml; charset=utf-8' } }).catch(
        () => undefined,
      );
    }
    this.#end('closed by us');
  }

  abort(reason: string): void {
    this.#end(reason);
  }

  #scheduleFlush(): void {
    if (this.#flushDue) {
      return;
    }
    this.#flushDue = true;
    // Stanzas of one turn travel in one body.
    queueMicrotask(() => {
      this.#flushDue = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#handlers === undefined || this.#sid === '' || this.#inFlight >= 2) {
      return;
    }
    if (this.#restartDue) {
      this.#restartDue = false;
      void this.#request({ to: this.#host, 'xml:lang': 'en', 'xmpp:restart': 'true' }, []);
    } else if (this.#outbox.length > 0) {
      const payload = this.#outbox;
      this.#outbox = [];
      void this.#request({}, payload);
    } else if (this.#inFlight === 0) {
      void this.#request({}, []);
    }
  }

  async #request(attrs: Record<string, string>, payload: readonly XmlElement[]): Promise<void> {
    const rid = this.#rid++;
    const base: Record<string, string> = this.#sid === '' ? {} : { sid: this.#sid };
    const text = body({ rid: String(rid), ...base, ...attrs }, payload);
    this.#inFlight++;
    const answer = await this.#post(text);
    this.#inFlight--;
    if (this.#handlers === undefined) {
      return;
    }
    if (answer === undefined) {
      this.#end('no connection');
      return;
    }
    this.#answers.set(rid, answer);
    this.#handleInOrder();
    this.#scheduleFlush();
  }

  async #post(text: string): Promise<XmlElement | undefined> {
    for (let attempt = 0; attempt <= MAX_RETRIES && this.#handlers !== undefined; attempt++) {
      if (attempt > 0) {
        await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt));
      }
      try {
        const response = await this.#fetch(this.#url, {
          method: 'POST',
          body: text,
          headers: { 'Content-Type': 'text/xml; charset=utf-8' },
          signal: AbortSignal.timeout(WAIT_S * 1000 + GRACE_MS),
        });
        if (response.ok) {
          return parseXml(await response.text());
        }
      } catch {
        // A network fault or a broken answer: the same body is sent again.
      }
      if (!this.#established) {
        return undefined;
      }
    }
    return undefined;
  }

  #handleInOrder(): void {
    for (;;) {
      const answer = this.#answers.get(this.#nextToHandle);
      if (answer === undefined || this.#handlers === undefined) {
        return;
      }
      this.#answers.delete(this.#nextToHandle++);
      this.#sid ||= answer.attrs['sid'] ?? '';
      this.#established ||= this.#sid !== '';
      for (const child of answer.children) {
        this.#handlers?.element(child);
      }
      if (answer.attrs['type'] === 'terminate') {
        this.#end(answer.attrs['condition'] ?? 'closed by the server');
      }
    }
  }

  #end(reason: string): void {
    const handlers = this.#handlers;
    this.#handlers = undefined;
    this.#outbox = [];
    handlers?.closed(this.#established, reason);
  }
}

