import { describe, expect, it, vi } from 'vitest';
import { BoshTransport } from './bosh';
import { NS } from './ns';
import { el, parseXml } from './xml';
import type { XmlElement } from './xml';

interface Post {
  body: XmlElement;
  text: string;
  answer(inner: string, attrs?: string): Promise<void>;
  fail(): Promise<void>;
}

function connect(): { posts: Post[]; got: XmlElement[]; closed: unknown[]; transport: BoshTransport } {
  const posts: Post[] = [];
  const got: XmlElement[] = [];
  const closed: unknown[] = [];
  const transport = new BoshTransport('http://h/http-bind?room=r', 'meet.example.com', (_, init) => {
    const text = typeof init.body === 'string' ? init.body : '';
    return new Promise((resolve, reject) => {
      const settle = async (): Promise<void> => {
        for (let i = 0; i < 8; i++) {
          await Promise.resolve();
        }
      };
      posts.push({
        text,
        body: parseXml(text),
        answer: (inner, attrs = 'sid="S"') => {
          resolve(new Response(`<body xmlns="${NS.HTTPBIND}" ${attrs}>${inner}</body>`));
          return vi.waitFor(settle);
        },
        fail: () => {
          reject(new TypeError('network'));
          return vi.waitFor(settle);
        },
      });
    });
  });
  transport.connect({ element: (e) => got.push(e), closed: (established, reason) => closed.push([established, reason]) });
  return { posts, got, closed, transport };
}

const presence = el(NS.CLIENT, 'presence');

describe('BOSH', () => {
  it('opens a session and keeps a request with the server', async () => {
    const s = connect();
    expect(s.posts[0]?.body.attrs).toMatchObject({ to: 'meet.example.com', wait: '60', hold: '1', ver: '1.6' });
    expect(s.posts[0]?.text).toContain('xmpp:version="1.0"');
    await s.posts[0]?.answer('<stream:features xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams"/>');
    await vi.waitFor(() => expect(s.posts).toHaveLength(2));
    expect(s.got[0]?.name).toBe('features');
    expect(s.posts[1]?.body.attrs['sid']).toBe('S');
    expect(Number(s.posts[1]?.body.attrs['rid'])).toBe(Number(s.posts[0]?.body.attrs['rid']) + 1);
  });

  it('sends beside the held request, several stanzas in one body, and never a third', async () => {
    const s = connect();
    await s.posts[0]?.answer('');
    await vi.waitFor(() => expect(s.posts).toHaveLength(2));
    s.transport.send(presence);
    s.transport.send(presence);
    await vi.waitFor(() => expect(s.posts).toHaveLength(3));
    expect(s.posts[2]?.body.children).toHaveLength(2);
    s.transport.send(presence);
    await Promise.resolve();
    await Promise.resolve();
    expect(s.posts).toHaveLength(3);
    await s.posts[1]?.answer('');
    await vi.waitFor(() => expect(s.posts).toHaveLength(4));
  });

  it('handles answers in order', async () => {
    const s = connect();
    await s.posts[0]?.answer('');
    await vi.waitFor(() => expect(s.posts).toHaveLength(2));
    s.transport.send(presence);
    await vi.waitFor(() => expect(s.posts).toHaveLength(3));
    await s.posts[2]?.answer('<message xmlns="jabber:client" id="second"/>');
    expect(s.got).toHaveLength(0);
    await s.posts[1]?.answer('<message xmlns="jabber:client" id="first"/>');
    await vi.waitFor(() => expect(s.got.map((e) => e.attrs['id'])).toEqual(['first', 'second']));
  });

  it('ends when the server ends it, or was never there', async () => {
    const s = connect();
    await s.posts[0]?.answer('', 'type="terminate" condition="improper-addressing"');
    await vi.waitFor(() => expect(s.closed).toEqual([[false, 'improper-addressing']]));
    const t = connect();
    await t.posts[0]?.fail();
    await vi.waitFor(() => expect(t.closed).toEqual([[false, 'no connection']]));
  });

  it('says good-bye in the terminate body', async () => {
    const s = connect();
    await s.posts[0]?.answer('');
    s.transport.close([presence]);
    const last = s.posts.at(-1);
    expect(last?.body.attrs['type']).toBe('terminate');
    expect(last?.body.children[0]?.name).toBe('presence');
    expect(s.closed).toHaveLength(1);
  });
});
