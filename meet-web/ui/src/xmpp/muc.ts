import { capsElement } from './caps';
import { decodeStanzaError } from './errors';
import type { StanzaErrorInfo } from './errors';
import { bareJid, resourceOf } from './jid';
import { NS } from './ns';
import { child, children, childText, el } from './xml';
import type { XmlElement } from './xml';

/** State of one of an occupant's sources, as SourceInfo tells it. */
export interface SourceState {
  readonly muted: boolean;
  readonly videoType: 'camera' | 'desktop';
}

/** An occupant as its presence shows it. */
export interface Occupant {
  readonly nick: string;
  /** Real full address; empty in rooms that hide it. */
  readonly jid: string;
  readonly role: string;
  readonly affiliation: string;
  readonly self: boolean;
  readonly displayName: string;
  /** By source name; absent for clients that send no media. */
  readonly sources: ReadonlyMap<string, SourceState> | undefined;
  /** Speaks our capabilities, so media may come even before SourceInfo says so. */
  readonly meetingClient: boolean;
}

export interface Departure {
  readonly nick: string;
  readonly self: boolean;
  readonly kicked: boolean;
  readonly banned: boolean;
  readonly actor: string;
  readonly reason: string;
  readonly destroyed: boolean;
}

export type PresenceEvent =
  | { readonly kind: 'here'; readonly occupant: Occupant; readonly presence: XmlElement }
  | { readonly kind: 'gone'; readonly departure: Departure }
  | { readonly kind: 'error'; readonly error: StanzaErrorInfo };

function decodeSourceInfo(text: string | undefined): Map<string, SourceState> | undefined {
  if (text === undefined) {
    return undefined;
  }
  const sources = new Map<string, SourceState>();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return sources;
  }
  if (typeof parsed !== 'object' || parsed === null) {
    return sources;
  }
  for (const [name, value] of Object.entries(parsed)) {
    if (typeof value === 'object' && value !== null) {
      const info = value as { muted?: unknown; videoType?: unknown };
      // A missing `muted` means muted.
      sources.set(name, { muted: info.muted !== false, videoType: info.videoType === 'desktop' ? 'desktop' : 'camera' });
    }
  }
  return sources;
}

function statusCodes(x: XmlElement | undefined): string[] {
  return children(x, 'status').map((s) => s.attrs['code'] ?? '');
}

/** Reads a presence of `room`; undefined for presence from elsewhere. */
export function decodePresence(presence: XmlElement, room: string): PresenceEvent | undefined {
  const from = presence.attrs['from'] ?? '';
  if (bareJid(from) !== room) {
    return undefined;
  }
  const nick = resourceOf(from);
  const x = child(presence, 'x', NS.MUC_USER);
  const item = child(x, 'item');
  const codes = statusCodes(x);
  switch (presence.attrs['type']) {
    case 'error':
      return { kind: 'error', error: decodeStanzaError(presence) };
    case 'unavailable':
      return {
        kind: 'gone',
        departure: {
          nick,
          self: codes.includes('110'),
          kicked: codes.includes('307'),
          banned: codes.includes('301'),
          actor: child(item, 'actor')?.attrs['nick'] ?? '',
          reason: childText(item, 'reason') ?? childText(child(x, 'destroy'), 'reason') ?? '',
          destroyed: child(x, 'destroy') !== undefined,
        },
      };
    case undefined:
      return {
        kind: 'here',
        presence,
        occupant: {
          nick,
          jid: item?.attrs['jid'] ?? '',
          role: item?.attrs['role'] ?? 'none',
          affiliation: item?.attrs['affiliation'] ?? 'none',
          self: codes.includes('110'),
          displayName: (childText(presence, 'nick', NS.NICK) ?? '').trim(),
          sources: decodeSourceInfo(childText(presence, 'SourceInfo')),
          meetingClient: /jitsi/.test(child(presence, 'c', NS.CAPS)?.attrs['node'] ?? ''),
        },
      };
    default:
      return undefined;
  }
}

export interface OwnPresence {
  readonly displayName: string;
  /** '' if unknown. */
  readonly region: string;
  readonly sources: Readonly<Record<string, { muted: boolean; videoType?: 'camera' | 'desktop' }>>;
}

/** Our presence in a room; `joining` adds the element that asks to be let in. */
export function encodePresence(occupantJid: string, own: OwnPresence, joining: boolean): XmlElement {
  const audioMuted = Object.entries(own.sources).every(([name, s]) => !/-a\d+$/.test(name) || s.muted);
  const videoMuted = Object.entries(own.sources).every(([name, s]) => !/-v\d+$/.test(name) || s.muted);
  return el(
    NS.CLIENT,
    'presence',
    { to: occupantJid },
    joining && el(NS.MUC, 'x'),
    capsElement(),
    el(NS.CLIENT, 'SourceInfo', {}, JSON.stringify(own.sources)),
    // Clients before 2022 read these two instead of SourceInfo.
    el(NS.JITMEET_AUDIO, 'audiomuted', {}, String(audioMuted)),
    el(NS.JITMEET_VIDEO, 'videomuted', {}, String(videoMuted)),
    el(NS.CLIENT, 'jitsi_participant_codecList', {}, 'vp8,vp9,h264,av1'),
    own.region !== '' && el(NS.CLIENT, 'jitsi_participant_region', {}, own.region),
    own.displayName !== '' && el(NS.NICK, 'nick', {}, own.displayName),
  );
}

export function leavePresence(occupantJid: string): XmlElement {
  return el(NS.CLIENT, 'presence', { to: occupantJid, type: 'unavailable' });
}

/** A line of chat as it arrived. */
export interface RoomMessage {
  readonly id: string;
  /** Nick of the sender; empty when the room itself speaks. */
  readonly nick: string;
  readonly text: string;
  readonly privately: boolean;
  /** Set for history: when it was said. */
  readonly delayedSince: Date | undefined;
  /** Name the room vouches for, for people who have left. */
  readonly nameHint: string;
}

export type MessageEvent =
  | { readonly kind: 'chat'; readonly message: RoomMessage }
  | { readonly kind: 'subject'; readonly subject: string }
  | { readonly kind: 'error'; readonly id: string; readonly error: StanzaErrorInfo };

/** Reads a message of `room`; undefined for what carries nothing to show. */
export function decodeMessage(message: XmlElement, room: string): MessageEvent | undefined {
  const from = message.attrs['from'] ?? '';
  const type = message.attrs['type'];
  if (bareJid(from) !== room) {
    return undefined;
  }
  if (type === 'error') {
    return { kind: 'error', id: message.attrs['id'] ?? '', error: decodeStanzaError(message) };
  }
  const body = childText(message, 'body');
  if (body === undefined || body === '') {
    const subject = childText(message, 'subject');
    return type === 'groupchat' && subject !== undefined ? { kind: 'subject', subject } : undefined;
  }
  if (type !== 'groupchat' && type !== 'chat') {
    return undefined;
  }
  const stamp = child(message, 'delay', NS.DELAY)?.attrs['stamp'];
  const since = stamp === undefined ? undefined : new Date(stamp);
  return {
    kind: 'chat',
    message: {
      id: message.attrs['id'] ?? '',
      nick: resourceOf(from),
      text: body,
      privately: type === 'chat',
      delayedSince: since === undefined || Number.isNaN(since.getTime()) ? undefined : since,
      nameHint: childText(message, 'display-name', NS.DISPLAY_NAME) ?? '',
    },
  };
}

export function encodeMessage(room: string, id: string, text: string): XmlElement {
  return el(NS.CLIENT, 'message', { to: room, type: 'groupchat', id }, el(NS.CLIENT, 'body', {}, text));
}
