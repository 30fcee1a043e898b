import { X } from 'lucide';
import type { ComponentChildren, JSX } from 'preact';
import { t } from '../lang';
import { IconButton } from './Button';
import css from './Panel.module.css';

export interface PanelProps {
  readonly title: string;
  readonly testId: string;
  readonly children: ComponentChildren;
  readonly onClose: () => void;
}

/** The side panel of the call; over everything on a phone. Escape closes it. */
export function Panel({ title, testId, children, onClose }: PanelProps): JSX.Element {
  return (
    <aside
      class={css.panel}
      aria-label={title}
      data-testid={testId}
      onKeyDown={(event) => {
        if (event.key === 'Escape') {
          event.stopPropagation();
          onClose();
        }
      }}
    >
      <header class={css.head}>
        <h2 class={css.title}>{title}</h2>
        <IconButton icon={X} label={t.closePanel} small testId="panel-close" onClick={onClose} />
      </header>
      {children}
    </aside>
  );
}
