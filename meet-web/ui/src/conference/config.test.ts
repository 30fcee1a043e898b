import { describe, expect, it } from 'vitest';

import { decodeConfig } from './config';

const base = { hosts: { domain: 'meet.localhost', muc: 'conference.meet.localhost' }, websocket: 'wss://meet.localhost/xmpp-websocket' };

describe('decodeConfig', () => {
  it('wants a domain, rooms and a way there', () => {
    expect(decodeConfig(undefined)).toBeUndefined();
    expect(decodeConfig({ hosts: base.hosts })).toBeUndefined();
    expect(decodeConfig(base)?.focus).toBe('focus.meet.localhost');
  });

  it.each([
    [undefined, false],
    [{ preferSctp: true }, true],
    [{ preferSctp: true, ownPage: 'websocket' }, false],
    [{ preferSctp: false }, false],
    ['nonsense', false],
  ])('bridgeChannel %j prefers SCTP here: %s', (bridgeChannel, want) => {
    expect(decodeConfig({ ...base, bridgeChannel })?.preferSctp).toBe(want);
  });
});
