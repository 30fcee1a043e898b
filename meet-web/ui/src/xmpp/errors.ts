import { NS } from './ns';
import { child, childText, el } from './xml';
import type { XmlElement } from './xml';

/** A stanza error as the client needs it: the condition, the text, and Jitsi's extra tag. */
export interface StanzaErrorInfo {
  readonly type: string;
  readonly condition: string;
  readonly text: string;
  /** Names of application-specific children, such as `room-mismatch`. */
  readonly tags: readonly string[];
}

export class StanzaError extends Error {
  override readonly name = 'StanzaError';
  readonly info: StanzaErrorInfo;
  constructor(info: StanzaErrorInfo) {
    super(info.text === '' ? info.condition : `${info.condition}: ${info.text}`);
    this.info = info;
  }
}

/** The answer to an IQ did not come in time, or the session ended first. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
}

export function decodeStanzaError(stanza: XmlElement): StanzaErrorInfo {
  const error = child(stanza, 'error');
  const condition = error?.children.find((c) => c.ns === NS.STANZAS && c.name !== 'text');
  return {
    type: error?.attrs['type'] ?? 'cancel',
    condition: condition?.name ?? 'undefined-condition',
    text: childText(error, 'text', NS.STANZAS) ?? '',
    tags: error?.children.filter((c) => c.ns !== NS.STANZAS).map((c) => c.name) ?? [],
  };
}

/** The `<error/>` child of an answer we refuse. */
export function errorElement(type: string, condition: string, ...extra: XmlElement[]): XmlElement {
  return el(NS.CLIENT, 'error', { type }, el(NS.STANZAS, condition), ...extra);
}
