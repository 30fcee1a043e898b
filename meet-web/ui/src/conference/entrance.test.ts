import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { NoAnswerError, StanzaError } from '../xmpp/errors';
import { NS } from '../xmpp/ns';
import type { Stream } from '../xmpp/stream';
import { el } from '../xmpp/xml';
import type { XmlElement } from '../xmpp/xml';
import { decodeConfig } from './config';
import { askForConference } from './entrance';

const config = decodeConfig({ hosts: { domain: 'm', muc: 'conference.m' }, websocket: 'wss://m/x' });
const answer = (ready: boolean): XmlElement =>
  el(NS.CLIENT, 'iq', { type: 'result' }, el(NS.FOCUS, 'conference', { ready: String(ready), focusjid: 'focus@auth.m/focus' }));
const refusal = (type: string, condition: string): StanzaError => new StanzaError({ type, condition, text: '', tags: [] });

/** A focus that answers so, one after the other, the last again and again. */
function asked(...answers: (XmlElement | Error)[]): { result: Promise<string>; count: () => number } {
  let n = 0;
  const iq = (): Promise<XmlElement> => {
    const a = answers[Math.min(n++, answers.length - 1)];
    return a instanceof Error || a === undefined ? Promise.reject(a ?? new Error('no answer')) : Promise.resolve(a);
  };
  if (config === undefined) {
    throw new Error('no configuration');
  }
  const result = askForConference({ iq } as unknown as Stream, config, 'room@conference.m');
  result.catch(() => undefined);
  return { result, count: () => n };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('waits for a focus that is not there yet', async () => {
  const { result, count } = asked(refusal('wait', 'remote-server-timeout'), answer(false), answer(true));
  await vi.advanceTimersByTimeAsync(1_100);
  expect(await result).toBe('focus@auth.m');
  expect(count()).toBe(3);
});

it('takes a refusal at once', async () => {
  const { result, count } = asked(refusal('auth', 'not-authorized'));
  await expect(result).rejects.toThrow(StanzaError);
  expect(count()).toBe(1);
});

it('gives up in the end', async () => {
  const { result, count } = asked(answer(false));
  const ended = expect(result).rejects.toThrow(NoAnswerError);
  await vi.advanceTimersByTimeAsync(60_000);
  await ended;
  expect(count()).toBe(15);
});
