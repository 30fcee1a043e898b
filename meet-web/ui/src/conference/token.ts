/** What can be read from a room token without its key, for explaining a refusal. */
export interface TokenFacts {
  readonly wellFormed: boolean;
  readonly alg: string;
  readonly room: string;
  readonly tenant: string;
  readonly name: string;
  readonly expires: Date | undefined;
  readonly notBefore: Date | undefined;
}

function decodePart(part: string | undefined): Record<string, unknown> | undefined {
  if (part === undefined) {
    return undefined;
  }
  try {
    const binary = atob(part.replace(/-/g, '+').replace(/_/g, '/'));
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(binary, (c) => c.charCodeAt(0)));
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function time(value: unknown): Date | undefined {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    return undefined;
  }
  const date = new Date(value * 1000);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

export function readToken(token: string): TokenFacts {
  const parts = token.split('.');
  const header = decodePart(parts[0]);
  const body = decodePart(parts[1]);
  const context = record(body?.['context']);
  return {
    wellFormed: parts.length === 3 && header !== undefined && body !== undefined,
    alg: text(header?.['alg']),
    room: text(body?.['room']),
    tenant: text(context['tenant']),
    name: text(record(context['user'])['name']) || text(body?.['name']),
    expires: time(body?.['exp']),
    notBefore: time(body?.['nbf']),
  };
}

/** Why a person may not enter; the codes are those of the server's log. */
export type RefusalCode =
  | 'A01' // expired
  | 'A02' // not yet valid
  | 'A03' // not accepted here, see `detail`
  | 'A04' // another room
  | 'A05' // another tenant
  | 'A06' // no token
  | 'A07' // damaged
  | 'A09' // removed earlier
  | 'A10' // room not open
  | 'A11' // password asked
  | 'A16' // lobby
  | 'A18' // full
  | 'C06'; // the focus does not answer

/** What about a token was not accepted, for A03. */
export type RefusalDetail = 'signature' | 'unsigned' | 'algorithm' | 'issuer' | 'audience' | 'key' | 'no-expiry' | 'no-room' | 'no-subject' | 'other';

export interface Refusal {
  readonly code: RefusalCode;
  readonly detail: RefusalDetail;
  /** The server's own words, for the details people copy. */
  readonly serverText: string;
  readonly token: TokenFacts;
}

const LOGIN_REASONS: readonly (readonly [RegExp, RefusalCode, RefusalDetail])[] = [
  [/^token required/i, 'A06', 'other'],
  [/acceptable by exp|token.*expired/i, 'A01', 'other'],
  [/acceptable by nbf/i, 'A02', 'other'],
  [/banned/i, 'A09', 'other'],
  [/^invalid signature/i, 'A03', 'signature'],
  [/incorrect alg|only support with RS/i, 'A03', 'algorithm'],
  [/'?iss'? claim|invalid issuer/i, 'A03', 'issuer'],
  [/'?aud'? claim|invalid audience/i, 'A03', 'audience'],
  [/'?kid'? claim|public key|verification key/i, 'A03', 'key'],
  [/'exp' claim is missing/i, 'A03', 'no-expiry'],
  [/room'? claim is missing/i, 'A03', 'no-room'],
  [/sub'? claim is missing/i, 'A03', 'no-subject'],
  [/must be number|invalid (token|header|body|typ)|bad token format|context claim|'alg' claim/i, 'A07', 'other'],
];

/** A log-in the server refused (SASL). `hadToken` says whether the link carried one. */
export function refusalOfLogin(serverText: string, token: string): Refusal {
  const facts = readToken(token);
  const found = LOGIN_REASONS.find(([pattern]) => pattern.test(serverText));
  let code: RefusalCode = found?.[1] ?? (token === '' ? 'A06' : 'A03');
  let detail: RefusalDetail = found?.[2] ?? 'other';
  // Servers call an unsigned token simply invalid; a person was handed something that
  // proves nothing, which is another matter than a link cut off while copying.
  if (code === 'A07' && facts.alg.toLowerCase() === 'none') {
    code = 'A03';
    detail = 'unsigned';
  }
  return { code, detail, serverText, token: facts };
}

const JOIN_TAGS: Readonly<Record<string, RefusalCode>> = {
  'room-mismatch': 'A04',
  'room-name-does-not-match': 'A04',
  'invalid-regex': 'A04',
  'authentication-required': 'A06',
  'room-does-not-exist': 'A10',
};

const JOIN_CONDITIONS: Readonly<Record<string, RefusalCode>> = {
  'not-authorized': 'A11',
  'registration-required': 'A16',
  'service-unavailable': 'A18',
  forbidden: 'A09',
  'remote-server-timeout': 'C06',
};

/** A join the room refused (presence error). */
export function refusalOfJoin(error: { condition: string; text: string; tags: readonly string[] }, token: string): Refusal {
  const facts = readToken(token);
  const tagged = error.tags.map((tag) => JOIN_TAGS[tag]).find((code) => code !== undefined);
  let code: RefusalCode = tagged ?? JOIN_CONDITIONS[error.condition] ?? 'C06';
  if (tagged === undefined && error.condition === 'not-allowed') {
    code = /mismatched/i.test(error.text) ? 'A05' : /creation is restricted/i.test(error.text) ? 'A10' : 'A04';
  }
  return { code, detail: 'other', serverText: error.text || error.condition, token: facts };
}

/** The focus may only be late: the same join is worth another try. */
export function joinMayBeRetried(error: { condition: string; text: string; tags: readonly string[] }): boolean {
  return error.condition === 'not-allowed' && (error.tags.includes('room-does-not-exist') || /creation is restricted/i.test(error.text));
}
