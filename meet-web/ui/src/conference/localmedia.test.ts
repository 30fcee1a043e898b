import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LocalMedia } from './localmedia';

class FakeTrack extends EventTarget {
  enabled = true;
  stopped = false;
  onended: (() => void) | null = null;
  readonly kind: string;
  constructor(kind: string) {
    super();
    this.kind = kind;
  }
  stop(): void {
    this.stopped = true;
  }
}

let opened: FakeTrack[];
let refuse: string;
let gate: Promise<void>;

beforeEach(() => {
  opened = [];
  refuse = '';
  gate = Promise.resolve();
  localStorage.clear();
  vi.stubGlobal('navigator', {
    userAgent: 'test',
    permissions: { query: () => Promise.resolve({ state: 'granted' }) },
    mediaDevices: Object.assign(new EventTarget(), {
      enumerateDevices: () => Promise.resolve([{ kind: 'audioinput', deviceId: 'm1', label: 'Mic' }]),
      getUserMedia: async (constraints: MediaStreamConstraints) => {
        await gate;
        if (refuse !== '') {
          throw Object.assign(new Error('x'), { name: refuse });
        }
        const track = new FakeTrack(constraints.audio === undefined ? 'video' : 'audio');
        opened.push(track);
        return { getTracks: () => [track] };
      },
    }),
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

it('opens what is allowed, mutes without closing, and closes the camera', async () => {
  const media = new LocalMedia(720);
  const changes: string[] = [];
  media.onChange = (slot) => changes.push(slot);
  await media.openGranted();
  expect(opened.map((t) => t.kind).sort()).toEqual(['audio', 'video']);
  expect([media.micMuted, media.cameraMuted]).toEqual([false, false]);
  await media.setMic(false);
  const mic = opened.find((t) => t.kind === 'audio');
  expect([mic?.enabled, mic?.stopped, media.micMuted]).toEqual([false, false, true]);
  await media.setCamera(false);
  expect(opened.find((t) => t.kind === 'video')?.stopped).toBe(true);
  expect(media.cameraMuted).toBe(true);
  await media.setCamera(true);
  expect(opened).toHaveLength(3);
  expect(changes).toContain('v0');
});

it('keeps no device that opens after everything was given back', async () => {
  let open: () => void = () => undefined;
  gate = new Promise((resolve) => (open = resolve));
  const media = new LocalMedia(720);
  const opening = media.openGranted();
  media.stopAll();
  open();
  await opening;
  expect(media.mic.value).toBeNull();
  expect(media.camera.value).toBeNull();
  expect(opened.every((t) => t.stopped)).toBe(true);
});

it('says which device is refused and goes on without', async () => {
  refuse = 'NotAllowedError';
  const media = new LocalMedia(720);
  await media.openWanted();
  expect(media.micProblem.value?.code).toBe('D01');
  expect(media.cameraProblem.value?.code).toBe('D02');
  expect(media.micMuted).toBe(true);
});

it('goes silent for this visit only', async () => {
  const media = new LocalMedia(720);
  await media.openGranted();
  media.goSilent();
  expect([media.micMuted, media.cameraMuted]).toEqual([true, true]);
  expect(new LocalMedia(720).micOn.value).toBe(true);
});
