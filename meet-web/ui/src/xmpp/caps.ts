import { NS } from './ns';
import { el } from './xml';
import type { XmlElement } from './xml';

/** Where our capabilities say they come from; peers use it only as a cache key. */
export const CAPS_NODE = 'https://jitsi.org/jitsi-meet';

/**
 * What we can do, in the order XEP-0115 hashes it. The focus builds its offer
 * from this list (codecs, header extensions, how sources are written).
 */
export const FEATURES: readonly string[] = [
  'http://jabber.org/protocol/caps',
  'http://jabber.org/protocol/disco#info',
  'http://jitsi.org/json-encoded-sources',
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

/** What XEP-0115 hashes for the list above. */
export const CAPS_STRING = `${IDENTITY.category}/${IDENTITY.type}//${IDENTITY.name}<${FEATURES.join('<')}<`;

/**
 * SHA-1 of CAPS_STRING in base64. Written down rather than computed: the browser
 * gives no digest on plain http pages, and a test recomputes it.
 */
export const CAPS_VER = 'f6KkYrucK+ttmHXG253gXqfjRDI=';

export function capsElement(): XmlElement {
  return el(NS.CAPS, 'c', { hash: 'sha-1', node: CAPS_NODE, ver: CAPS_VER });
}

/** Answers disco#info, for any node: we have one face. */
export function discoInfoAnswer(node: string | undefined): XmlElement {
  return el(
    NS.DISCO_INFO,
    'query',
    { node },
    el(NS.DISCO_INFO, 'identity', IDENTITY),
    ...FEATURES.map((feature) => el(NS.DISCO_INFO, 'feature', { var: feature })),
  );
}
