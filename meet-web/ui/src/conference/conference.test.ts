import { describe, expect, it } from 'vitest';
import type { Source } from '../xmpp/jingle';
import type { Occupant, RoomMessage } from '../xmpp/muc';
import { Chat } from './chat';
import { carrierUrl, decodeConfig } from './config';
import { gridFor, heightFor, wishedHeights } from './layout';
import { Participants } from './participants';
import { foldRoom, parseRoomPath, readTabState, tokenFromUrl, withoutToken } from './room';

describe('room address', () => {
  it.each([
    ['/', '', '', ''],
    ['/demo', 'demo', 'demo', ''],
    ['/Team%20Standup', 'Team Standup', 'team%20standup', ''],
    ['/Caf%C3%A9', 'Café', 'caf%c3%a9', ''],
    ['/Acme/Demo', 'Demo', 'demo', 'acme'],
    ['/de%26mo!', 'demo', 'demo', ''],
    ['/%zz', '%zz', '%25zz', ''],
  ])('%s', (path, title, node, tenant) => {
    expect(parseRoomPath(path)).toEqual({ title, node, tenant });
  });

  it('folds spellings of one room together', () => {
    expect(foldRoom('ＤＥＭＯ')).toBe(foldRoom('demo'));
  });
});

describe('the token in the address', () => {
  it('comes from the fragment first', () => {
    expect(tokenFromUrl(new URL('https://h/r?jwt=query'))).toBe('query');
    expect(tokenFromUrl(new URL('https://h/r?jwt=query#jwt="frag"'))).toBe('frag');
    expect(tokenFromUrl(new URL('https://h/r#config.x=1&jwt=%22frag%22'))).toBe('frag');
    expect(tokenFromUrl(new URL('https://h/r'))).toBe('');
  });

  it('is taken out and nothing else', () => {
    expect(withoutToken(new URL('https://h/r?jwt=x'))).toBe('/r');
    expect(withoutToken(new URL('https://h/r?lang=de&jwt=x&a=b%20c#config.p=1&jwt="y"'))).toBe('/r?lang=de&a=b%20c#config.p=1');
  });

  it('survives a reload in the history entry', () => {
    expect(readTabState({ parley: { token: 'x', rejoin: true, name: 'Ann' } })).toEqual({ token: 'x', rejoin: true, name: 'Ann' });
    for (const state of [null, 3, {}, { parley: null }, { parley: { token: 3, rejoin: 'yes' } }]) {
      expect(readTabState(state)).toEqual({ token: '', rejoin: false, name: '' });
    }
  });
});

describe('config.js', () => {
  const hosts = { domain: 'm', muc: 'conference.m' };

  it('gives what a connection needs', () => {
    expect(decodeConfig({ hosts, websocket: 'wss://m/xmpp-websocket', resolution: 'high', channelLastN: 4 })).toMatchObject({
      focus: 'focus.m',
      focusUser: 'focus@auth.m',
      bosh: '',
      resolution: 720,
      lastN: 4,
      simulcast: true,
      preferSctp: false,
    });
  });

  it.each([undefined, null, 'x', {}, { hosts }, { hosts: { domain: 'm' }, bosh: '/b' }])('is refused when it is %o', (value) => {
    expect(decodeConfig(value)).toBeUndefined();
  });

  it('makes absolute carrier addresses', () => {
    const page = new URL('https://meet.example.com/demo');
    expect(carrierUrl('/xmpp-websocket', page, 'ws', { room: 'café', token: 'a.b', previd: '' })).toBe('wss://meet.example.com/xmpp-websocket?room=caf%C3%A9&token=a.b');
    expect(carrierUrl('ws://localhost:8000/xmpp-websocket', new URL('http://localhost:8000/'), 'ws', {})).toBe('ws://localhost:8000/xmpp-websocket');
    expect(carrierUrl('http-bind', page, 'http', { room: 'r' })).toBe('https://meet.example.com/http-bind?room=r');
  });
});

describe('layout', () => {
  it.each([
    [1, 1260, 630, 1],
    [2, 1260, 630, 2],
    [3, 1260, 630, 2],
    [4, 1260, 630, 2],
    [9, 1260, 630, 3],
    [16, 1260, 630, 4],
    [2, 370, 770, 1],
    [4, 370, 770, 1],
    [8, 370, 770, 2],
  ])('%d people in %dx%d stand in %d columns', (count, width, height, columns) => {
    const grid = gridFor(count, width, height, 10);
    expect(grid.columns).toBe(columns);
    expect(grid.columns * grid.rows).toBeGreaterThanOrEqual(count);
    expect(grid.columns * grid.tileWidth + (grid.columns - 1) * 10).toBeLessThanOrEqual(width);
  });

  it('scrolls instead of shrinking below use', () => {
    expect(gridFor(60, 800, 500, 10).tileHeight).toBeGreaterThanOrEqual(120);
    expect(gridFor(3, 0, 0, 10).tileHeight).toBe(0);
  });

  it('shows four people whole in a phone held sideways', () => {
    const grid = gridFor(4, 460, 240, 10);
    expect(grid.rows * grid.tileHeight + (grid.rows - 1) * 10).toBeLessThanOrEqual(240);
  });

  it('asks for the size that is shown', () => {
    expect([100, 180, 300, 420, 500, 1000].map(heightFor)).toEqual([180, 180, 360, 360, 720, 720]);
    expect(wishedHeights([{ source: 'a-v0', pixels: 200, screen: false }, { source: 'b-v1', pixels: 200, screen: true }])).toEqual({ 'a-v0': 180, 'b-v1': 2160 });
  });
});

const occupant = (nick: string, over: Partial<Occupant> = {}): Occupant => ({
  nick,
  jid: `${nick}@m/r`,
  role: 'participant',
  affiliation: 'none',
  self: false,
  displayName: '',
  sources: undefined,
  meetingClient: false,
  ...over,
});
const source = (name: string, kind: 'audio' | 'video', videoType: 'camera' | 'desktop' = 'camera'): Source => ({
  owner: name.split('-')[0] ?? '',
  name,
  kind,
  msid: '',
  videoType,
  ssrcs: [1],
  groups: [],
});

describe('participants', () => {
  it('shows a person of an ordinary chat client without media', () => {
    const people = new Participants();
    expect(people.put(occupant('alice'))).toBe(true);
    expect(people.list.value[0]).toMatchObject({ name: 'alice', hasMedia: false, audioMuted: true, videoMuted: true });
    expect(people.count.value).toBe(2);
    people.setInterrupted('alice', true); // the bridge waits for media that never comes
    expect(people.list.value[0]?.interrupted).toBe(false);
  });

  it('joins presence, sources and tracks in any order', () => {
    const people = new Participants();
    const track = { kind: 'video' } as MediaStreamTrack;
    people.addSources([source('aabbccdd-v0', 'video'), source('aabbccdd-a0', 'audio')]);
    people.setTracks(new Map([['aabbccdd-v0', track]]));
    people.put(occupant('aabbccdd', { displayName: 'Ann', sources: new Map([['aabbccdd-v0', { muted: false, videoType: 'camera' }]]) }));
    expect(people.list.value[0]).toMatchObject({ name: 'Ann', video: track, videoMuted: false, audioMuted: true, hasMedia: true });
    people.removeSources((s) => s.kind === 'video');
    expect(people.list.value[0]?.video).toBeUndefined();
  });

  it('gives a screen while it is shared', () => {
    const people = new Participants();
    const screen = { kind: 'video' } as MediaStreamTrack;
    people.addSources([source('a-v1', 'video', 'desktop')]);
    people.setTracks(new Map([['a-v1', screen]]));
    people.put(occupant('a', { sources: new Map([['a-v1', { muted: false, videoType: 'desktop' }]]) }));
    expect(people.list.value[0]).toMatchObject({ screen, screenShared: true, videoMuted: true });
    people.put(occupant('a', { sources: new Map([['a-v1', { muted: true, videoType: 'desktop' }]]) }));
    expect(people.list.value[0]).toMatchObject({ screen: undefined, screenShared: false });
    expect(people.sourceName('a', 'screen')).toBe('a-v1');
    expect(people.sourceName('a', 'camera')).toBeUndefined();
  });

  it('calls nobody by an endpoint id', () => {
    const people = new Participants();
    people.put(occupant('1d615206'));
    expect(people.nameOf('1d615206')).toBe('');
  });
});

describe('chat', () => {
  const line = (over: Partial<RoomMessage> = {}): RoomMessage => ({ id: '1', nick: 'bob', text: 'hi', privately: false, delayedSince: undefined, nameHint: '', ...over });

  it('counts what nobody has seen', () => {
    const chat = new Chat();
    expect(chat.received(line(), 'Bob', false)).toBe(true);
    chat.received(line({ id: '2' }), 'Bob', false);
    expect(chat.unread.value).toBe(2);
    chat.setOpen(true);
    chat.received(line({ id: '3' }), 'Bob', false);
    expect(chat.unread.value).toBe(0);
    expect(chat.lines.value).toHaveLength(3);
  });

  it('shows our words once, with their fate', () => {
    const chat = new Chat();
    chat.sending('x', 'mine', 'Ann');
    expect(chat.received(line({ id: 'x', text: 'mine' }), 'Ann', true)).toBe(false);
    chat.sending('y', 'more', 'Ann');
    chat.refused('y', 'no');
    expect(chat.lines.value.map((l) => [l.text, l.state, l.reason])).toEqual([['mine', 'sent', ''], ['more', 'refused', 'no']]);
  });

  it('does not repeat history after coming back, nor count it', () => {
    const chat = new Chat();
    const since = new Date('2026-01-01T10:00:00Z');
    chat.received(line({ delayedSince: since }), 'Bob', false);
    chat.received(line({ id: '9', delayedSince: new Date(since.getTime() + 500) }), 'Bob', false);
    expect(chat.lines.value).toHaveLength(1);
    expect(chat.unread.value).toBe(0);
  });

  it('keeps two people with the same message id apart', () => {
    const chat = new Chat();
    chat.received(line({ id: 'same' }), 'Bob', false);
    chat.received(line({ id: 'same', text: 'other' }), 'Eve', false);
    expect(new Set(chat.lines.value.map((l) => l.key)).size).toBe(2);
  });
});
