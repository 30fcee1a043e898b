import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StanzaError } from './errors';
import { NS } from './ns';
import { Stream } from './stream';
import type { CloseReason, StreamState } from './stream';
import type { Transport, TransportHandlers } from './transport';
import { child, el, parseXml, serialize } from './xml';
import type { XmlElement } from './xml';

const HOST = 'meet.example.com';

/** A server as far as a log-in needs one. */
class FakeTransport implements Transport {
  readonly resumable: boolean;
  readonly previd: string;
  handlers: TransportHandlers | undefined;
  sent: XmlElement[] = [];
  closedWith: readonly XmlElement[] | undefined;
  failure = '';
  resumedH: number | undefined;
  #authenticated = false;

  constructor(previd: string, resumable = true) {
    this.previd = previd;
    this.resumable = resumable;
  }

  connect(handlers: TransportHandlers): void {
    this.handlers = handlers;
  }

  start(): void {
    this.features('<mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl"><mechanism>ANONYMOUS</mechanism></mechanisms>');
  }

  features(inner: string): void {
    this.give(`<stream:features xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams">${inner}</stream:features>`);
  }

  give(xml: string): void {
    this.handlers?.element(parseXml(xml));
  }

  send(element: XmlElement): void {
    this.sent.push(element);
    if (element.name === 'auth') {
      this.#authenticated = this.failure === '';
      this.give(
        this.failure === ''
          ? `<success xmlns="${NS.SASL}"/>`
          : `<failure xmlns="${NS.SASL}"><not-allowed/><text>${this.failure}</text></failure>`,
      );
    } else if (child(element, 'bind') !== undefined) {
      this.give(`<iq xmlns="jabber:client" type="result" id="${element.attrs['id']}"><bind xmlns="${NS.BIND}"><jid>aabbccdd-1@${HOST}/r</jid></bind></iq>`);
    } else if (element.name === 'enable') {
      this.give(`<enabled xmlns="${NS.SM}" id="tok" resume="true" max="60"/>`);
    } else if (element.name === 'resume') {
      this.give(
        this.resumedH === undefined
          ? `<failed xmlns="${NS.SM}"><item-not-found xmlns="${NS.STANZAS}"/></failed>`
          : `<resumed xmlns="${NS.SM}" h="${this.resumedH}" previd="tok"/>`,
      );
    }
  }

  restart(): void {
    if (this.#authenticated) {
      this.features(`<bind xmlns="${NS.BIND}"/>${this.resumable ? `<sm xmlns="${NS.SM}"/>` : ''}`);
    }
  }

  close(last: readonly XmlElement[]): void {
    this.closedWith = last;
    this.handlers = undefined;
  }

  abort(reason: string): void {
    const handlers = this.handlers;
    this.handlers = undefined;
    handlers?.closed(this.sent.length > 0, reason);
  }
}

interface Scene {
  stream: Stream;
  made: FakeTransport[];
  states: StreamState[];
  closed: CloseReason[];
  stanzas: XmlElement[];
}

function scene(prepare: (t: FakeTransport, n: number) => void = () => undefined, carriers = 1, resumable = true): Scene {
  const made: FakeTransport[] = [];
  const s = { made, states: [] as StreamState[], closed: [] as CloseReason[], stanzas: [] as XmlElement[] };
  const make = (previd: string): Transport => {
    const t = new FakeTransport(previd, resumable);
    made.push(t);
    prepare(t, made.length);
    return t;
  };
  const stream = new Stream({
    host: HOST,
    carriers: Array.from({ length: carriers }, () => make),
    onState: (state) => s.states.push(state),
    onStanza: (stanza) => s.stanzas.push(stanza),
    onClosed: (reason) => s.closed.push(reason),
  });
  stream.connect();
  return { stream, ...s };
}

async function online(s: Scene): Promise<FakeTransport> {
  const transport = s.made.at(-1);
  if (transport === undefined) {
    throw new Error('no transport');
  }
  transport.start();
  await vi.advanceTimersByTimeAsync(0);
  return transport;
}

const message = (text: string): XmlElement => el(NS.CLIENT, 'message', { to: 'r@c', type: 'groupchat' }, el(NS.CLIENT, 'body', {}, text));
const names = (t: FakeTransport): string[] => t.sent.map((e) => e.name);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('log-in', () => {
  it('goes online and knows its address', async () => {
    const s = scene();
    const t = await online(s);
    expect(s.states).toEqual(['online']);
    expect(s.stream.jid).toBe(`aabbccdd-1@${HOST}/r`);
    expect(names(t)).toEqual(['auth', 'iq', 'enable']);
  });

  it('tells why the server refused', async () => {
    const s = scene((t) => (t.failure = 'Invalid signature'));
    await online(s);
    expect(s.closed).toEqual([{ kind: 'refused', condition: 'not-allowed', text: 'Invalid signature' }]);
    expect(s.made[0]?.closedWith).toEqual([]);
  });

  it('takes the next carrier when the first never answers', async () => {
    const s = scene(undefined, 2);
    s.made[0]?.abort('refused');
    expect(s.made).toHaveLength(2);
    await online(s);
    expect(s.states).toEqual(['online']);
  });

  it('is unreachable when no carrier works', () => {
    const s = scene();
    s.made[0]?.abort('refused');
    expect(s.closed).toEqual([{ kind: 'unreachable', detail: 'refused' }]);
  });
});

describe('IQs', () => {
  it('match answers by id and sender', async () => {
    const s = scene();
    const t = await online(s);
    const answer = s.stream.iq('get', 'x.example', el(NS.PING, 'ping'));
    const id = t.sent.at(-1)?.attrs['id'];
    t.give(`<iq xmlns="jabber:client" type="result" id="${id}" from="evil.example"><ping xmlns="urn:xmpp:ping"/></iq>`);
    t.give(`<iq xmlns="jabber:client" type="result" id="${id}" from="x.example"/>`);
    expect((await answer).attrs['from']).toBe('x.example');
  });

  it('reject with the stanza error, or when nobody answers', async () => {
    const s = scene();
    const t = await online(s);
    const refused = s.stream.iq('set', 'x', el(NS.PING, 'ping'));
    t.give(`<iq xmlns="jabber:client" type="error" id="${t.sent.at(-1)?.attrs['id']}"><error type="wait"><remote-server-timeout xmlns="${NS.STANZAS}"/></error></iq>`);
    await expect(refused).rejects.toMatchObject({ info: { condition: 'remote-server-timeout', type: 'wait' } });
    const silent = expect(s.stream.iq('get', 'y', el(NS.PING, 'ping'), 1_000)).rejects.toThrow('no answer from y');
    await vi.advanceTimersByTimeAsync(1_000);
    await silent;
  });

  it('answers what it knows and refuses the rest', async () => {
    const s = scene();
    const t = await online(s);
    s.stream.handleIq(NS.PING, 'ping', () => undefined);
    s.stream.handleIq(NS.JINGLE, 'jingle', () => {
      throw new StanzaError({ type: 'cancel', condition: 'item-not-found', text: '', tags: [] });
    });
    t.give('<iq xmlns="jabber:client" type="get" id="1" from="f"><ping xmlns="urn:xmpp:ping"/></iq>');
    t.give('<iq xmlns="jabber:client" type="set" id="2" from="f"><jingle xmlns="urn:xmpp:jingle:1"/></iq>');
    t.give('<iq xmlns="jabber:client" type="get" id="3" from="f"><query xmlns="jabber:iq:version"/></iq>');
    expect(t.sent.slice(-3).map((e) => [e.attrs['type'], e.attrs['id'], child(e, 'error')?.children[0]?.name])).toEqual([
      ['result', '1', undefined],
      ['error', '2', 'item-not-found'],
      ['error', '3', 'service-unavailable'],
    ]);
  });
});

describe('a lost carrier', () => {
  it('is replaced, and nothing is lost or said twice', async () => {
    const s = scene((t, n) => (t.resumedH = n === 1 ? undefined : 1));
    const t = await online(s);
    s.stream.send(message('one'));
    s.stream.send(message('two'));
    t.abort('cut');
    expect(s.states).toEqual(['online', 'reconnecting']);
    s.stream.send(message('three'));
    await vi.advanceTimersByTimeAsync(1_000);
    const second = s.made[1];
    expect(second?.previd).toBe('tok');
    second?.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(s.states).toEqual(['online', 'reconnecting', 'online']);
    expect(second?.sent.filter((e) => e.name === 'message').map((e) => child(e, 'body')?.text)).toEqual(['two', 'three']);
    expect(second?.sent.find((e) => e.name === 'resume')?.attrs).toEqual({ h: '0', previd: 'tok' });
  });

  it('is given up when the server has forgotten the session', async () => {
    const s = scene();
    const t = await online(s);
    t.abort('cut');
    await vi.advanceTimersByTimeAsync(1_000);
    s.made[1]?.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(s.closed[0]?.kind).toBe('lost');
  });

  it('is given up when hibernation is over', async () => {
    const s = scene((t, n) => n > 1 && queueMicrotask(() => t.abort('refused')));
    const t = await online(s);
    t.abort('cut');
    await vi.advanceTimersByTimeAsync(59_000);
    expect(s.closed).toEqual([]);
    expect(s.made.length).toBeGreaterThan(8);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(s.closed[0]?.kind).toBe('lost');
  });

  it('is final over BOSH', async () => {
    const s = scene(undefined, 1, false);
    const t = await online(s);
    t.abort('cut');
    expect(s.closed[0]?.kind).toBe('lost');
  });

  it('is noticed by pings that nobody answers', async () => {
    const s = scene();
    await online(s);
    await vi.advanceTimersByTimeAsync(21_000);
    expect(s.states).toEqual(['online', 'reconnecting']);
  });

  it('does not wait for a try that began on the network of before', async () => {
    const s = scene((t) => (t.resumedH = 0));
    const t = await online(s);
    t.abort('cut');
    await vi.advanceTimersByTimeAsync(3_000); // the second try hears nothing
    expect(s.made.length).toBe(2);
    s.stream.retryNow();
    await vi.advanceTimersByTimeAsync(500);
    expect(s.made.length).toBe(3);
    s.stream.retryNow(); // this one has only just begun
    await vi.advanceTimersByTimeAsync(500);
    expect([s.made.length, s.stream.resumedAt]).toEqual([3, 0]);
    await online(s);
    expect([s.states.at(-1), s.stream.resumedAt]).toEqual(['online', performance.now()]);
  });

  it('is noticed within seconds after the machine slept', async () => {
    const s = scene();
    await online(s);
    s.stream.retryNow();
    await vi.advanceTimersByTimeAsync(3_000);
    expect(s.states).toEqual(['online', 'reconnecting']);
  });
});

it('confirms what it has received, and only that', async () => {
  const s = scene();
  const t = await online(s);
  t.give('<message xmlns="jabber:client" from="r@c/a"><body>x</body></message>');
  t.give('<r xmlns="urn:xmpp:sm:3"/>');
  expect(serialize(t.sent.at(-1) ?? el('', 'none'))).toBe('<a xmlns="urn:xmpp:sm:3" h="1"/>');
  t.give('<a xmlns="urn:xmpp:sm:3" h="99"/>');
  expect(s.states.at(-1)).toBe('reconnecting');
});

it('says good-bye with its last words', async () => {
  const s = scene();
  const t = await online(s);
  const bye = el(NS.CLIENT, 'presence', { type: 'unavailable' });
  s.stream.close(bye);
  expect(t.closedWith).toEqual([bye]);
  expect(s.closed).toEqual([{ kind: 'local' }]);
});
