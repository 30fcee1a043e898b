import { describe, expect, it } from 'vitest';
import { capabilities, capsString } from './caps';

describe.each([true, false])('capabilities, red %s', (red) => {
  const { features, ver } = capabilities(red);

  it('are sorted, as XEP-0115 hashes them', () => {
    expect([...features].sort()).toEqual(features);
  });

  it('carry the hash of the list', async () => {
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-1', new TextEncoder().encode(capsString(features))));
    expect(ver).toBe(btoa(String.fromCharCode(...digest)));
  });

  it('name redundant audio only where the browser knows it', () => {
    expect(features.includes('http://jitsi.org/opus-red')).toBe(red);
  });
});
