import { NS } from './ns';
import type { Transport, TransportHandlers } from './transport';
import { el, parseXml, serialize } from './xml';
import type { XmlElement } from './xml';

/** How long an unanswered handshake or stream header may take before the carrier counts as refused. */
const OPEN_TIMEOUT_MS = 8_000;

/** XMPP over WebSocket, RFC 7395: one frame is one element. */
export class WebSocketTransport implements Transport {
  readonly resumable = true;
  readonly #url: string;
  readonly #host: string;
  #socket: WebSocket | undefined;
  #handlers: TransportHandlers | undefined;
  #established = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string, host: string) {
    this.#url = url;
    this.#host = host;
  }

  connect(handlers: TransportHandlers): void {
    this.#handlers = handlers;
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.#url, ['xmpp']);
    } catch {
      queueMicrotask(() => this.#end('address refused by the browser'));
      return;
    }
    this.#socket = socket;
    this.#timer = setTimeout(() => this.abort('no answer to the handshake'), OPEN_TIMEOUT_MS);
    socket.onopen = () => this.restart();
    socket.onmessage = (event: MessageEvent<unknown>) => this.#receive(event.data);
    socket.onclose = (event) => this.#end(event.reason === '' ? `closed with code ${event.code}` : event.reason);
  }

  send(element: XmlElement): void {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(serialize(element));
    }
  }

  restart(): void {
    this.send(el(NS.FRAMING, 'open', { to: this.#host, version: '1.0' }));
  }

  close(last: readonly XmlElement[]): void {
    for (const element of last) {
      this.send(element);
    }
    this.send(el(NS.FRAMING, 'close'));
    this.#socket?.close(1000);
    this.#end('closed by us');
  }

  abort(reason: string): void {
    this.#socket?.close();
    this.#end(reason);
  }

  #receive(data: unknown): void {
    if (this.#handlers === undefined || typeof data !== 'string') {
      return;
    }
    let element: XmlElement;
    try {
      element = parseXml(data);
    } catch {
      this.abort('the server sent broken XML');
      return;
    }
    if (element.ns === NS.FRAMING) {
      if (element.name === 'close') {
        this.abort('closed by the server');
      }
      return;
    }
    this.#established = true;
    clearTimeout(this.#timer);
    this.#handlers.element(element);
  }

  #end(reason: string): void {
    clearTimeout(this.#timer);
    const handlers = this.#handlers;
    this.#handlers = undefined;
    if (this.#socket !== undefined) {
      this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
      this.#socket = undefined;
    }
    handlers?.closed(this.#established, reason);
  }
}
