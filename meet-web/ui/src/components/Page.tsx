import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { t } from '../lang';
import css from './Page.module.css';

export interface PageProps {
  readonly title: string;
  readonly children: ComponentChildren;
  readonly testId?: string;
  readonly code?: string;
}

/** A page that says one thing: welcome, refused, left. Moves the focus to its heading. */
export function Page({ title, children, testId, code }: PageProps): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), [title]);
  return (
    <div class={css.page}>
      <header class={css.brand}>
        <img src="/favicon.svg" alt="" width={28} height={28} />
        <span>{t.app}</span>
      </header>
      <main class={css.card} data-testid={testId} data-code={code}>
        <h1 ref={heading} tabIndex={-1} class={css.title}>
          {title}
        </h1>
        {children}
        {code !== undefined && <p class={css.code}>{t.code(code)}</p>}
      </main>
    </div>
  );
}
