/** Which meeting an address means, and the token that came with it. */

export interface RoomAddress {
  /** As people read it. Empty on the welcome page. */
  readonly title: string;
  /** As it stands in the room's address on the server. */
  readonly node: string;
  readonly tenant: string;
}

const DROPPED = /[:?#[\]@!$&'()*+,;=></"]/g;

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Two spellings that fold to the same string are the same room. */
export function foldRoom(title: string): string {
  return encodeURIComponent(title.normalize('NFKC').toLowerCase()).toLowerCase();
}

/** The last segment is the room, what stands before it the tenant. */
export function parseRoomPath(pathname: string): RoomAddress {
  const segments = pathname.split('/').slice(1).map((s) => decode(s).replace(DROPPED, ''));
  const title = segments.at(-1) ?? '';
  return { title, node: foldRoom(title), tenant: segments.slice(0, -1).join('/').toLowerCase() };
}

function fragmentToken(hash: string): string {
  for (const part of hash.replace(/^#/, '').split('&')) {
    if (part.startsWith('jwt=')) {
      return decode(part.slice(4)).replace(/^"|"$/g, '');
    }
  }
  return '';
}

/** The fragment wins over the query. */
export function tokenFromUrl(url: URL): string {
  return fragmentToken(url.hash) || (url.searchParams.get('jwt') ?? '');
}

/** The address without its token; everything else stays. */
export function withoutToken(url: URL): string {
  const query = url.search
    .replace(/^\?/, '')
    .split('&')
    .filter((p) => p !== '' && !p.startsWith('jwt='))
    .join('&');
  const hash = url.hash
    .replace(/^#/, '')
    .split('&')
    .filter((p) => p !== '' && !p.startsWith('jwt='))
    .join('&');
  return url.pathname + (query === '' ? '' : `?${query}`) + (hash === '' ? '' : `#${hash}`);
}

/**
 * What outlives a reload of this tab and nothing else: the token, and whether we
 * were in the call. It stands in the history entry, which no other tab, and no
 * page of this site opened later, can read.
 */
export interface TabState {
  readonly token: string;
  readonly rejoin: boolean;
  /** The name given at the last join in this tab. */
  readonly name: string;
}

export function readTabState(state: unknown): TabState {
  const found = (typeof state === 'object' && state !== null ? (state as { parley?: unknown }).parley : undefined) as
    | { token?: unknown; rejoin?: unknown; name?: unknown }
    | undefined;
  return {
    token: typeof found?.token === 'string' ? found.token : '',
    rejoin: found?.rejoin === true,
    name: typeof found?.name === 'string' ? found.name : '',
  };
}

export function writeTabState(state: TabState, address: string): void {
  history.replaceState({ parley: state }, '', address);
}
