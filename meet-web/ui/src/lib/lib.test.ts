import { describe, expect, it } from 'vitest';
import { linkify } from './linkify';
import { shortcutFor } from './shortcuts';
import { DEFAULT_SETTINGS, decodeSettings } from './storage';

describe('linkify', () => {
  it('finds addresses and nothing else', () => {
    expect(linkify('see https://example.com/a?b=1. <b>x</b>')).toEqual([
      { text: 'see ' },
      { text: 'https://example.com/a?b=1', href: 'https://example.com/a?b=1' },
      { text: '. <b>x</b>' },
    ]);
    expect(linkify('javascript:alert(1)')).toEqual([{ text: 'javascript:alert(1)' }]);
    expect(linkify('')).toEqual([]);
  });
});

describe('shortcutFor', () => {
  const press = (key: string, over: Partial<Parameters<typeof shortcutFor>[0]> = {}): Parameters<typeof shortcutFor>[0] => ({
    key,
    ctrlKey: false,
    metaKey: false,
    altKey: false,
    repeat: false,
    target: document.body,
    ...over,
  });

  it('knows single keys and chords', () => {
    expect(['m', 'V', 'c', 'd', 'x'].map((k) => shortcutFor(press(k), true))).toEqual(['mic', 'camera', 'chat', 'share', undefined]);
    expect(shortcutFor(press('d', { ctrlKey: true }), false)).toBe('mic');
    expect(shortcutFor(press('e', { metaKey: true }), false)).toBe('camera');
  });

  it('keeps out of the way', () => {
    const input = document.createElement('textarea');
    expect(shortcutFor(press('m', { target: input }), true)).toBeUndefined();
    expect(shortcutFor(press('m'), false)).toBeUndefined();
    expect(shortcutFor(press('m', { repeat: true }), true)).toBeUndefined();
    expect(shortcutFor(press('c', { ctrlKey: true }), true)).toBeUndefined();
  });
});

describe('settings', () => {
  it.each([null, '', '[', 'null', '3', '{"displayName":3,"micOn":"yes"}'])('fall back to defaults for %s', (text) => {
    expect(decodeSettings(text)).toEqual(DEFAULT_SETTINGS);
  });

  it('keep what fits', () => {
    expect(decodeSettings('{"displayName":"Ann","cameraOn":false,"extra":1}')).toEqual({ ...DEFAULT_SETTINGS, displayName: 'Ann', cameraOn: false });
  });
});
