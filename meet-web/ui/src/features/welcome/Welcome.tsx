import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Button } from '../../components/Button';
import { Page } from '../../components/Page';
import { t } from '../../lang';
import css from './Welcome.module.css';

/** The address to open for what a person pasted, or undefined when it is no link of this server. */
export function linkTarget(text: string, origin: string): string | undefined {
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    return undefined;
  }
  return url.origin === origin && url.pathname.length > 1 ? url.pathname + url.search + url.hash : undefined;
}

export function Welcome({ onOpen }: { readonly onOpen: (address: string) => void }): JSX.Element {
  const [text, setText] = useState('');
  const [wrong, setWrong] = useState(false);
  return (
    <Page title={t.welcomeTitle} testId="welcome">
      <p class={css.lead}>{t.welcomeText}</p>
      <form
        class={css.row}
        onSubmit={(event) => {
          event.preventDefault();
          const target = linkTarget(text, location.origin);
          setWrong(target === undefined);
          if (target !== undefined) {
            onOpen(target);
          }
        }}
      >
        <input
          class={css.input}
          type="text"
          inputMode="url"
          autocomplete="off"
          spellcheck={false}
          placeholder={t.welcomePaste}
          aria-label={t.welcomePaste}
          aria-invalid={wrong}
          aria-describedby={wrong ? 'welcome-wrong' : undefined}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <Button kind="primary" type="submit">
          {t.welcomeOpen}
        </Button>
      </form>
      {wrong && (
        <p id="welcome-wrong" class={css.wrong} role="alert">
          {t.welcomeNotALink}
        </p>
      )}
      <h2 class={css.sub}>{t.welcomeHowTitle}</h2>
      <p>{t.welcomeGuest}</p>
      <p>{t.welcomeAdmin}</p>
      <code class={css.command}>
        {t.welcomeCommand.split(' ').map((word) => (
          <>
            <span class={css.word}>{word}</span>{' '}
          </>
        ))}
      </code>
    </Page>
  );
}
