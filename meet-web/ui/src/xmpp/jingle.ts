import { NS } from './ns';
import { child, children, childText, el } from './xml';
import type { XmlElement } from './xml';

export type MediaKind = 'audio' | 'video';

export interface PayloadType {
  readonly id: number;
  readonly name: string;
  readonly clockrate: number;
  readonly channels: number;
  /** The whole fmtp line behind the number. */
  readonly fmtp: string;
  /** "nack pli" and the like. */
  readonly feedback: readonly string[];
}

export interface HeaderExtension {
  readonly id: number;
  readonly uri: string;
}

export interface MediaDescription {
  readonly kind: MediaKind;
  readonly payloads: readonly PayloadType[];
  readonly extensions: readonly HeaderExtension[];
  readonly allowMixed: boolean;
}

export interface Candidate {
  readonly foundation: string;
  readonly component: number;
  readonly protocol: string;
  readonly priority: number;
  readonly ip: string;
  readonly port: number;
  readonly type: string;
  readonly relatedAddress?: string;
  readonly relatedPort?: number;
  readonly tcpType?: string;
}

export interface Fingerprint {
  readonly hash: string;
  readonly value: string;
  readonly setup: string;
}

export interface TransportDescription {
  readonly ufrag: string;
  readonly pwd: string;
  readonly fingerprints: readonly Fingerprint[];
  readonly candidates: readonly Candidate[];
}

/** Something somebody sends: one audio stream, or one video with its retransmissions. */
export interface Source {
  /** Endpoint id of the sender, or `jvb` for the bridge itself. */
  readonly owner: string;
  /** `1a2b3c4d-v0`; made up from the owner when a client of before 2022 gives none. */
  readonly name: string;
  readonly kind: MediaKind;
  readonly msid: string;
  readonly videoType: 'camera' | 'desktop';
  /** The primary first. */
  readonly ssrcs: readonly number[];
  readonly groups: readonly SsrcGroup[];
}

export interface SsrcGroup {
  readonly semantics: 'FID' | 'SIM';
  readonly ssrcs: readonly number[];
}

export interface Offer {
  readonly sid: string;
  readonly initiator: string;
  readonly media: readonly MediaDescription[];
  readonly transport: TransportDescription;
  readonly sources: readonly Source[];
  /** Address of the bridge channel as the bridge names it; the page replaces its origin. */
  readonly channelUrl: string | undefined;
  readonly sctpPort: number | undefined;
  readonly bridgeSession: string | undefined;
}

/** What a Jingle request asks of us. */
export type JingleRequest =
  | { readonly action: 'session-initiate'; readonly sid: string; readonly offer: Offer }
  | { readonly action: 'source-add' | 'source-remove'; readonly sid: string; readonly sources: readonly Source[] }
  | { readonly action: 'session-terminate'; readonly sid: string; readonly reason: string; readonly text: string }
  | { readonly action: 'other'; readonly sid: string; readonly name: string };

/** The stanza cannot be acted on. */
export class JingleError extends Error {
  override readonly name = 'JingleError';
}

function integer(value: string | undefined, what: string, min: number, max: number): number {
  const n = Number(value);
  if (value === undefined || !Number.isInteger(n) || n < min || n > max) {
    throw new JingleError(`${what} is not a number in range`);
  }
  return n;
}

/** A token that goes into an SDP line must not be able to end the line. */
function token(value: string | undefined, what: string): string {
  if (value === undefined || value === '' || /[\r\n\0 ]/.test(value)) {
    throw new JingleError(`${what} is missing or not a token`);
  }
  return value;
}

function line(value: string): string {
  return value.replace(/[\r\n\0]/g, ' ').trim();
}

function decodePayload(element: XmlElement): PayloadType {
  const parameters = children(element, 'parameter').map((p) => {
    const name = p.attrs['name'] ?? '';
    const value = p.attrs['value'] ?? '';
    return name === '' ? value : `${name}=${value}`;
  });
  return {
    id: integer(element.attrs['id'], 'payload-type id', 0, 127),
    name: token(element.attrs['name'], 'payload-type name'),
    clockrate: integer(element.attrs['clockrate'], 'clockrate', 1, 1_000_000),
    channels: element.attrs['channels'] === undefined ? 1 : integer(element.attrs['channels'], 'channels', 1, 16),
    // H264 smuggles more parameters into one value and ends it with a semicolon.
    fmtp: line(parameters.join(';').replace(/;+\s*$/, '')),
    feedback: children(element, 'rtcp-fb').map((f) => line(`${f.attrs['type'] ?? ''} ${f.attrs['subtype'] ?? ''}`)),
  };
}

function decodeMedia(description: XmlElement): MediaDescription | undefined {
  const kind = description.attrs['media'];
  if (kind !== 'audio' && kind !== 'video') {
    return undefined;
  }
  return {
    kind,
    payloads: children(description, 'payload-type').map(decodePayload),
    extensions: children(description, 'rtp-hdrext').map((e) => ({
      id: integer(e.attrs['id'], 'rtp-hdrext id', 1, 255),
      uri: token(e.attrs['uri'], 'rtp-hdrext uri'),
    })),
    allowMixed: child(description, 'extmap-allow-mixed') !== undefined,
  };
}

function decodeCandidate(element: XmlElement): Candidate {
  const a = element.attrs;
  return {
    foundation: token(a['foundation'], 'foundation'),
    component: integer(a['component'] ?? '1', 'component', 1, 256),
    protocol: token(a['protocol'], 'protocol').toLowerCase(),
    priority: integer(a['priority'], 'priority', 0, 2 ** 32 - 1),
    ip: token(a['ip'], 'ip'),
    port: integer(a['port'], 'port', 0, 65535),
    type: token(a['type'], 'type'),
    ...(a['rel-addr'] === undefined ? {} : { relatedAddress: token(a['rel-addr'], 'rel-addr') }),
    ...(a['rel-port'] === undefined ? {} : { relatedPort: integer(a['rel-port'], 'rel-port', 0, 65535) }),
    ...(a['tcptype'] === undefined ? {} : { tcpType: token(a['tcptype'], 'tcptype') }),
  };
}

function decodeTransport(element: XmlElement): TransportDescription {
  return {
    ufrag: token(element.attrs['ufrag'], 'ufrag'),
    pwd: token(element.attrs['pwd'], 'pwd'),
    fingerprints: children(element, 'fingerprint').map((f) => ({
      hash: token(f.attrs['hash'], 'fingerprint hash'),
      value: token(f.text.trim(), 'fingerprint'),
      setup: token(f.attrs['setup'] ?? 'actpass', 'setup'),
    })),
    candidates: children(element, 'candidate').map(decodeCandidate),
  };
}

interface RawSource {
  ssrc: number;
  owner: string;
  name: string;
  msid: string;
  videoType: 'camera' | 'desktop';
}

/**
 * Gathers single SSRCs into sources: those of one name belong together. The order
 * of the elements means nothing; the groups tell which SSRC is the primary.
 */
function assemble(kind: MediaKind, raws: readonly RawSource[], groups: readonly SsrcGroup[]): Source[] {
  const byName = new Map<string, RawSource[]>();
  for (const raw of raws) {
    const key = raw.name === '' ? `${raw.owner}-${kind === 'audio' ? 'a' : 'v'}0` : raw.name;
    const list = byName.get(key) ?? [];
    list.push(raw);
    byName.set(key, list);
  }
  const sources: Source[] = [];
  for (const [name, list] of byName) {
    const first = list[0];
    if (first === undefined) {
      continue;
    }
    const all = new Set(list.map((r) => r.ssrc));
    const own = groups.filter((g) => g.ssrcs.length > 1 && g.ssrcs.every((s) => all.has(s)));
    const lead = own.find((g) => g.semantics === 'SIM') ?? own.find((g) => g.semantics === 'FID');
    const primary = lead?.ssrcs[0] ?? first.ssrc;
    sources.push({
      owner: first.owner,
      name,
      kind,
      msid: first.msid,
      videoType: first.videoType,
      ssrcs: [primary, ...[...all].filter((s) => s !== primary)],
      groups: own,
    });
  }
  return sources;
}

function decodeXmlSources(description: XmlElement, kind: MediaKind): Source[] {
  const raws = children(description, 'source', NS.SSMA).map((s): RawSource => {
    const owner = child(s, 'ssrc-info')?.attrs['owner'] ?? (s.attrs['name'] ?? '').replace(/-[av]\d+$/, '');
    return {
      ssrc: integer(s.attrs['ssrc'], 'ssrc', 1, 2 ** 32 - 1),
      owner: owner.slice(owner.lastIndexOf('/') + 1),
      name: s.attrs['name'] ?? '',
      msid: line(children(s, 'parameter').find((p) => p.attrs['name'] === 'msid')?.attrs['value'] ?? ''),
      videoType: s.attrs['videoType'] === 'desktop' ? 'desktop' : 'camera',
    };
  });
  const groups = children(description, 'ssrc-group', NS.SSMA).flatMap((g): SsrcGroup[] => {
    const semantics = g.attrs['semantics'];
    return semantics === 'FID' || semantics === 'SIM'
      ? [{ semantics, ssrcs: children(g, 'source').map((s) => integer(s.attrs['ssrc'], 'ssrc', 1, 2 ** 32 - 1)) }]
      : [];
  });
  return assemble(kind, raws, groups);
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function decodeJsonKind(owner: string, kind: MediaKind, sources: unknown, groups: unknown): Source[] {
  const raws = list(sources).map((entry): RawSource => {
    const { s, n, m, v } = (entry ?? {}) as { s?: unknown; n?: unknown; m?: unknown; v?: unknown };
    return {
      ssrc: integer(String(s), 'ssrc', 1, 2 ** 32 - 1),
      owner,
      name: typeof n === 'string' ? n : '',
      msid: typeof m === 'string' ? line(m) : '',
      videoType: v === 'd' ? 'desktop' : 'camera',
    };
  });
  const decoded = list(groups).flatMap((entry): SsrcGroup[] => {
    const [letter, ...ssrcs] = list(entry);
    const semantics = letter === 'f' ? 'FID' : letter === 's' ? 'SIM' : undefined;
    return semantics === undefined ? [] : [{ semantics, ssrcs: ssrcs.map((s) => integer(String(s), 'ssrc', 1, 2 ** 32 - 1)) }];
  });
  return assemble(kind, raws, decoded);
}

/** The compact form: owner → [video, video groups, audio, audio groups]. */
export function decodeJsonSources(text: string): Source[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new JingleError('sources are not JSON');
  }
  const map = (parsed as { sources?: unknown } | null)?.sources;
  if (typeof map !== 'object' || map === null) {
    return [];
  }
  return Object.entries(map).flatMap(([owner, value]) => {
    const [video, videoGroups, audio, audioGroups] = list(value);
    return [...decodeJsonKind(owner, 'video', video, videoGroups), ...decodeJsonKind(owner, 'audio', audio, audioGroups)];
  });
}

function decodeSources(jingle: XmlElement): Source[] {
  const json = childText(jingle, 'json-message', NS.JITMEET);
  const fromXml = children(jingle, 'content').flatMap((content) => {
    const description = child(content, 'description', NS.RTP);
    const kind = description?.attrs['media'] ?? content.attrs['name'];
    return description !== undefined && (kind === 'audio' || kind === 'video') ? decodeXmlSources(description, kind) : [];
  });
  return json === undefined ? fromXml : [...fromXml, ...decodeJsonSources(json)];
}

function decodeOffer(jingle: XmlElement, sid: string): Offer {
  const contents = children(jingle, 'content');
  const transports = contents.flatMap((c) => child(c, 'transport', NS.ICE_UDP) ?? []);
  const first = transports[0];
  if (first === undefined) {
    throw new JingleError('the offer has no transport');
  }
  const urls = transports.flatMap((t) => children(t, 'web-socket')).map((w) => w.attrs['url'] ?? '');
  const sctp = transports.flatMap((t) => children(t, 'sctpmap'))[0];
  return {
    sid,
    initiator: jingle.attrs['initiator'] ?? '',
    media: contents.flatMap((c) => {
      const description = child(c, 'description', NS.RTP);
      return (description && decodeMedia(description)) ?? [];
    }),
    transport: decodeTransport(first),
    sources: decodeSources(jingle),
    channelUrl: urls.find((u) => u !== ''),
    sctpPort: sctp === undefined ? undefined : integer(sctp.attrs['number'] ?? '5000', 'sctpmap number', 0, 65535),
    bridgeSession: child(jingle, 'bridge-session', NS.FOCUS)?.attrs['id'],
  };
}

/** Reads a Jingle IQ; throws JingleError when it names an action we know but cannot be read. */
export function decodeJingle(iq: XmlElement): JingleRequest {
  const jingle = child(iq, 'jingle', NS.JINGLE);
  const sid = jingle?.attrs['sid'] ?? '';
  if (jingle === undefined || sid === '') {
    throw new JingleError('no session id');
  }
  const action = jingle.attrs['action'] ?? '';
  switch (action) {
    case 'session-initiate':
      return { action, sid, offer: decodeOffer(jingle, sid) };
    case 'source-add':
    case 'source-remove':
      return { action, sid, sources: decodeSources(jingle) };
    case 'session-terminate': {
      const reason = child(jingle, 'reason');
      return {
        action,
        sid,
        reason: reason?.children.find((c) => c.name !== 'text')?.name ?? '',
        text: childText(reason, 'text') ?? '',
      };
    }
    default:
      return { action: 'other', sid, name: action };
  }
}

/** What our side of the call looks like, read from the local description. */
export interface Answer {
  readonly ufrag: string;
  readonly pwd: string;
  readonly fingerprint: Fingerprint;
  readonly media: readonly MediaDescription[];
}

function encodeSources(sources: readonly Source[], kind: MediaKind): XmlElement[] {
  return sources
    .filter((s) => s.kind === kind)
    .flatMap((source) => [
      ...source.ssrcs.map((ssrc) =>
        el(
          NS.SSMA,
          'source',
          { ssrc, name: source.name, videoType: kind === 'video' ? source.videoType : undefined },
          el(NS.SSMA, 'parameter', { name: 'msid', value: source.msid }),
        ),
      ),
      ...source.groups.map((group) =>
        el(NS.SSMA, 'ssrc-group', { semantics: group.semantics }, ...group.ssrcs.map((ssrc) => el(NS.SSMA, 'source', { ssrc }))),
      ),
    ]);
}

function encodePayload(payload: PayloadType, kind: MediaKind): XmlElement {
  const parameters = payload.fmtp === '' ? [] : payload.fmtp.split(';');
  return el(
    NS.RTP,
    'payload-type',
    { id: payload.id, name: payload.name, clockrate: payload.clockrate, channels: kind === 'audio' ? payload.channels : undefined },
    ...parameters.map((p) => {
      const eq = p.indexOf('=');
      return eq < 0
        ? el(NS.RTP, 'parameter', { value: p.trim() })
        : el(NS.RTP, 'parameter', { name: p.slice(0, eq).trim(), value: p.slice(eq + 1).trim() });
    }),
    ...payload.feedback.map((f) => {
      const [type, ...subtype] = f.split(' ');
      return el(NS.RTCP_FB, 'rtcp-fb', { type, subtype: subtype.length > 0 ? subtype.join(' ') : undefined });
    }),
  );
}

function jingle(action: string, sid: string, attrs: Record<string, string>, ...kids: XmlElement[]): XmlElement {
  return el(NS.JINGLE, 'jingle', { action, sid, ...attrs }, ...kids);
}

/** session-accept. `initiator` is the focus's address in the room, as web clients send it. */
export function encodeAccept(offer: Offer, answer: Answer, sources: readonly Source[], initiator: string, responder: string): XmlElement {
  const contents = answer.media.map((media) =>
    el(
      NS.JINGLE,
      'content',
      { creator: 'responder', name: media.kind, senders: 'both' },
      el(
        NS.RTP,
        'description',
        { media: media.kind },
        ...media.payloads.map((p) => encodePayload(p, media.kind)),
        ...encodeSources(sources, media.kind),
        el(NS.RTP, 'rtcp-mux'),
        ...media.extensions.map((e) => el(NS.RTP_HDREXT, 'rtp-hdrext', { id: e.id, uri: e.uri })),
        ...(media.allowMixed ? [el(NS.RTP_HDREXT, 'extmap-allow-mixed')] : []),
      ),
      el(
        NS.ICE_UDP,
        'transport',
        { ufrag: answer.ufrag, pwd: answer.pwd },
        el(NS.DTLS, 'fingerprint', { hash: answer.fingerprint.hash, setup: answer.fingerprint.setup }, answer.fingerprint.value),
      ),
    ),
  );
  const names = answer.media.map((m) => el(NS.GROUPING, 'content', { name: m.kind }));
  return jingle('session-accept', offer.sid, { initiator, responder }, el(NS.GROUPING, 'group', { semantics: 'BUNDLE' }, ...names), ...contents);
}

export function encodeSourceAdd(sid: string, sources: readonly Source[], initiator: string): XmlElement {
  const kinds = (['audio', 'video'] as const).filter((kind) => sources.some((s) => s.kind === kind));
  return jingle(
    'source-add',
    sid,
    { initiator },
    ...kinds.map((kind) => el(NS.JINGLE, 'content', { name: kind }, el(NS.RTP, 'description', { media: kind }, ...encodeSources(sources, kind)))),
  );
}

/** session-terminate with which we ask the focus for a fresh session. */
export function encodeRestart(offer: Offer, initiator: string, text: string): XmlElement {
  return jingle(
    'session-terminate',
    offer.sid,
    { initiator },
    el(NS.JINGLE, 'reason', {}, el(NS.JINGLE, 'connectivity-error'), el(NS.JINGLE, 'text', {}, text)),
    el(NS.FOCUS, 'bridge-session', { id: offer.bridgeSession, restart: 'true' }),
  );
}
