import { NS } from './ns';
import { el } from './xml';
import type { XmlElement } from './xml';

/** Ask for an acknowledgement after this many stanzas. */
const ACK_EVERY = 5;
/** More unacknowledged stanzas than this mean the server is not listening. */
const MAX_UNACKED = 500;

/** Counted are exactly these three, and only after `<enabled/>`. */
export function isStanza(element: XmlElement): boolean {
  return element.ns === NS.CLIENT && (element.name === 'iq' || element.name === 'message' || element.name === 'presence');
}

/**
 * The book-keeping of stream management (XEP-0198): what we have received, what
 * we sent and nobody has confirmed. It sends nothing itself.
 */
export class StreamManagement {
  /** Token for a resume; empty while stream management is off or cannot resume. */
  id = '';
  /** Seconds the server keeps a broken session. */
  max = 60;
  enabled = false;
  #received = 0;
  #acknowledged = 0;
  #sinceRequest = 0;
  #unacked: XmlElement[] = [];

  enable(enabled: XmlElement): void {
    this.enabled = true;
    const id = enabled.attrs['id'] ?? '';
    this.id = enabled.attrs['resume'] === 'true' && /^[\w-]+$/.test(id) ? id : '';
    const max = Number(enabled.attrs['max']);
    this.max = Number.isInteger(max) && max > 0 ? max : 60;
  }

  get canResume(): boolean {
    return this.id !== '';
  }

  get received(): number {
    return this.#received;
  }

  get unacked(): readonly XmlElement[] {
    return this.#unacked;
  }

  get overflowing(): boolean {
    return this.#unacked.length > MAX_UNACKED;
  }

  /** Notes a stanza from the server. */
  countReceived(): void {
    if (this.enabled) {
      this.#received = (this.#received + 1) >>> 0;
    }
  }

  /** Notes a stanza of ours; true when an acknowledgement should be asked for now. */
  countSent(stanza: XmlElement): boolean {
    if (!this.enabled) {
      return false;
    }
    this.#unacked.push(stanza);
    this.#sinceRequest++;
    if (this.#sinceRequest < ACK_EVERY) {
      return false;
    }
    this.#sinceRequest = 0;
    return true;
  }

  /** Takes the server's count; false when it claims more than we ever sent. */
  acknowledge(h: string | undefined): boolean {
    const handled = Number(h);
    if (h === undefined || !Number.isInteger(handled)) {
      return false;
    }
    const fresh = (handled - this.#acknowledged) >>> 0;
    if (fresh > this.#unacked.length) {
      return false;
    }
    this.#unacked = this.#unacked.slice(fresh);
    this.#acknowledged = handled;
    return true;
  }

  answer(): XmlElement {
    return el(NS.SM, 'a', { h: this.#received });
  }

  request(): XmlElement {
    return el(NS.SM, 'r');
  }

  resumeRequest(): XmlElement {
    return el(NS.SM, 'resume', { h: this.#received, previd: this.id });
  }
}
