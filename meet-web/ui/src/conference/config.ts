/** What config.js told us, read key by key: it is somebody's hand-written file. */
export interface AppConfig {
  readonly domain: string;
  readonly muc: string;
  readonly focus: string;
  readonly focusUser: string;
  readonly anonymousDomain: string;
  readonly hiddenDomain: string;
  readonly bosh: string;
  readonly websocket: string;
  readonly preferBosh: boolean;
  readonly preferSctp: boolean;
  readonly simulcast: boolean;
  readonly resolution: number;
  readonly lastN: number;
  readonly defaultRemoteName: string;
  /** Where the person is, for the choice of a bridge; '' if nobody said so. */
  readonly region: string;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** Undefined when the server's file is missing or lacks what a connection needs (C02). */
export function decodeConfig(value: unknown): AppConfig | undefined {
  const config = record(value);
  const hosts = record(config['hosts']);
  const channel = record(config['bridgeChannel']);
  const deployment = record(config['deploymentInfo']);
  const text = (from: Readonly<Record<string, unknown>>, key: string, fallback = ''): string => {
    const found = from[key];
    return typeof found === 'string' ? found : fallback;
  };
  const number = (key: string, fallback: number): number => {
    const found = config[key];
    return typeof found === 'number' && Number.isFinite(found) ? found : fallback;
  };
  const domain = text(hosts, 'domain');
  const muc = text(hosts, 'muc');
  const bosh = text(config, 'bosh');
  const websocket = text(config, 'websocket');
  if (domain === '' || muc === '' || (bosh === '' && websocket === '')) {
    return undefined;
  }
  return {
    domain,
    muc,
    focus: text(hosts, 'focus', `focus.${domain}`),
    focusUser: text(config, 'focusUserJid', `focus@auth.${domain}`),
    anonymousDomain: text(hosts, 'anonymousdomain'),
    hiddenDomain: text(config, 'hiddenDomain'),
    bosh,
    websocket,
    preferBosh: config['preferBosh'] === true,
    // Pages of others take the bridge's address as it stands, so they are told SCTP; this one
    // knows where it came from.
    preferSctp: channel['preferSctp'] === true && channel['ownPage'] !== 'websocket',
    simulcast: config['disableSimulcast'] !== true,
    resolution: Math.min(2160, Math.max(180, number('resolution', 720))),
    lastN: number('channelLastN', -1),
    defaultRemoteName: text(config, 'defaultRemoteDisplayName'),
    region: text(deployment, 'userRegion'),
  };
}

/** Address of a carrier: absolute, with the query the server reads at log-in. */
export function carrierUrl(base: string, page: URL, scheme: 'http' | 'ws', query: Readonly<Record<string, string>>): string {
  const url = new URL(base, page);
  if (scheme === 'ws') {
    url.protocol = url.protocol === 'https:' || url.protocol === 'wss:' ? 'wss:' : 'ws:';
  }
  for (const [key, value] of Object.entries(query)) {
    if (value !== '') {
      url.searchParams.set(key, value);
    }
  }
  return url.href;
}
