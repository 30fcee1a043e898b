// Room tokens for tests: made with the server's own secret, or bent on purpose.
import { createHmac } from 'node:crypto';

const b64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/**
 * Makes a signed room token.
 * @param secret the HS256 secret of the server under test
 * @param room   the room it opens
 * @param over   claims that replace the good ones (undefined removes one)
 * @param header fields that replace the good header
 */
export function token(secret, room, { name = 'Ann', moderator = false, domain = 'meet.localhost', ...over } = {}, header = {}) {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: 'parley', aud: 'parley', sub: domain, room, iat: now, nbf: now - 5, exp: now + 3600,
    context: { user: { name, moderator } },
    ...over,
  };
  for (const key of Object.keys(claims)) if (claims[key] === undefined) delete claims[key];
  const head = { alg: 'HS256', typ: 'JWT', ...header };
  const signed = `${b64(head)}.${b64(claims)}`;
  const signature = head.alg === 'none' ? '' : createHmac('sha256', secret).update(signed).digest('base64url');
  return `${signed}.${signature}`;
}
