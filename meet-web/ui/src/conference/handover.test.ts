import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Source } from '../xmpp/jingle';
import type { Occupant } from '../xmpp/muc';
import type { Call, MediaState } from './call';
import { Handover } from './handover';
import { Participants } from './participants';

const occupant = (nick: string, displayName: string): Occupant => ({
  nick,
  jid: '',
  role: 'participant',
  affiliation: 'none',
  self: false,
  displayName,
  sources: new Map([[`${nick}-v0`, { muted: false, videoType: 'camera' as const }], [`${nick}-a0`, { muted: false, videoType: 'camera' as const }]]),
  meetingClient: true,
});
const source = (owner: string, kind: 'audio' | 'video'): Source => ({ owner, name: `${owner}-${kind[0] ?? ''}0`, kind, msid: '', videoType: 'camera', ssrcs: [1], groups: [] });
const track = (id: string): MediaStreamTrack => ({ id }) as unknown as MediaStreamTrack;

/** Somebody comes in and sends. */
function arrive(people: Participants, nick: string, name: string): void {
  people.put(occupant(nick, name));
  people.addSources([source(nick, 'audio'), source(nick, 'video')]);
  people.setTracks(new Map([[`${nick}-a0`, track(`${nick}-a`)], [`${nick}-v0`, track(`${nick}-v`)]]));
}

class FakeCall {
  state: MediaState = 'connected';
  detached = false;
  closed = false;
  changed: string[] = [];
  in = { audio: 0, video: 0 };
  peer = { pc: { connectionState: 'connected' } };
  detach(): void {
    this.detached = true;
  }
  close(): void {
    this.closed = true;
  }
  localChanged(slot: string): void {
    this.changed.push(slot);
  }
  arrived(): Promise<{ audio: number; video: number }> {
    return Promise.resolve(this.in);
  }
  get call(): Call {
    return this as unknown as Call;
  }
}

function scene(): { people: Participants; handover: Handover; old: FakeCall; next: FakeCall; done: () => void; shown: () => string[] } {
  const people = new Participants();
  const done = vi.fn();
  const handover = new Handover(people, done);
  arrive(people, 'b0b', 'Bob');
  return { people, handover, old: new FakeCall(), next: new FakeCall(), done, shown: () => people.list.value.map((p) => `${p.name} ${p.video?.id ?? ''}`) };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('from one call to the next', () => {
  it('shows the one of before until the next brings as much', async () => {
    const s = scene();
    s.old.in = { audio: 1, video: 1 };
    s.handover.joined(s.old.call); // the first one replaces nothing
    s.handover.begin(s.old.call);
    s.people.clear();
    expect(s.old.detached).toBe(true);
    await vi.advanceTimersByTimeAsync(300_000); // however long the server is away
    expect(s.shown()).toEqual(['Bob b0b-v']);

    s.next.state = 'connecting';
    s.handover.joined(s.next.call);
    arrive(s.people, 'b1b', 'Bob');
    expect(s.handover.expects('Bob')).toBe(true);
    expect(s.handover.expects('Bob')).toBe(false);
    expect(s.handover.expects('Cyd')).toBe(false);
    s.next.state = 'connected';
    s.next.in = { audio: 1, video: 0 };
    await vi.advanceTimersByTimeAsync(500);
    expect(s.shown()).toEqual(['Bob b0b-v']);
    s.next.in = { audio: 1, video: 1 };
    await vi.advanceTimersByTimeAsync(100);
    expect(s.shown()).toEqual(['Bob b1b-v']);
    expect(s.done).toHaveBeenCalledOnce();
    expect(s.old.closed).toBe(false); // others may still look at it
    s.handover.localChanged('a0');
    expect(s.old.changed).toEqual(['a0']);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(s.old.closed).toBe(true);
  });

  it.each([
    ['nobody comes back', 'waiting', 11_000],
    ['somebody does not come back', 'connected', 7_000],
    ['the next one fails', 'failed', 200],
  ] as const)('ends when %s', async (_, state, ms) => {
    const s = scene();
    s.handover.begin(s.old.call);
    s.people.clear();
    s.next.state = state;
    s.handover.joined(s.next.call);
    await vi.advanceTimersByTimeAsync(ms);
    expect(s.shown()).toEqual([]);
    expect(s.handover.running).toBe(false);
  });

  it('ends when the media of before fails, too', async () => {
    const s = scene();
    s.handover.begin(s.old.call);
    s.people.clear();
    s.old.peer.pc.connectionState = 'failed';
    await vi.advanceTimersByTimeAsync(100);
    expect(s.shown()).toEqual([]);
  });

  it('keeps the one of before when the server goes again', async () => {
    const s = scene();
    s.handover.begin(s.old.call);
    s.people.clear();
    s.handover.joined(s.next.call);
    s.handover.begin(s.next.call);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([s.old.closed, s.next.closed]).toEqual([false, true]);
    expect(s.shown()).toEqual(['Bob b0b-v']);
  });

  it('has nothing to keep of a call without media', () => {
    const s = scene();
    s.old.state = 'interrupted';
    s.handover.begin(s.old.call);
    s.people.clear();
    expect(s.old.closed).toBe(true);
    expect(s.shown()).toEqual([]);
  });

  it('ends at once when the person leaves', async () => {
    const s = scene();
    s.handover.begin(s.old.call);
    s.handover.end();
    expect(s.old.closed).toBe(true);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(s.done).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});
