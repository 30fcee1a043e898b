import { decodeBridgeMessage } from './bridgemsg';
import type { BridgeEvent } from './bridgemsg';

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;
/** After so many sockets that never opened, the data channel is tried if there is one. */
const TRIES_BEFORE_FALLBACK = 3;

export interface ChannelHandlers {
  /** The channel is open, for the first time or again: say everything anew. */
  open(): void;
  message(event: BridgeEvent): void;
  /** Whether the bridge can hear us. */
  state(open: boolean): void;
}

/**
 * The bridge names its channel by an address of its own. The page reaches it
 * through the front it came from, so scheme and host are replaced by the page's.
 */
export function channelAddress(offered: string, page: { protocol: string; host: string }): string | undefined {
  let url: URL;
  try {
    url = new URL(offered);
  } catch {
    return undefined;
  }
  return `${page.protocol === 'https:' ? 'wss:' : 'ws:'}//${page.host}${url.pathname}${url.search}`;
}

/**
 * The control channel to the bridge: a WebSocket that is opened again when it
 * breaks, or a data channel handed in by the peer session.
 */
export class BridgeChannel {
  readonly #handlers: ChannelHandlers;
  #url: string | undefined;
  #fallback: (() => RTCDataChannel) | undefined;
  #socket: WebSocket | undefined;
  #data: RTCDataChannel | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #retry = FIRST_RETRY_MS;
  #failures = 0;
  #closed = false;

  constructor(handlers: ChannelHandlers) {
    this.#handlers = handlers;
  }

  /** `fallback` makes the data channel, when the bridge offered one. */
  connect(url: string | undefined, fallback: (() => RTCDataChannel) | undefined): void {
    this.#url = url;
    this.#fallback = fallback;
    if (url === undefined) {
      this.#useFallback();
    } else {
      this.#dial(url);
    }
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN || this.#data?.readyState === 'open';
  }

  send(message: string): void {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(message);
    } else if (this.#data?.readyState === 'open') {
      this.#data.send(message);
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    if (this.#socket !== undefined) {
      this.#socket.onclose = this.#socket.onmessage = this.#socket.onopen = null;
      this.#socket.close(1000);
      this.#socket = undefined;
    }
    this.#data?.close();
    this.#data = undefined;
  }

  #dial(url: string): void {
    let opened = false;
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.onopen = () => {
      opened = true;
      this.#retry = FIRST_RETRY_MS;
      this.#failures = 0;
      this.#opened();
    };
    socket.onmessage = (event: MessageEvent<unknown>) => this.#receive(event.data);
    socket.onclose = () => {
      this.#socket = undefined;
      if (this.#closed) {
        return;
      }
      this.#handlers.state(false);
      if (!opened && ++this.#failures >= TRIES_BEFORE_FALLBACK && this.#fallback !== undefined) {
        this.#useFallback();
        return;
      }
      this.#timer = setTimeout(() => this.#url !== undefined && this.#dial(this.#url), this.#retry);
      this.#retry = Math.min(this.#retry * 2, MAX_RETRY_MS);
    };
  }

  #useFallback(): void {
    const data = this.#fallback?.();
    if (data === undefined) {
      this.#handlers.state(false);
      return;
    }
    this.#data = data;
    if (data.readyState === 'open') {
      this.#opened();
    }
    data.onopen = () => this.#opened();
    data.onmessage = (event: MessageEvent<unknown>) => this.#receive(event.data);
    data.onclose = () => !this.#closed && this.#handlers.state(false);
  }

  #opened(): void {
    this.#handlers.state(true);
    this.#handlers.open();
  }

  #receive(data: unknown): void {
    const event = decodeBridgeMessage(data);
    if (event !== undefined) {
      this.#handlers.message(event);
    }
  }
}
