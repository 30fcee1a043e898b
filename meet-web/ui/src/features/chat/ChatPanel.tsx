import { SendHorizontal } from 'lucide';
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { IconButton } from '../../components/Button';
import { Panel } from '../../components/Panel';
import type { ChatLine } from '../../conference/chat';
import { formatTime, t } from '../../lang';
import { linkify } from '../../lib/linkify';
import css from './ChatPanel.module.css';

export interface ChatPanelProps {
  readonly lines: readonly ChatLine[];
  readonly onSend: (text: string) => void;
  readonly onClose: () => void;
}

const MAX_LENGTH = 8_000;

/** Text as text: people's words are never markup. Web addresses become links. */
function Body({ text }: { readonly text: string }): JSX.Element {
  return (
    <p class={css.text}>
      {linkify(text).map((part, index) =>
        part.href === undefined ? (
          part.text
        ) : (
          <a key={index} href={part.href} target="_blank" rel="noopener noreferrer nofollow">
            {part.text}
          </a>
        ),
      )}
    </p>
  );
}

function Line({ line, follows }: { readonly line: ChatLine; readonly follows: boolean }): JSX.Element {
  const sender = line.own ? t.you : line.sender === '' ? t.someone : line.sender;
  return (
    <li class={`${css.line} ${line.own ? css.own : ''} ${follows ? css.follows : ''}`} data-testid="chat-message" data-own={line.own}>
      <div class={follows ? 'sr-only' : css.meta}>
        <span class={css.sender}>{sender}</span>
        {line.privately && <span class={css.private}>{t.chatPrivate}</span>}
        <time dateTime={line.time.toISOString()}>{formatTime(line.time)}</time>
      </div>
      <Body text={line.text} />
      {line.state === 'refused' && (
        <p class={css.refused} role="alert">
          {t.chatRefused(line.reason)}
        </p>
      )}
    </li>
  );
}

export function ChatPanel({ lines, onSend, onClose }: ChatPanelProps): JSX.Element {
  const [text, setText] = useState('');
  const list = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLTextAreaElement>(null);
  const atEnd = useRef(true);
  useEffect(() => input.current?.focus(), []);
  useLayoutEffect(() => {
    // Who reads further up is not pulled away.
    if (atEnd.current && list.current !== null) {
      list.current.scrollTop = list.current.scrollHeight;
    }
  }, [lines]);
  const send = (): void => {
    const trimmed = text.trim();
    if (trimmed !== '') {
      atEnd.current = true;
      onSend(trimmed);
      setText('');
    }
  };
  return (
    <Panel title={t.chatHeading} testId="chat" onClose={onClose}>
      <div class={css.body}>
        <div
          ref={list}
          class={css.log}
          role="log"
          aria-label={t.chatLog}
          tabIndex={0}
          onScroll={(event) => {
            const el = event.currentTarget;
            atEnd.current = el.scrollHeight - el.scrollTop - el.clientHeight < 40;
          }}
        >
          {lines.length === 0 && <p class={css.empty}>{t.chatEmpty}</p>}
          <ol class={css.list}>
            {lines.map((line, index) => (
              <Line key={line.key} line={line} follows={followsOn(lines[index - 1], line)} />
            ))}
          </ol>
        </div>
        <form
          class={css.form}
          onSubmit={(event) => {
            event.preventDefault();
            send();
          }}
        >
          <textarea
            ref={input}
            class={css.input}
            rows={1}
            maxLength={MAX_LENGTH}
            placeholder={t.chatPlaceholder}
            aria-label={t.chatPlaceholder}
            value={text}
            data-testid="chat-input"
            onInput={(event) => setText(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
                event.preventDefault();
                send();
              }
            }}
          />
          <IconButton icon={SendHorizontal} label={t.chatSend} tone="active" testId="chat-send" onClick={send} />
        </form>
      </div>
    </Panel>
  );
}

/** Lines in a row from one person within two minutes share one heading. */
export function followsOn(before: ChatLine | undefined, line: ChatLine): boolean {
  return (
    before !== undefined &&
    before.own === line.own &&
    before.sender === line.sender &&
    before.privately === line.privately &&
    line.time.getTime() - before.time.getTime() < 120_000
  );
}
