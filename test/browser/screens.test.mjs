// What a person sees: pictures of every page at desk and phone size, in artifacts/, and checks of what must hold on each.
import { test, after, before } from 'node:test';
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Server } from './lib/server.mjs';
import { Participant } from './lib/participant.mjs';
import { launch, open, refusal } from './lib/browser.mjs';
import { portrait } from './lib/portrait.mjs';
import { token } from './lib/token.mjs';

const ARTIFACTS = join(dirname(fileURLToPath(import.meta.url)), 'artifacts');
const SIZES = { desk: { width: 1280, height: 720 }, phone: { width: 390, height: 844 } };
const now = Math.floor(Date.now() / 1000);

let server;
const people = [];
before(async () => {
  await mkdir(ARTIFACTS, { recursive: true });
  server = await Server.start();
});
after(async () => {
  await Promise.all(people.map((p) => p.close()));
  await server?.stop();
});

// Takes the picture at both sizes and checks that the page needs no sideways scrolling and has nothing nameless to press.
async function picture(page, name) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    await page.waitForFunction(() => document.getAnimations().every((a) => a.playState !== 'running' || a.effect?.getTiming().iterations === Infinity));
    await page.screenshot({ path: join(ARTIFACTS, `${name}-${size}.png`) });
    const sideways = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(sideways <= 0, `${name} at ${size}: ${sideways} px too wide`);
    const nameless = await page.evaluate(() => [...document.querySelectorAll('button, input, select, a')]
      .filter((e) => e.checkVisibility() && !(e.ariaLabel || e.labels?.length || e.textContent.trim() || e.title || e.getAttribute('aria-labelledby')))
      .map((e) => e.outerHTML.slice(0, 80)));
    assert.deepEqual(nameless, [], `${name}: controls without a name`);
  }
  await page.setViewportSize(SIZES.desk);
}

test('front, pre-join, and a call of two and four with chat', async () => {
  const link = (name) => server.link('weekly', { name, moderator: name === 'Ann Weaver' });
  const front = await launch();
  const page = await open(front, `${server.base}/`);
  await page.getByRole('heading').first().waitFor();
  await picture(page, 'front');
  await front.close();

  const arrive = async (name) => {
    const person = await Participant.arrive(link(name), { name, flags: await portrait(people.length) });
    people.push(person);
    return person;
  };
  const ann = await arrive('Ann Weaver');
  await ann.page.getByTestId('prejoin-join').waitFor();
  await ann.page.waitForFunction(() => [...document.querySelectorAll('video')].some((v) => v.videoWidth > 0));
  await picture(ann.page, 'prejoin');
  await ann.join();
  await picture(ann.page, 'alone');
  const bob = await arrive('Bob Keller');
  await bob.join();
  await ann.receives(['Bob Keller']);
  await picture(ann.page, 'call-2');
  for (const name of ['Cyd Moreau', 'Dan Osei']) await (await arrive(name)).join();
  await ann.receives(['Bob Keller', 'Cyd Moreau', 'Dan Osei']);
  await picture(ann.page, 'call-4');
  await bob.say('Shall we begin? The agenda is in the invitation.');
  await ann.say('Yes — everybody is here.');
  await ann.hears('Shall we begin?');
  await ann.page.mouse.move(0, 0);
  await picture(ann.page, 'chat');
  await ann.leave();
  await ann.page.getByRole('button').first().waitFor();
  await picture(ann.page, 'left');
});

test('a call without a mouse', async () => {
  const ann = await Participant.arrive(server.link('keys', { name: 'Ann' }), { name: 'Ann' });
  people.push(ann);
  const { page } = ann;
  const focused = (id) => page.waitForFunction((testid) => document.activeElement?.dataset.testid === testid, id);
  const reach = async (id) => {
    for (let i = 0; i < 40; i++) {
      if (await page.evaluate((testid) => document.activeElement?.dataset.testid === testid, id)) return;
      await page.keyboard.press('Tab');
    }
    throw new Error(`${id} cannot be reached with Tab`);
  };
  const pressed = (id, yes) => page.locator(`[data-testid="${id}"][aria-pressed="${yes}"]`).waitFor();

  await page.getByTestId('prejoin-join').waitFor();
  await page.waitForFunction(() => [...document.querySelectorAll('video')].some((v) => v.videoWidth > 0));
  await focused('prejoin-join'); // the link brought the name
  await page.keyboard.press('Enter');
  await page.getByTestId('toolbar-leave').waitFor();
  await pressed('toolbar-mic', false);
  await page.keyboard.press('m');
  await pressed('toolbar-mic', true);
  await page.keyboard.press('Control+d');
  await pressed('toolbar-mic', false);
  await page.keyboard.press('v');
  await pressed('toolbar-camera', true);
  await reach('toolbar-people');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Escape');
  await focused('toolbar-people'); // back to where the person was
  await page.keyboard.press('c');
  await focused('chat-input');
  await page.keyboard.type('more, with letters that are shortcuts elsewhere');
  await page.keyboard.press('Enter');
  await ann.hears('more, with letters');
  await pressed('toolbar-mic', false);
  await page.keyboard.press('Escape');
  await reach('toolbar-leave');
  await page.keyboard.press('Enter');
  await page.getByTestId('toolbar-leave').waitFor({ state: 'detached' });
});

test('refused links', async () => {
  const secret = server.tokenSecret;
  const browser = await launch();
  const links = {
    A01: token(secret, 'gate', { exp: now - 600 }),
    A02: token(secret, 'gate', { nbf: now + 3600 }),
    'A03-signature': token('another secret of thirty-two bytes.', 'gate'),
    'A03-audience': token(secret, 'gate', { aud: 'somebody-else' }),
    A04: token(secret, 'another-room'),
    A06: '',
    A07: 'eyJhbGciOi',
  };
  const sentences = new Set();
  for (const [code, jwt] of Object.entries(links)) {
    const page = await open(browser, `${server.base}/gate${jwt && `?jwt=${jwt}`}`);
    const refused = await refusal(page);
    sentences.add(await refused.innerText());
    await picture(page, `refused-${code}`);
    await page.context().close();
  }
  assert.equal(sentences.size, Object.keys(links).length, 'each kind has a sentence of its own');
  await browser.close();
});
