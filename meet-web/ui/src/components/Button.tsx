import type { ComponentChildren, JSX, Ref } from 'preact';
import css from './Button.module.css';
import { Icon } from './Icon';
import type { IconNode } from './Icon';

export interface ButtonProps {
  readonly children: ComponentChildren;
  readonly kind?: 'primary' | 'plain' | 'quiet';
  readonly type?: 'button' | 'submit';
  readonly disabled?: boolean;
  readonly testId?: string;
  readonly onClick?: () => void;
}

export function Button({ children, kind = 'plain', type = 'button', disabled = false, testId, onClick }: ButtonProps): JSX.Element {
  return (
    <button class={`${css.button} ${css[kind]}`} type={type} disabled={disabled} data-testid={testId} onClick={onClick}>
      {children}
    </button>
  );
}

export interface IconButtonProps {
  readonly icon: IconNode;
  /** Names the action and with it the state: "Mute microphone". */
  readonly label: string;
  readonly keys?: string;
  readonly tone?: 'plain' | 'off' | 'active' | 'danger';
  readonly pressed?: boolean;
  readonly expanded?: boolean;
  readonly badge?: string;
  readonly small?: boolean;
  readonly testId?: string;
  readonly buttonRef?: Ref<HTMLButtonElement>;
  readonly onClick: () => void;
}

export function IconButton(props: IconButtonProps): JSX.Element {
  const { icon, label, keys, tone = 'plain', pressed, expanded, badge, small = false, testId, buttonRef, onClick } = props;
  const tip = keys === undefined ? label : `${label} (${keys})`;
  return (
    <button
      ref={buttonRef}
      type="button"
      class={`${css.icon} ${css[tone]} ${small ? css.small : ''}`}
      aria-label={label}
      aria-pressed={pressed}
      aria-expanded={expanded}
      aria-keyshortcuts={keys}
      data-tip={tip}
      data-testid={testId}
      onClick={onClick}
    >
      <Icon icon={icon} size={small ? 18 : 22} />
      {badge !== undefined && badge !== '' && (
        <span class={css.badge} aria-hidden="true">
          {badge}
        </span>
      )}
    </button>
  );
}
