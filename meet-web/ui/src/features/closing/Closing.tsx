import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Button } from '../../components/Button';
import { Page } from '../../components/Page';
import type { Refusal } from '../../conference/token';
import { formatCountdown, formatMoment, t } from '../../lang';
import css from './Closing.module.css';

function Actions({ children }: { readonly children: ComponentChildren }): JSX.Element {
  return <div class={css.actions}>{children}</div>;
}

/** The one sentence that says why and what to do. */
export function refusalText(refusal: Refusal): string {
  const { code, token } = refusal;
  switch (code) {
    case 'A01':
      return t.refusals.expired(formatMoment(token.expires));
    case 'A02':
      return t.refusals.tooEarly(formatMoment(token.notBefore));
    case 'A03':
      return t.refusalDetails[refusal.detail];
    case 'A04':
      return t.refusals.wrongRoom(token.room === '*' ? '' : token.room);
    case 'A05':
      return t.refusals.wrongTenant(token.tenant);
    default:
      return t.refusalTexts[code];
  }
}

/** What a person can paste into a message to the organiser; never the token. */
export function refusalDetails(refusal: Refusal, room: string, now: Date): string {
  return [
    `${refusal.code} ${t.refusalTitles[refusal.code]}`,
    `Room: ${room}`,
    `Server: ${refusal.serverText}`,
    ...(refusal.token.expires === undefined ? [] : [`Valid until: ${refusal.token.expires.toISOString()}`]),
    ...(refusal.token.notBefore === undefined ? [] : [`Valid from: ${refusal.token.notBefore.toISOString()}`]),
    `Time here: ${now.toISOString()}`,
  ].join('\n');
}

export interface RefusedProps {
  readonly refusal: Refusal;
  readonly room: string;
  readonly onRetry: () => void;
  readonly onOpenRoom: (room: string) => void;
}

const RETRY_CODES: ReadonlySet<string> = new Set(['A10', 'A18', 'C06', 'A16', 'A11']);

export function Refused({ refusal, room, onRetry, onOpenRoom }: RefusedProps): JSX.Element {
  const [copied, setCopied] = useState(false);
  const [now, setNow] = useState(() => Date.now());
  const opensAt = refusal.code === 'A02' ? refusal.token.notBefore?.getTime() : undefined;
  useEffect(() => {
    if (opensAt === undefined) {
      return undefined;
    }
    const timer = setInterval(() => {
      setNow(Date.now());
      if (Date.now() > opensAt + 1_000) {
        clearInterval(timer);
        onRetry();
      }
    }, 1_000);
    return () => clearInterval(timer);
  }, [opensAt]);
  const otherRoom = refusal.code === 'A04' && /^[^*\\^$[\]().+?]+$/.test(refusal.token.room) ? refusal.token.room : undefined;
  return (
    <Page title={t.refusalTitles[refusal.code]} testId="refused" code={refusal.code}>
      <p class={css.text} data-testid="refused-text" data-detail={refusal.detail}>
        {refusalText(refusal)}
      </p>
      {opensAt !== undefined && opensAt > now && <p class={css.text}>{t.opensIn(formatCountdown(opensAt - now))}</p>}
      <Actions>
        {otherRoom !== undefined && (
          <Button kind="primary" onClick={() => onOpenRoom(otherRoom)}>
            {t.openThatRoom}
          </Button>
        )}
        {RETRY_CODES.has(refusal.code) && (
          <Button kind="primary" testId="refused-retry" onClick={onRetry}>
            {t.tryAgain}
          </Button>
        )}
        <Button
          testId="refused-copy"
          onClick={() => {
            void navigator.clipboard?.writeText(refusalDetails(refusal, room, new Date())).then(() => setCopied(true), () => undefined);
          }}
        >
          {copied ? t.copied : t.copyDetails}
        </Button>
        <a class={css.link} href="/">
          {t.home}
        </a>
      </Actions>
    </Page>
  );
}

export interface LeftProps {
  readonly title: string;
  readonly text: string;
  readonly code?: string;
  readonly onRejoin?: () => void;
}

/** After the call, whoever ended it. */
export function Left({ title, text, code, onRejoin }: LeftProps): JSX.Element {
  return (
    <Page title={title} testId="left" {...(code === undefined ? {} : { code })}>
      <p class={css.text}>{text}</p>
      <Actions>
        {onRejoin !== undefined && (
          <Button kind="primary" testId="left-rejoin" onClick={onRejoin}>
            {t.rejoin}
          </Button>
        )}
        <a class={css.link} href="/">
          {t.home}
        </a>
      </Actions>
    </Page>
  );
}

export interface TroubleProps {
  readonly title: string;
  readonly text: string;
  readonly code: string;
  readonly action: string;
  readonly onAction: () => void;
}

/** Nothing works at the moment, and here is what to press. */
export function Trouble({ title, text, code, action, onAction }: TroubleProps): JSX.Element {
  return (
    <Page title={title} testId="trouble" code={code}>
      <p class={css.text}>{text}</p>
      <Actions>
        <Button kind="primary" testId="trouble-action" onClick={onAction}>
          {action}
        </Button>
      </Actions>
    </Page>
  );
}
