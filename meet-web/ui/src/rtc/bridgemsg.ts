/** JSON of the bridge channel: what we understand of it, and what we say. */

export type BridgeEvent =
  | { readonly kind: 'hello' }
  | { readonly kind: 'dominant-speaker'; readonly endpoint: string; readonly previous: readonly string[] }
  | { readonly kind: 'connectivity'; readonly endpoint: string; readonly active: boolean }
  | { readonly kind: 'forwarded-sources'; readonly sources: readonly string[] }
  | { readonly kind: 'sender-constraints'; readonly source: string; readonly maxHeight: number }
  | { readonly kind: 'endpoint-message'; readonly from: string; readonly payload: unknown }
  | { readonly kind: 'unknown'; readonly name: string };

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((v): v is string => typeof v === 'string') : [];
}

/** Reads one message; undefined for what is not JSON of the right shape. */
export function decodeBridgeMessage(data: unknown): BridgeEvent | undefined {
  if (typeof data !== 'string') {
    return undefined;
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(data);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) {
    return undefined;
  }
  const message = parsed as Readonly<Record<string, unknown>>;
  const name = message['colibriClass'];
  switch (name) {
    case 'ServerHello':
      return { kind: 'hello' };
    case 'DominantSpeakerEndpointChangeEvent':
      return { kind: 'dominant-speaker', endpoint: text(message['dominantSpeakerEndpoint']), previous: texts(message['previousSpeakers']) };
    case 'EndpointConnectivityStatusChangeEvent':
      // The bridge writes this boolean as text.
      return { kind: 'connectivity', endpoint: text(message['endpoint']), active: String(message['active']) === 'true' };
    case 'ForwardedSources':
      return { kind: 'forwarded-sources', sources: texts(message['forwardedSources']) };
    case 'SenderSourceConstraints': {
      const height = message['maxHeight'];
      return typeof height === 'number' ? { kind: 'sender-constraints', source: text(message['sourceName']), maxHeight: height } : undefined;
    }
    case 'EndpointMessage':
      return { kind: 'endpoint-message', from: text(message['from']), payload: message['msgPayload'] };
    default:
      return typeof name === 'string' ? { kind: 'unknown', name } : undefined;
  }
}

/** Which videos we want, and how tall. */
export interface ReceiverConstraints {
  readonly lastN: number;
  readonly onStageSources: readonly string[];
  readonly selectedSources: readonly string[];
  readonly defaultMaxHeight: number;
  readonly maxHeights: Readonly<Record<string, number>>;
}

export function encodeReceiverConstraints(constraints: ReceiverConstraints): string {
  return JSON.stringify({
    colibriClass: 'ReceiverVideoConstraints',
    lastN: constraints.lastN,
    selectedSources: constraints.selectedSources,
    onStageSources: constraints.onStageSources,
    defaultConstraints: { maxHeight: constraints.defaultMaxHeight },
    constraints: Object.fromEntries(Object.entries(constraints.maxHeights).map(([name, maxHeight]) => [name, { maxHeight }])),
    assumedBandwidthBps: -1,
  });
}

export function encodeVideoType(sourceName: string, videoType: 'camera' | 'desktop' | 'none'): string {
  return JSON.stringify({ colibriClass: 'SourceVideoTypeMessage', sourceName, videoType });
}
