import { NS } from './ns';
import { el } from './xml';
import type { XmlElement } from './xml';

/** Where our capabilities say they come from; peers use it only as a cache key. */
export const CAPS_NODE = 'https://jitsi.org/jitsi-meet';

const OPUS_RED = 'http://jitsi.org/opus-red';

/** Everything we may do, in the order XEP-0115 hashes it. */
const ALL_FEATURES: readonly string[] = [
  'http://jabber.org/protocol/caps',
  'http://jabber.org/protocol/disco#info',
  'http://jitsi.org/json-encoded-sources',
  OPUS_RED,
  'http://jitsi.org/receive-multiple-video-streams',
  'http://jitsi.org/remb',
  'http://jitsi.org/source-name',
  'http://jitsi.org/tcc',
  'urn:ietf:rfc:4588',
  'urn:xmpp:jingle:1',
  'urn:xmpp:jingle:apps:dtls:0',
  'urn:xmpp:jingle:apps:rtp:1',
  'urn:xmpp:jingle:apps:rtp:audio',
  'urn:xmpp:jingle:apps:rtp:video',
  'urn:xmpp:jingle:transports:dtls-sctp:1',
  'urn:xmpp:jingle:transports:ice-udp:1',
  'urn:xmpp:ping',
];

const IDENTITY = { category: 'client', type: 'web', name: 'Parley' };

/** What we say of ourselves. */
export interface Capabilities {
  /** The focus builds its offer from this list (codecs, header extensions, how sources are written). */
  readonly features: readonly string[];
  /**
   * What XEP-0115 makes of the list: SHA-1 in base64. Written down rather than computed: the
   * browser gives no digest on plain http pages, and a test recomputes it.
   */
  readonly ver: string;
}

/** `red`: whether the browser sends and understands audio that repeats itself (RFC 2198). */
export function capabilities(red: boolean): Capabilities {
  return red
    ? { features: ALL_FEATURES, ver: '6tKSifTuuLaCKLyj1ge0Dq7P76o=' }
    : { features: ALL_FEATURES.filter((feature) => feature !== OPUS_RED), ver: 'f6KkYrucK+ttmHXG253gXqfjRDI=' };
}

/** The string whose hash is `ver`. */
export function capsString(features: readonly string[]): string {
  return `${IDENTITY.category}/${IDENTITY.type}//${IDENTITY.name}<${features.join('<')}<`;
}

function sendsAndHearsRed(): boolean {
  const ends = [globalThis.RTCRtpSender, globalThis.RTCRtpReceiver] as readonly (typeof RTCRtpSender | typeof RTCRtpReceiver | undefined)[];
  return ends.every((end) => end?.getCapabilities('audio')?.codecs.some((codec) => codec.mimeType.toLowerCase() === 'audio/red') === true);
}

const OURS = capabilities(sendsAndHearsRed());

export function capsElement(): XmlElement {
  return el(NS.CAPS, 'c', { hash: 'sha-1', node: CAPS_NODE, ver: OURS.ver });
}

/** Answers disco#info, for any node: we have one face. */
export function discoInfoAnswer(node: string | undefined): XmlElement {
  return el(
    NS.DISCO_INFO,
    'query',
    { node },
    el(NS.DISCO_INFO, 'identity', IDENTITY),
    ...OURS.features.map((feature) => el(NS.DISCO_INFO, 'feature', { var: feature })),
  );
}
