import { describe, expect, it } from 'vitest';
import { joinMayBeRetried, readToken, refusalOfJoin, refusalOfLogin } from './token';

const part = (value: unknown): string => btoa(JSON.stringify(value)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
const jwt = (claims: unknown, header: unknown = { alg: 'HS256', typ: 'JWT' }): string => `${part(header)}.${part(claims)}.c2ln`;

describe('readToken', () => {
  it('reads times, room and name', () => {
    expect(readToken(jwt({ exp: 1_900_000_000, nbf: 1_800_000_000, room: 'demo', context: { user: { name: 'Ann' }, tenant: 't' } }))).toEqual({
      wellFormed: true,
      alg: 'HS256',
      room: 'demo',
      tenant: 't',
      name: 'Ann',
      expires: new Date(1_900_000_000_000),
      notBefore: new Date(1_800_000_000_000),
    });
  });

  it.each(['', 'abc', 'a.b.c', '..', jwt('text'), jwt([1]), jwt({ exp: 'soon', nbf: 1e300 }), `${part({})}.%%%.x`])('survives %s', (token) => {
    const facts = readToken(token);
    expect(facts.expires).toBeUndefined();
    expect(facts.notBefore).toBeUndefined();
  });
});

// What the server says at log-in, word for word, and what the person reads.
describe('a refused log-in', () => {
  it.each([
    ['token required', '', 'A06', 'other'],
    ['Not acceptable by exp (42 sec since expired, valid for:3600 sec)', jwt({ exp: 1 }), 'A01', 'other'],
    ['Not acceptable by exp (3620.0 sec since expired)', jwt({ exp: 1 }), 'A01', 'other'],
    ['Not acceptable by nbf', jwt({ nbf: 9e9 }), 'A02', 'other'],
    ['Invalid signature', jwt({}), 'A03', 'signature'],
    ['Invalid or incorrect alg', jwt({}, { alg: 'HS512' }), 'A03', 'algorithm'],
    ['Invalid token', jwt({}, { alg: 'none' }), 'A03', 'unsigned'],
    ["invalid 'iss' claim", jwt({}), 'A03', 'issuer'],
    ["'iss' claim is missing", jwt({}), 'A03', 'issuer'],
    ["invalid 'aud' claim", jwt({}), 'A03', 'audience'],
    ["'aud' claim is missing", jwt({}), 'A03', 'audience'],
    ["'exp' claim is missing", jwt({}), 'A03', 'no-expiry'],
    ['room claim is missing', jwt({}), 'A03', 'no-room'],
    ['sub claim is missing', jwt({}), 'A03', 'no-subject'],
    ["'kid' claim is missing", jwt({}), 'A03', 'key'],
    ['could not obtain public key', jwt({}), 'A03', 'key'],
    ['Invalid token', 'abc', 'A07', 'other'],
    ['Invalid header', 'abc', 'A07', 'other'],
    ['Invalid body', 'abc', 'A07', 'other'],
    ['Invalid typ', jwt({}), 'A07', 'other'],
    ['bad token format', 'abc', 'A07', 'other'],
    ['exp must be number', jwt({ exp: 'x' }), 'A07', 'other'],
    ['user is banned', jwt({}), 'A09', 'other'],
    ['something new', jwt({}), 'A03', 'other'],
    ['', '', 'A06', 'other'],
  ])('"%s" with token %s is %s/%s', (text, token, code, detail) => {
    const refusal = refusalOfLogin(text, token);
    expect([refusal.code, refusal.detail]).toEqual([code, detail]);
  });
});

describe('a refused join', () => {
  const error = (condition: string, text = '', ...tags: string[]) => ({ condition, text, tags });
  it.each([
    [error('not-allowed', 'Room does not match the room from token', 'room-mismatch'), 'A04'],
    [error('not-allowed', 'Room name cannot be matched to the one from token.', 'room-name-does-not-match'), 'A04'],
    [error('not-allowed', 'Room and token mismatched'), 'A05'],
    [error('not-allowed', 'Authentication required', 'authentication-required'), 'A06'],
    [error('not-allowed', 'Room does not exist', 'room-does-not-exist'), 'A10'],
    [error('not-allowed', 'Room creation is restricted'), 'A10'],
    [error('not-authorized'), 'A11'],
    [error('registration-required'), 'A16'],
    [error('service-unavailable'), 'A18'],
    [error('forbidden'), 'A09'],
    [error('remote-server-timeout'), 'C06'],
    [error('internal-server-error'), 'C06'],
  ])('%o is %s', (info, code) => {
    expect(refusalOfJoin(info, jwt({ room: 'other' })).code).toBe(code);
  });

  it('is tried again when the focus is only late', () => {
    expect(joinMayBeRetried(error('not-allowed', 'Room does not exist', 'room-does-not-exist'))).toBe(true);
    expect(joinMayBeRetried(error('not-allowed', 'Room creation is restricted'))).toBe(true);
    expect(joinMayBeRetried(error('not-allowed', '', 'room-mismatch'))).toBe(false);
  });
});
