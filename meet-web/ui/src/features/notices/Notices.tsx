import { X } from 'lucide';
import type { JSX } from 'preact';
import { Button, IconButton } from '../../components/Button';
import { t } from '../../lang';
import css from './Notices.module.css';

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly code?: string;
  /** Worth interrupting a screen reader for. */
  readonly urgent?: boolean;
}

export interface ToastsProps {
  readonly toasts: readonly Toast[];
  readonly onDismiss: (id: number) => void;
}

/** Short notices. Both regions stand in the page from the start, or they would not be read out. */
export function Toasts({ toasts, onDismiss }: ToastsProps): JSX.Element {
  const show = (toast: Toast): JSX.Element => (
    <div key={toast.id} class={css.toast} data-testid="toast" data-code={toast.code}>
      <span class={css.text}>{toast.text}</span>
      <IconButton icon={X} label={t.dismiss} small onClick={() => onDismiss(toast.id)} />
    </div>
  );
  return (
    <div class={css.toasts}>
      <div role="status" aria-live="polite">
        {toasts.filter((toast) => toast.urgent !== true).map(show)}
      </div>
      <div role="alert" aria-live="assertive">
        {toasts.filter((toast) => toast.urgent === true).map(show)}
      </div>
    </div>
  );
}

export interface BannerInfo {
  readonly code: string;
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

/** A state that lasts, above the call. */
export function Banner({ banner }: { readonly banner: BannerInfo | undefined }): JSX.Element {
  return (
    <div role="alert" class={banner === undefined ? css.none : css.banner} data-testid="banner" data-code={banner?.code ?? ''}>
      {banner !== undefined && (
        <>
          <span class={css.text}>{banner.text}</span>
          {banner.action !== undefined && <Button onClick={banner.action.run}>{banner.action.label}</Button>}
        </>
      )}
    </div>
  );
}
