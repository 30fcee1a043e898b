import type { XmlElement } from './xml';

/** What a carrier tells the stream. `closed` comes once, and nothing after it. */
export interface TransportHandlers {
  /** The carrier is up and a stream header may be answered. */
  element(element: XmlElement): void;
  /** `established` says whether the server ever spoke XMPP to us over this carrier. */
  closed(established: boolean, reason: string): void;
}

/** A carrier of one stream: WebSocket frames or BOSH bodies. */
export interface Transport {
  /** Whether a broken stream can be taken up again over a new carrier (XEP-0198). */
  readonly resumable: boolean;
  connect(handlers: TransportHandlers): void;
  send(element: XmlElement): void;
  /** Opens the stream anew, as SASL asks for after success. */
  restart(): void;
  /** Ends the stream politely, `last` being the final stanzas; works while the page unloads. */
  close(last: readonly XmlElement[]): void;
  /** Drops the carrier without a word, so that the server keeps the session for a resume. */
  abort(reason: string): void;
}
