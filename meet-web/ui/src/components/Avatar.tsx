import type { JSX } from 'preact';
import css from './Avatar.module.css';

/** Up to two letters that stand for a name. */
export function initialsOf(name: string): string {
  const words = name.trim().split(/\s+/).filter((w) => w !== '');
  const first = (word: string | undefined): string => (word === undefined ? '' : (Array.from(word)[0] ?? ''));
  const letters = words.length > 1 ? first(words[0]) + first(words.at(-1)) : first(words[0]);
  return letters === '' ? '?' : letters.toLocaleUpperCase();
}

const HUES = 8;

/** The same person has the same colour on every screen. */
export function hueOf(id: string): number {
  let hash = 0x811c9dc5;
  for (const char of id) {
    hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193);
  }
  return ((hash ^ (hash >>> 13)) >>> 0) % HUES;
}

export function Avatar({ id, name }: { readonly id: string; readonly name: string }): JSX.Element {
  return (
    <div class={`${css.avatar} ${css[`hue${hueOf(id)}`]}`} aria-hidden="true">
      {initialsOf(name)}
    </div>
  );
}
