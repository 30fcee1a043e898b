export type ShortcutAction = 'mic' | 'camera' | 'chat' | 'share';

export interface KeyLike {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  readonly repeat: boolean;
  readonly target: EventTarget | null;
}

const SINGLE: Readonly<Record<string, ShortcutAction>> = { m: 'mic', v: 'camera', c: 'chat', d: 'share' };
const CHORDS: Readonly<Record<string, ShortcutAction>> = { d: 'mic', e: 'camera' };

/** Where letters mean letters, or move a selection. */
function takesLetters(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest('input, textarea, select, [contenteditable], [role="menu"], [role="listbox"]') !== null;
}

/** What a key press asks for. `single` is the person's switch for shortcuts of one key. */
export function shortcutFor(event: KeyLike, single: boolean): ShortcutAction | undefined {
  if (event.repeat || event.altKey) {
    return undefined;
  }
  const key = event.key.toLowerCase();
  if (event.ctrlKey !== event.metaKey) {
    return CHORDS[key];
  }
  return single && !event.ctrlKey && !takesLetters(event.target) ? SINGLE[key] : undefined;
}
