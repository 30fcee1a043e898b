import { render } from 'preact';
import type { VNode } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { hueOf, initialsOf } from '../components/Avatar';
import type { Participant } from '../conference/participants';
import { refusalOfJoin, refusalOfLogin } from '../conference/token';
import { t } from '../lang';
import { arrange } from './call/Stage';
import { Tile, tileLabel } from './call/Tile';
import { ChatPanel } from './chat/ChatPanel';
import { Left, Refused, refusalDetails, refusalText, Trouble } from './closing/Closing';
import { Banner, Toasts } from './notices/Notices';
import { PeoplePanel } from './people/PeoplePanel';
import { Prejoin } from './prejoin/Prejoin';
import type { PrejoinProps } from './prejoin/Prejoin';
import { SettingsPanel } from './settings/SettingsPanel';
import { Toolbar } from './toolbar/Toolbar';
import { linkTarget, Welcome } from './welcome/Welcome';

let root: HTMLElement;
beforeEach(() => {
  root = document.createElement('div');
  document.body.append(root);
});
afterEach(() => {
  render(null, root);
  root.remove();
});

function show(node: VNode): HTMLElement {
  void act(() => render(node, root));
  return root;
}

function by(testId: string): HTMLElement {
  const found = root.querySelector<HTMLElement>(`[data-testid="${testId}"]`);
  if (found === null) {
    throw new Error(`no ${testId}`);
  }
  return found;
}

/** What a screen reader would call a control. */
function accessibleName(element: Element): string {
  const labels = (element as HTMLInputElement).labels;
  return element.getAttribute('aria-label') ?? (labels !== null && labels !== undefined && labels.length > 0 ? labels[0]?.textContent : element.textContent) ?? '';
}

const nothing = (): void => undefined;

const prejoin: PrejoinProps = {
  room: 'demo', name: '', micOn: true, cameraOn: true, micProblem: false, cameraProblem: true, camera: null, hasMic: true, micLevel: 0.4, microphones: [{ deviceId: 'm', label: 'Mic' }], cameras: [],
  micId: 'm', cameraId: '', problems: [{ code: 'D02', title: 'Camera is blocked', text: 'x' }], undecided: true, opening: false, busy: 'no', shortcuts: true,
  onJoin: nothing, onMic: nothing, onCamera: nothing, onChooseMic: nothing, onChooseCamera: nothing, onTryDevices: nothing, onShortcuts: nothing,
};
const toolbar = {
  micOn: true, cameraOn: false, micProblem: false, cameraProblem: true, sharing: false, canShare: true, unread: 3, people: 4, open: undefined, shortcuts: true,
  chatButton: { current: null }, onMic: nothing, onCamera: nothing, onShare: nothing, onPanel: nothing, onLeave: nothing,
} as const;
const person: Participant = {
  id: 'aabbccdd', name: 'Ann Weber', local: false, moderator: true, hasMedia: true, audioMuted: true, videoMuted: true, screenShared: false, videoPaused: false, interrupted: false,
  audio: undefined, video: undefined, screen: undefined,
};
const line = { key: '1', sender: 'Bob', own: false, privately: false, text: '<img src=x onerror=alert(1)> https://example.com', time: new Date(0), state: 'sent', reason: '' } as const;
const refusal = refusalOfLogin('Invalid signature', '');

describe('every control has a name', () => {
  it.each<[string, VNode]>([
    ['welcome', <Welcome onOpen={nothing} />],
    ['prejoin', <Prejoin {...prejoin} />],
    ['toolbar', <Toolbar {...toolbar} />],
    ['chat', <ChatPanel lines={[line]} onSend={nothing} onClose={nothing} />],
    ['people', <PeoplePanel people={[person]} onClose={nothing} />],
    ['settings', <SettingsPanel name="" microphones={[]} cameras={[]} micId="" cameraId="" shortcuts onName={nothing} onChooseMic={nothing} onChooseCamera={nothing} onShortcuts={nothing} onClose={nothing} />],
    ['refused', <Refused refusal={refusal} room="demo" onRetry={nothing} onOpenRoom={nothing} />],
    ['left', <Left title="t" text="x" onRejoin={nothing} />],
    ['trouble', <Trouble title="t" text="x" code="C04" action="Retry" onAction={nothing} />],
    ['toasts', <Toasts toasts={[{ id: 1, text: 'hi' }]} onDismiss={nothing} />],
  ])('%s', (_, node) => {
    show(node);
    const controls = root.querySelectorAll('button, input, select, textarea, a[href], [role="log"], [role="meter"], [role="toolbar"], aside');
    expect(controls.length).toBeGreaterThan(0);
    for (const control of controls) {
      expect(accessibleName(control).trim(), control.outerHTML).not.toBe('');
    }
    // The policy of the page allows no style attributes in markup.
    expect(root.innerHTML).not.toContain('<style');
  });
});

describe('prejoin', () => {
  it('joins by Enter with the trimmed name, or without devices', () => {
    const onJoin = vi.fn();
    show(<Prejoin {...prejoin} onJoin={onJoin} />);
    const input = by('prejoin-name') as HTMLInputElement;
    void act(() => {
      input.value = '  Ann ';
      input.dispatchEvent(new Event('input', { bubbles: true }));
    });
    void act(() => void root.querySelector('form')?.dispatchEvent(new Event('submit', { bubbles: true, cancelable: true })));
    void act(() => by('prejoin-join-silent').click());
    expect(onJoin.mock.calls).toEqual([['Ann', false], ['Ann', true]]);
  });

  it('never stands in the way because of a device', () => {
    show(<Prejoin {...prejoin} />);
    expect((by('prejoin-join') as HTMLButtonElement).disabled).toBe(false);
    expect(by('device-problem').dataset.code).toBe('D02');
    expect(by('prejoin-allow')).toBeDefined();
  });

  it('shows a camera that did not open as off, and tries again when asked', () => {
    const onCamera = vi.fn();
    show(<Prejoin {...prejoin} onCamera={onCamera} />);
    expect(by('prejoin-mic').getAttribute('aria-pressed')).toBe('false');
    expect(by('prejoin-camera').getAttribute('aria-pressed')).toBe('true');
    void act(() => by('prejoin-camera').click());
    expect(onCamera).toHaveBeenCalledWith(true);
  });
});

describe('toolbar', () => {
  it('carries the state in names', () => {
    show(<Toolbar {...toolbar} />);
    expect(by('toolbar-mic').getAttribute('aria-label')).toBe('Mute microphone');
    expect(by('toolbar-mic').getAttribute('aria-pressed')).toBe('false');
    expect(by('toolbar-camera').getAttribute('aria-label')).toBe('Turn camera on');
    expect(by('toolbar-chat').getAttribute('aria-label')).toBe('Chat, 3 unread');
    expect(by('toolbar-people').getAttribute('aria-label')).toBe('4 people');
    expect(by('toolbar-mic').getAttribute('aria-keyshortcuts')).toBe('M');
  });

  it('names no shortcut that is switched off', () => {
    show(<Toolbar {...toolbar} shortcuts={false} />);
    expect(by('toolbar-mic').hasAttribute('aria-keyshortcuts')).toBe(false);
  });
});

describe('tile', () => {
  it('says what it shows', () => {
    const props = { id: 'a', name: 'Ann', video: undefined, micMuted: true, moderator: true };
    expect(tileLabel(props)).toBe('Ann, moderator, microphone muted, camera off');
    expect(tileLabel({ ...props, chatOnly: true })).toBe('Ann, moderator, takes part by chat only');
    show(<Tile {...props} />);
    expect(by('tile').dataset).toMatchObject({ endpoint: 'a', name: 'Ann', video: 'off' });
    expect(by('tile-muted')).toBeDefined();
  });

  it('has initials for any name', () => {
    expect(['Ann Weber', 'bob', '', '  ', '李小龍', 'x y z', '😀 b'].map(initialsOf)).toEqual(['AW', 'B', '?', '?', '李', 'XZ', '😀B']);
    expect(new Set(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map(hueOf)).size).toBeGreaterThan(4);
  });
});

describe('arrange', () => {
  const me = { ...person, id: 'me', local: true };
  it('follows who is there', () => {
    expect(arrange([me]).arrangement).toBe('alone');
    expect(arrange([me, person])).toMatchObject({ arrangement: 'pair', large: [{ key: 'aabbccdd' }], small: [{ key: 'me' }] });
    expect(arrange([me, person, { ...person, id: 'c' }]).large).toHaveLength(3);
  });
  it('puts a screen first, except our own', () => {
    expect(arrange([me, { ...person, screenShared: true }])).toMatchObject({ arrangement: 'screen', large: [{ key: 'aabbccdd-screen' }] });
    expect(arrange([{ ...me, screenShared: true }, person]).arrangement).toBe('pair');
  });
});

describe('chat', () => {
  it('shows text as text', () => {
    show(<ChatPanel lines={[line]} onSend={nothing} onClose={nothing} />);
    expect(root.querySelector('img')).toBeNull();
    expect(by('chat-message').textContent).toContain('<img src=x onerror=alert(1)>');
    expect(root.querySelector('a')?.getAttribute('rel')).toContain('noopener');
  });

  it('sends by Enter and closes by Escape', () => {
    const onSend = vi.fn();
    const onClose = vi.fn();
    show(<ChatPanel lines={[]} onSend={onSend} onClose={onClose} />);
    const input = by('chat-input') as HTMLTextAreaElement;
    void act(() => {
      input.value = ' hello ';
      input.dispatchEvent(new Event('input', { bubbles: true }));
    });
    void act(() => void input.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', shiftKey: true, bubbles: true })));
    expect(onSend).not.toHaveBeenCalled();
    void act(() => void input.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true })));
    void act(() => void input.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true })));
    expect(onSend.mock.calls).toEqual([['hello']]);
    expect(onClose).toHaveBeenCalledOnce();
  });
});

describe('notices', () => {
  it('stand in live regions of two urgencies', () => {
    show(<Toasts toasts={[{ id: 1, text: 'quiet' }, { id: 2, text: 'loud', urgent: true }]} onDismiss={nothing} />);
    expect(root.querySelector('[role="status"]')?.textContent).toContain('quiet');
    expect(root.querySelector('[role="alert"]')?.textContent).toContain('loud');
  });
  it('keep the banner region even when all is well', () => {
    show(<Banner banner={undefined} />);
    expect(by('banner').getAttribute('role')).toBe('alert');
  });
});

describe('the sentence of a refusal', () => {
  const expired = `e30.${btoa('{"exp":1,"room":"standup"}')}.c2ln`;
  it('is there for every code and detail', () => {
    for (const code of Object.keys(t.refusalTitles) as (keyof typeof t.refusalTitles)[]) {
      expect(refusalText({ ...refusal, code }), code).toMatch(/\.$/);
    }
    expect(new Set(Object.values(t.refusalDetails)).size).toBe(Object.keys(t.refusalDetails).length);
  });
  it('names the room the link is for, when it is one', () => {
    const other = { condition: 'not-allowed', text: '', tags: ['room-mismatch'] };
    expect(refusalText(refusalOfJoin(other, expired))).toContain('“standup”');
  });
  it('comes with details that never hold the token', () => {
    const details = refusalDetails(refusalOfLogin('Not acceptable by exp', expired), 'demo', new Date(0));
    expect(details).toContain('A01');
    expect(details).toContain('1970-01-01T00:00:01.000Z');
    expect(details).not.toContain('e30.');
  });
});

describe('closing pages', () => {
  it('carry the code and put the focus on the heading', () => {
    show(<Refused refusal={refusal} room="demo" onRetry={nothing} onOpenRoom={nothing} />);
    expect(by('refused').dataset.code).toBe('A03');
    expect(document.activeElement?.tagName).toBe('H1');
  });

  it('wait for a link that opens later', () => {
    vi.useFakeTimers({ now: 1_000_000 });
    try {
      const onRetry = vi.fn();
      const early = { ...refusal, code: 'A02' as const, token: { ...refusal.token, notBefore: new Date(1_003_000) } };
      show(<Refused refusal={early} room="demo" onRetry={onRetry} onOpenRoom={nothing} />);
      expect(root.textContent).toContain('Opens in 3 s');
      void act(() => void vi.advanceTimersByTime(6_000));
      expect(onRetry).toHaveBeenCalledOnce();
    } finally {
      vi.useRealTimers();
    }
  });
});

it('opens only links of this server', () => {
  expect(linkTarget(' https://h/room?jwt=x#a ', 'https://h')).toBe('/room?jwt=x#a');
  for (const text of ['https://evil/room', 'room', 'https://h/', 'javascript:alert(1)']) {
    expect(linkTarget(text, 'https://h')).toBeUndefined();
  }
});
