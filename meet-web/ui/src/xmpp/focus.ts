import { NS } from './ns';
import { child, children, el } from './xml';
import type { XmlElement } from './xml';

/** The focus's answer to "is this conference ready?". */
export interface ConferenceAnswer {
  readonly ready: boolean;
  /** Bare address by which the focus is recognised in the room. */
  readonly focusJid: string;
}

export function conferenceRequest(room: string, machineUid: string): XmlElement {
  return el(
    NS.FOCUS,
    'conference',
    { room, 'machine-uid': machineUid },
    el(NS.FOCUS, 'property', { name: 'rtcstatsEnabled', value: 'false' }),
  );
}

export function decodeConferenceAnswer(iq: XmlElement, fallbackFocus: string): ConferenceAnswer {
  const conference = child(iq, 'conference', NS.FOCUS);
  return {
    ready: conference?.attrs['ready'] === 'true',
    focusJid: conference?.attrs['focusjid'] ?? fallbackFocus,
  };
}

/** What the focus publishes in its presence and the page shows. */
export interface FocusState {
  readonly bridgeCount: number | undefined;
  readonly bridgeNotAvailable: boolean;
}

export function decodeFocusPresence(presence: XmlElement): FocusState {
  const properties = children(child(presence, 'conference-properties', NS.FOCUS), 'property');
  const count = Number(properties.find((p) => p.attrs['key'] === 'bridge-count')?.attrs['value'] ?? NaN);
  return {
    bridgeCount: Number.isNaN(count) ? undefined : count,
    bridgeNotAvailable: child(presence, 'bridgeNotAvailable') !== undefined,
  };
}

/** STUN and TURN servers of XEP-0215. */
export function decodeServices(iq: XmlElement): RTCIceServer[] {
  const servers: RTCIceServer[] = [];
  for (const service of children(child(iq, 'services', NS.EXTDISCO), 'service')) {
    const { type, host, port, transport, username, password } = service.attrs;
    if (host === undefined || host === '') {
      continue;
    }
    const where = (host.includes(':') && !host.startsWith('[') ? `[${host}]` : host) + (port === undefined ? '' : `:${port}`);
    if (type === 'stun' || type === 'stuns') {
      servers.push({ urls: `${type}:${where}` });
    } else if (type === 'turn' || type === 'turns') {
      const suffix = transport === undefined || transport === 'udp' ? '' : `?transport=${transport}`;
      servers.push({ urls: `${type}:${where}${suffix}`, username: username ?? '', credential: password ?? '' });
    }
  }
  return servers;
}
