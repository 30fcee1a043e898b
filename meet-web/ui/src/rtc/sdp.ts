import type { Answer, Fingerprint, MediaDescription, MediaKind, Offer, PayloadType, Source, SsrcGroup } from '../xmpp/jingle';

/**
 * The bridge's half of the session as an SDP offer we write ourselves.
 *
 * Jingle names sources; a peer connection wants m-lines. Lines are only ever
 * appended or changed in place, as SDP demands: 0 and 1 are ours to send audio and
 * camera on, later ones carry one remote source each, or a second source of ours.
 * A line whose source is gone turns inactive and is used again for the next one
 * of its kind, so a long meeting does not grow without end.
 */
export interface Line {
  readonly mid: string;
  readonly kind: MediaKind | 'application';
  /** `own`: we send on it. `remote`: it brings `source`, or nothing at the moment. */
  readonly role: 'own' | 'remote' | 'data';
  source: Source | undefined;
}

/** Codecs in the order we want to send; what is not named keeps the focus's order behind. */
export const VIDEO_CODEC_ORDER: readonly string[] = ['VP8', 'VP9', 'H264', 'AV1'];

const BRIDGE_OWNER = 'jvb';
const MAX_MESSAGE_SIZE = 262_144;

function isRetransmission(payload: PayloadType): boolean {
  return payload.name.toLowerCase() === 'rtx';
}

/** Sorts codecs by preference, retransmission formats last. */
export function orderPayloads(payloads: readonly PayloadType[], order: readonly string[]): PayloadType[] {
  const rank = (p: PayloadType): number => {
    if (isRetransmission(p)) {
      return order.length + 1;
    }
    const index = order.findIndex((name) => name.toLowerCase() === p.name.toLowerCase());
    return index < 0 ? order.length : index;
  };
  return payloads
    .map((p, index) => ({ p, index }))
    .sort((a, b) => rank(a.p) - rank(b.p) || a.index - b.index)
    .map(({ p }) => p);
}

export class RemoteDescription {
  readonly #offer: Offer;
  readonly #hearOnOwn: boolean;
  readonly #lines: Line[] = [];
  #version = 1;
  #repeats = false;

  /**
   * `hearOnOwn`: whether the bridge may send on our lines, too. It does so only to probe, but
   * a browser may take a stranger's first packets for those of the only line of their kind and
   * keep them there when their own line comes: then that person is never heard.
   */
  constructor(offer: Offer, hearOnOwn = true) {
    this.#offer = offer;
    this.#hearOnOwn = hearOnOwn;
    for (const media of offer.media) {
      const feedback = offer.sources.find((s) => s.owner === BRIDGE_OWNER && s.kind === media.kind);
      this.#append(media.kind, 'own', feedback);
    }
    this.add(offer.sources);
  }

  get lines(): readonly Line[] {
    return this.#lines;
  }

  /** The line of our first source of that kind. */
  ownLine(kind: MediaKind): Line | undefined {
    return this.#lines.find((l) => l.role === 'own' && l.kind === kind);
  }

  /** Adds remote sources, or replaces those of the same name; true when something changed. */
  add(sources: readonly Source[]): boolean {
    let changed = false;
    for (const source of sources) {
      if (source.owner === BRIDGE_OWNER || !this.#offer.media.some((m) => m.kind === source.kind)) {
        continue;
      }
      const known = this.#lines.find((l) => l.role === 'remote' && l.source?.name === source.name);
      if (known !== undefined) {
        changed ||= known.source?.ssrcs.join() !== source.ssrcs.join();
        known.source = source;
        continue;
      }
      const free = this.#lines.find((l) => l.role === 'remote' && l.kind === source.kind && l.source === undefined);
      if (free === undefined) {
        this.#append(source.kind, 'remote', source);
      } else {
        free.source = source;
      }
      changed = true;
    }
    return changed;
  }

  /** Takes away remote sources; true when something changed. */
  remove(matches: (source: Source) => boolean): boolean {
    let changed = false;
    for (const line of this.#lines) {
      if (line.role === 'remote' && line.source !== undefined && matches(line.source)) {
        line.source = undefined;
        changed = true;
      }
    }
    return changed;
  }

  /** Whether the bridge takes sound that repeats itself. */
  get mayRepeatSound(): boolean {
    return this.#offer.media.some((m) => m.kind === 'audio' && m.payloads.some((p) => p.name.toLowerCase() === 'red'));
  }

  /** Says whether our sound is to repeat itself: the codec that comes first is the one that is sent. True when that is new. */
  repeatSound(on: boolean): boolean {
    const changed = on !== this.#repeats;
    this.#repeats = on;
    return changed;
  }

  /** A further line for us to send on, for a screen beside the camera. */
  addOwnLine(kind: MediaKind): Line {
    return this.#append(kind, 'own', undefined);
  }

  /** The line of the data channel; at most one. */
  addDataLine(): void {
    if (!this.#lines.some((l) => l.role === 'data')) {
      this.#append('application', 'data', undefined);
    }
  }

  #append(kind: Line['kind'], role: Line['role'], source: Source | undefined): Line {
    const line: Line = { mid: String(this.#lines.length), kind, role, source };
    this.#lines.push(line);
    return line;
  }

  toSdp(): string {
    const out = [
      'v=0',
      `o=- 1 ${this.#version++} IN IP4 127.0.0.1`,
      's=-',
      't=0 0',
      `a=group:BUNDLE ${this.#lines.map((l) => l.mid).join(' ')}`,
      'a=msid-semantic: WMS *',
    ];
    this.#lines.forEach((line, index) => {
      out.push(...(line.role === 'data' ? this.#dataSection(line) : this.#mediaSection(line)));
      out.push(...this.#transportLines(index === 0));
    });
    return out.join('\r\n') + '\r\n';
  }

  #dataSection(line: Line): string[] {
    return [
      'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
      'c=IN IP4 0.0.0.0',
      `a=mid:${line.mid}`,
      `a=sctp-port:${this.#offer.sctpPort ?? 5000}`,
      `a=max-message-size:${MAX_MESSAGE_SIZE}`,
    ];
  }

  #mediaSection(line: Line): string[] {
    const media = this.#offer.media.find((m) => m.kind === line.kind);
    const payloads = orderPayloads(media?.payloads ?? [], line.kind === 'video' ? VIDEO_CODEC_ORDER : this.#repeats ? ['red'] : ['opus']);
    const out = [
      `m=${line.kind} 9 UDP/TLS/RTP/SAVPF ${payloads.map((p) => p.id).join(' ')}`,
      'c=IN IP4 0.0.0.0',
      'a=rtcp:9 IN IP4 0.0.0.0',
      `a=mid:${line.mid}`,
      `a=${direction(line, this.#hearOnOwn && this.ownLine(line.kind as MediaKind) === line)}`,
      'a=rtcp-mux',
    ];
    if (media?.allowMixed === true) {
      out.push('a=extmap-allow-mixed');
    }
    for (const extension of media?.extensions ?? []) {
      out.push(`a=extmap:${extension.id} ${extension.uri}`);
    }
    for (const p of payloads) {
      const channels = line.kind === 'audio' && p.channels > 1 ? `/${p.channels}` : '';
      out.push(`a=rtpmap:${p.id} ${p.name}/${p.clockrate}${channels}`);
      if (p.fmtp !== '') {
        out.push(`a=fmtp:${p.id} ${p.fmtp}`);
      }
      out.push(...p.feedback.map((f) => `a=rtcp-fb:${p.id} ${f}`));
    }
    if (line.source !== undefined) {
      out.push(...sourceLines(line.source));
    }
    return out;
  }

  #transportLines(withCandidates: boolean): string[] {
    const t = this.#offer.transport;
    const out = [`a=ice-ufrag:${t.ufrag}`, `a=ice-pwd:${t.pwd}`, 'a=ice-options:trickle'];
    for (const f of t.fingerprints) {
      out.push(`a=fingerprint:${f.hash} ${f.value}`);
    }
    out.push(`a=setup:${t.fingerprints[0]?.setup ?? 'actpass'}`);
    if (withCandidates) {
      for (const c of t.candidates) {
        const related = c.relatedAddress === undefined ? '' : ` raddr ${c.relatedAddress} rport ${c.relatedPort ?? 0}`;
        const tcp = c.tcpType === undefined ? '' : ` tcptype ${c.tcpType}`;
        // "ssltcp" and the like are not for browsers and would only be refused.
        if (c.protocol === 'udp' || c.protocol === 'tcp') {
          out.push(`a=candidate:${c.foundation} ${c.component} ${c.protocol} ${c.priority} ${c.ip} ${c.port} typ ${c.type}${related}${tcp} generation 0`);
        }
      }
    }
    return out;
  }
}

function direction(line: Line, heard: boolean): string {
  if (line.role === 'own') {
    return heard ? 'sendrecv' : 'recvonly';
  }
  return line.source === undefined ? 'inactive' : 'sendonly';
}

/** Names come from other people; here they must not break out of their SDP token. */
function sdpToken(name: string): string {
  return name.replace(/[^\w.-]/g, '_') || '_';
}

function sourceLines(source: Source): string[] {
  const id = sdpToken(source.name);
  const out = [`a=msid:${id} ${id}`];
  for (const ssrc of source.ssrcs) {
    out.push(`a=ssrc:${ssrc} cname:${sdpToken(source.owner)}`, `a=ssrc:${ssrc} msid:${id} ${id}`);
  }
  for (const group of source.groups) {
    out.push(`a=ssrc-group:${group.semantics} ${group.ssrcs.join(' ')}`);
  }
  return out;
}

/** An SDP cut into its session part and its m-sections. */
export function sections(sdp: string): string[][] {
  const out: string[][] = [[]];
  for (const l of sdp.split(/\r?\n/)) {
    if (l.startsWith('m=')) {
      out.push([]);
    }
    if (l !== '') {
      out.at(-1)?.push(l);
    }
  }
  return out;
}

function values(section: readonly string[], attribute: string): string[] {
  const prefix = `a=${attribute}:`;
  return section.filter((l) => l.startsWith(prefix)).map((l) => l.slice(prefix.length));
}

function first(section: readonly string[], attribute: string): string | undefined {
  return values(section, attribute)[0];
}

function sectionOf(sdp: string, mid: string): string[] | undefined {
  return sections(sdp).find((s) => first(s, 'mid') === mid);
}

function decodeAnswerMedia(section: readonly string[], kind: MediaKind): MediaDescription {
  const numbers = (section[0] ?? '').split(' ').slice(3).map(Number);
  const payloads = numbers.flatMap((id): PayloadType[] => {
    const map = values(section, 'rtpmap').find((v) => v.startsWith(`${id} `));
    const [name, clockrate, channels] = (map ?? '').slice(String(id).length + 1).split('/');
    if (name === undefined || clockrate === undefined) {
      return [];
    }
    return [
      {
        id,
        name,
        clockrate: Number(clockrate),
        channels: Number(channels ?? 1),
        fmtp: values(section, 'fmtp').find((v) => v.startsWith(`${id} `))?.slice(String(id).length + 1) ?? '',
        feedback: values(section, 'rtcp-fb').filter((v) => v.startsWith(`${id} `)).map((v) => v.slice(String(id).length + 1)),
      },
    ];
  });
  const extensions = values(section, 'extmap').map((v) => {
    const [id, uri] = v.split(' ');
    return { id: Number.parseInt(id ?? '0', 10), uri: uri ?? '' };
  });
  return { kind, payloads, extensions, allowMixed: section.includes('a=extmap-allow-mixed') };
}

/** Reads what session-accept must say from our local description. */
export function readAnswer(sdp: string, lines: readonly Line[]): Answer {
  const all = sections(sdp);
  const find = (name: string): string => {
    const value = all.flatMap((s) => first(s, name) ?? [])[0];
    if (value === undefined) {
      throw new Error(`the browser's answer has no ${name}`);
    }
    return value;
  };
  const [hash, value] = find('fingerprint').split(' ');
  const fingerprint: Fingerprint = { hash: hash ?? '', value: value ?? '', setup: find('setup') };
  const media: MediaDescription[] = [];
  for (const kind of ['audio', 'video'] as const) {
    const line = lines.find((l) => l.role === 'own' && l.kind === kind);
    const section = line === undefined ? undefined : sectionOf(sdp, line.mid);
    if (section !== undefined) {
      media.push(decodeAnswerMedia(section, kind));
    }
  }
  return { ufrag: find('ice-ufrag'), pwd: find('ice-pwd'), fingerprint, media };
}

/** The SSRCs the browser sends with on a line, primary first, and their groups. */
export function readOwnSource(sdp: string, mid: string): { ssrcs: number[]; groups: SsrcGroup[] } | undefined {
  const section = sectionOf(sdp, mid);
  if (section === undefined) {
    return undefined;
  }
  const ssrcs = [...new Set(values(section, 'ssrc').map((v) => Number(v.split(' ')[0])))];
  const groups = values(section, 'ssrc-group').flatMap((v): SsrcGroup[] => {
    const [semantics, ...members] = v.split(' ');
    return semantics === 'FID' || semantics === 'SIM' ? [{ semantics, ssrcs: members.map(Number) }] : [];
  });
  return ssrcs.length === 0 ? undefined : { ssrcs, groups };
}

/**
 * Turns the single video of a line into three layers. Browsers offer simulcast by
 * rid only to peers that know rid; towards this bridge the layers are SSRCs in a
 * SIM group, each with its retransmission partner, written into the local
 * description. `layers` keeps the numbers equal over renegotiations.
 */
export function addSimulcast(sdp: string, mid: string, layers: number[]): string {
  const all = sections(sdp);
  const index = all.findIndex((s) => first(s, 'mid') === mid);
  const section = all[index];
  if (section === undefined || values(section, 'ssrc-group').some((g) => g.startsWith('SIM'))) {
    return sdp;
  }
  const pair = values(section, 'ssrc-group').find((g) => g.startsWith('FID'))?.split(' ').slice(1).map(Number);
  const [primary, rtx] = pair ?? [];
  if (primary === undefined || rtx === undefined) {
    return sdp;
  }
  if (layers[0] !== primary) {
    layers.splice(0, layers.length, primary, rtx, ...crypto.getRandomValues(new Uint32Array(4)));
  }
  const [p0, r0, p1, r1, p2, r2] = layers;
  const described = section.filter((l) => l.startsWith(`a=ssrc:${primary} `)).map((l) => l.slice(`a=ssrc:${primary} `.length));
  const kept = section.filter((l) => !l.startsWith('a=ssrc:') && !l.startsWith('a=ssrc-group:'));
  for (const ssrc of layers) {
    kept.push(...described.map((d) => `a=ssrc:${ssrc} ${d}`));
  }
  kept.push(`a=ssrc-group:SIM ${p0} ${p1} ${p2}`, `a=ssrc-group:FID ${p0} ${r0}`, `a=ssrc-group:FID ${p1} ${r1}`, `a=ssrc-group:FID ${p2} ${r2}`);
  all[index] = kept;
  return all.flat().join('\r\n') + '\r\n';
}
