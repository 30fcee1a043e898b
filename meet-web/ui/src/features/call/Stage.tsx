import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { gridFor, wishedHeights } from '../../conference/layout';
import type { Grid, Wish } from '../../conference/layout';
import type { Participant } from '../../conference/participants';
import { t } from '../../lang';
import css from './Stage.module.css';
import { Tile } from './Tile';

export interface StageProps {
  /** Everyone in the call, ourselves first. */
  readonly people: readonly Participant[];
  readonly speaking: ReadonlySet<string>;
  /** Name of a remote source, for telling the bridge what size is shown. */
  readonly sourceName: (id: string, what: 'camera' | 'screen') => string | undefined;
  readonly onWishes: (wishes: { heights: Record<string, number>; stage: string[] }) => void;
  readonly onFirstFrame: (id: string) => void;
}

type Item = { readonly key: string; readonly person: Participant; readonly screen: boolean };

/** Alone and in a crowd everyone is in the grid; two see each other large; a screen goes before people. */
export type Arrangement = 'alone' | 'pair' | 'grid' | 'screen';

export function arrange(people: readonly Participant[]): { arrangement: Arrangement; large: Item[]; small: Item[] } {
  const item = (person: Participant, screen: boolean): Item => ({ key: `${person.id}${screen ? '-screen' : ''}`, person, screen });
  const cameras = people.map((p) => item(p, false));
  // One's own screen in one's own window would show itself for ever.
  const screens = people.filter((p) => p.screenShared && !p.local).map((p) => item(p, true));
  if (screens.length > 0) {
    return { arrangement: 'screen', large: screens, small: cameras };
  }
  if (people.length === 2) {
    return { arrangement: 'pair', large: cameras.filter((c) => !c.person.local), small: cameras.filter((c) => c.person.local) };
  }
  return { arrangement: people.length <= 1 ? 'alone' : 'grid', large: cameras, small: [] };
}

function useSize(): [(element: HTMLElement | null) => void, { width: number; height: number }] {
  const [element, setElement] = useState<HTMLElement | null>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    if (element === null) {
      return undefined;
    }
    const measure = (): void => setSize({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [element]);
  return [setElement, size];
}

const GAP = 10;
const STRIP_TILE_HEIGHT = 120;

function displayName(person: Participant, screen: boolean): string {
  const name = person.name === '' ? t.someone : person.name;
  if (screen) {
    return t.screenOf(name);
  }
  return person.local ? t.namedYou(person.name) : name;
}

export function Stage(props: StageProps): JSX.Element {
  const { people, speaking } = props;
  const { arrangement, large, small } = arrange(people);
  const [measure, size] = useSize();
  const grid = useMemo(() => gridFor(large.length, size.width, size.height, GAP), [large.length, size.width, size.height]);
  useWishes(props, large, small, grid);
  const tile = (i: Item, compact: boolean): JSX.Element => (
    <Tile
      id={i.person.id}
      name={displayName(i.person, i.screen)}
      avatarName={i.person.name === '' ? t.someone : i.person.name}
      {...(i.person.local && compact ? { caption: t.you } : {})}
      video={i.screen ? i.person.screen : i.person.videoMuted ? undefined : i.person.video}
      mirrored={i.person.local && !i.screen}
      screen={i.screen}
      micMuted={!i.screen && i.person.audioMuted}
      chatOnly={!i.person.hasMedia}
      moderator={i.person.moderator && !i.screen}
      speaking={!i.screen && speaking.has(i.person.id)}
      interrupted={i.person.interrupted}
      paused={!i.screen && i.person.videoPaused && !i.person.videoMuted}
      compact={compact}
      onFirstFrame={() => !i.person.local && props.onFirstFrame(i.person.id)}
    />
  );
  return (
    <div class={`${css.stage} ${css[arrangement]}`} data-testid="stage" data-arrangement={arrangement}>
      <div ref={measure} class={css.large}>
        <div class={css.grid} style={{ gridTemplateColumns: `repeat(${grid.columns}, ${grid.tileWidth}px)`, gridAutoRows: `${grid.tileHeight}px` }}>
          {large.map((i) => (
            <div key={i.key} class={css.cell}>
              {tile(i, grid.tileHeight < 160)}
            </div>
          ))}
        </div>
      </div>
      {small.length > 0 && (
        <div class={css.small}>
          {small.map((i) => (
            <div key={i.key} class={css.smallCell}>
              {tile(i, true)}
            </div>
          ))}
        </div>
      )}
    </div>
  );
}

/** Tells the bridge what is on the screen, once per change of the picture. */
function useWishes(props: StageProps, large: readonly Item[], small: readonly Item[], grid: Grid): void {
  const scale = Math.min(globalThis.devicePixelRatio || 1, 2);
  const wish = (i: Item, height: number): Wish | undefined => {
    const source = i.person.local ? undefined : props.sourceName(i.person.id, i.screen ? 'screen' : 'camera');
    return source === undefined ? undefined : { source, pixels: height * scale, screen: i.screen };
  };
  const largeWishes = large.flatMap((i) => wish(i, grid.tileHeight) ?? []);
  const all = [...largeWishes, ...small.flatMap((i) => wish(i, STRIP_TILE_HEIGHT) ?? [])];
  const heights = wishedHeights(all);
  const stage = large.length === 1 || all.some((w) => w.screen) ? largeWishes.map((w) => w.source) : [];
  const text = JSON.stringify({ heights, stage });
  const told = useRef('');
  useEffect(() => {
    if (grid.tileHeight > 0 && told.current !== text) {
      told.current = text;
      props.onWishes({ heights, stage });
    }
  }, [text]);
}
