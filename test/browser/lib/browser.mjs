// Headless Chromium with fake devices, one process per participant.
import { chromium } from 'playwright-core';
import { writeFile, chmod, mkdtemp, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd } from './cleanup.mjs';
import { PATIENCE } from './wait.mjs';

const EXECUTABLE = process.env.PARLEY_CHROMIUM ?? '/usr/bin/chromium';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required',
  '--disable-background-timer-throttling', '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows',
  '--mute-audio',
  '--no-proxy-server', // of the environment: none leads into a test's network
];

/**
 * Starts a browser.
 * @param devices  true: fake camera and microphone, permission granted; false: none and no permission
 * @param netns    name of the network namespace to run in
 * @param viewport page size in CSS pixels
 */
export async function launch({ devices = true, netns, loopback = false, flags = [] } = {}) {
  if (!existsSync(EXECUTABLE)) {
    throw new Error(`no browser at ${EXECUTABLE}: run test/setup.sh, or set PARLEY_CHROMIUM`);
  }
  const args = [...FLAGS, ...flags];
  if (devices) args.push('--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream');
  if (loopback) args.push('--allow-loopback-in-peer-connection');
  const browser = await chromium.launch({
    executablePath: netns ? await inNamespace(netns) : EXECUTABLE,
    args,
    headless: true,
    ignoreDefaultArgs: ['--mute-audio'],
    chromiumSandbox: false,
    timeout: PATIENCE,
  });
  browser.once('disconnected', atEnd(() => browser.close()));
  return browser;
}

// The browser is driven through a pipe, so it may live in another network namespace than the test.
async function inNamespace(netns) {
  const dir = await mkdtemp(join(tmpdir(), 'parley-ns-'));
  atEnd(() => rm(dir, { recursive: true, force: true }));
  const path = join(dir, 'chromium');
  await writeFile(path, `#!/bin/sh\nexec ip netns exec ${netns} ${EXECUTABLE} "$@"\n`);
  await chmod(path, 0o755);
  return path;
}

/** A page in a fresh context; console errors and page errors are collected in `page.problems`. */
export async function open(browser, url, { devices = true, viewport = { width: 1280, height: 720 }, ...context } = {}) {
  const ctx = await browser.newContext({
    viewport, ignoreHTTPSErrors: true,
    permissions: devices ? ['camera', 'microphone'] : [],
    ...context,
  });
  ctx.setDefaultTimeout(PATIENCE);
  const page = await ctx.newPage();
  page.problems = [];
  page.lines = [];
  page.on('pageerror', (error) => page.problems.push(`page error: ${error.message}`));
  page.on('console', (message) => {
    page.lines.push(`${message.type()}: ${message.text()}`);
    if (message.type() === 'error') page.problems.push(message.text());
  });
  await visit(page, url);
  return page;
}

/**
 * Goes to a page. An interface that came or went a moment ago ends Chromium's requests, that for the page or those for
 * its parts: then once more.
 */
export function visit(page, url) { return load(page, () => page.goto(url)); }

/** Loads the page that is there once more, in the same way. */
export function reload(page) { return load(page, () => page.reload()); }

async function load(page, begin, tries = 5) {
  const changed = (text) => /ERR_NETWORK_CHANGED/.test(text ?? '');
  let again = false;
  const hear = (request) => { again ||= changed(request.failure()?.errorText); };
  page.on('requestfailed', hear);
  try {
    await begin();
  } catch (error) {
    if (tries === 1 || !changed(error.message)) throw error;
    again = true;
  } finally {
    page.off('requestfailed', hear);
  }
  if (again && tries > 1) await load(page, begin, tries - 1);
}

/**
 * The refusal a link ends in. The page logs in while the name is typed, so it may come before the click on join, in
 * the middle of it, or after.
 */
export async function refusal(page) {
  const refused = page.getByTestId('refused');
  const join = page.getByTestId('prejoin-join');
  await refused.or(join).first().waitFor();
  const asked = (async () => {
    await page.getByTestId('prejoin-name').fill('Mallory');
    await join.click();
  })();
  asked.catch(() => {}); // the page that it waits for is gone
  await refused.waitFor();
  return refused;
}
