import { h } from 'preact';
import type { JSX } from 'preact';

/** A lucide icon: a list of SVG elements. */
export type IconNode = readonly (readonly [string, Readonly<Record<string, string | number | undefined>>])[];

export interface IconProps {
  readonly icon: IconNode;
  readonly size?: number;
}

/** Decoration only: whatever shows an icon has a name of its own. */
export function Icon({ icon, size = 22 }: IconProps): JSX.Element {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width={2}
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {icon.map(([tag, attrs], index) => h(tag, { ...attrs, key: index }))}
    </svg>
  );
}
