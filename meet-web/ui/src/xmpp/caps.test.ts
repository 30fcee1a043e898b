import { describe, expect, it } from 'vitest';
import { CAPS_STRING, CAPS_VER, FEATURES } from './caps';

describe('capabilities', () => {
  it('are sorted, as XEP-0115 hashes them', () => {
    expect([...FEATURES].sort()).toEqual(FEATURES);
  });

  it('carry the hash of the list', async () => {
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-1', new TextEncoder().encode(CAPS_STRING)));
    expect(CAPS_VER).toBe(btoa(String.fromCharCode(...digest)));
  });
});
