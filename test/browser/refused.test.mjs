// Every kind of bad token: the page says which it is in one sentence, the log says it too, without the token.
import { test, after, before } from 'node:test';
import assert from 'node:assert/strict';
import { generateKeyPairSync, createSign } from 'node:crypto';
import { Server } from './lib/server.mjs';
import { launch, open, refusal } from './lib/browser.mjs';
import { token } from './lib/token.mjs';

let server;
let browser;
before(async () => {
  server = await Server.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

const now = Math.floor(Date.now() / 1000);
const signedWithRSA = () => {
  const b64 = (v) => Buffer.from(JSON.stringify(v)).toString('base64url');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const text = `${b64({ alg: 'RS256', typ: 'JWT' })}.${b64({ iss: 'parley', aud: 'parley', sub: 'meet.localhost', room: 'gate', exp: now + 600 })}`;
  return `${text}.${createSign('RSA-SHA256').update(text).sign(privateKey).toString('base64url')}`;
};

const cases = [
  ['expired', 'A01', /expired/i, (s) => token(s, 'gate', { exp: now - 600 })],
  ['not yet valid', 'A02', /early|opens/i, (s) => token(s, 'gate', { nbf: now + 3600 })],
  ['wrongly signed', 'A03', /not accepted/i, () => token('another secret of thirty-two bytes.', 'gate')],
  ['alg none', 'A03', /not accepted/i, (s) => token(s, 'gate', {}, { alg: 'none' })],
  ['signed with RSA for an HMAC server', 'A03', /not accepted/i, signedWithRSA],
  ['wrong audience', 'A03', /not accepted|another service/i, (s) => token(s, 'gate', { aud: 'somebody-else' })],
  ['wrong issuer', 'A03', /not accepted/i, (s) => token(s, 'gate', { iss: 'somebody-else' })],
  ['wrong room', 'A04', /wrong room/i, (s) => token(s, 'another-room')],
  ['missing', 'A06', /sign-in|link/i, () => null],
  ['damaged', 'A07', /damaged/i, (s) => token(s, 'gate').slice(0, 40)],
];

for (const [kind, code, words, make] of cases) {
  test(`${kind}: page ${code}`, async () => {
    const jwt = make(server.tokenSecret);
    const mark = server.log.length;
    const page = await open(browser, `${server.base}/gate${jwt ? `?jwt=${jwt}` : ''}`);
    const refused = await refusal(page);
    assert.equal(await refused.getAttribute('data-code'), code);
    assert.match(await refused.innerText(), words);
    assert.doesNotMatch(page.url(), /jwt=/, 'the token is taken out of the address bar');
    if (jwt) assert.ok(!server.log.slice(mark).includes(jwt), 'the token never reaches the log');
    await page.context().close();
  });
}
