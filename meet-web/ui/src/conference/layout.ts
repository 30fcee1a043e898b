/** How tiles fill a space, and what of each video is worth receiving. Pure. */

export interface Grid {
  readonly columns: number;
  readonly rows: number;
  readonly tileWidth: number;
  readonly tileHeight: number;
}

const RATIO = 16 / 9;
/** A single picture may be cropped more, so that it fills a phone or a wide window. */
const SINGLE = { widest: 2.1, tallest: 1 / 2.1 };
const MANY = { widest: RATIO, tallest: 1 / 1.3 };
const MAX_COLUMNS = 6;
/** Below the first a grid scrolls, with tiles of the second: small windows show four people whole, crowds stay legible. */
const MIN_TILE_HEIGHT = 90;
const SCROLLED_TILE_HEIGHT = 120;
/** What counts of a tile is the part a face fills, about three to two. */
const FACE = 3 / 2;

/**
 * The columns that show `count` people largest. Tiles keep between 16:9 and 1:1.3;
 * when they would get too small, the grid scrolls.
 */
export function gridFor(count: number, width: number, height: number, gap: number): Grid {
  const { widest, tallest } = count <= 1 ? SINGLE : MANY;
  let best: Grid = { columns: 1, rows: Math.max(1, count), tileWidth: 0, tileHeight: 0 };
  let bestScore = 0;
  for (let columns = 1; columns <= Math.min(MAX_COLUMNS, Math.max(1, count)); columns++) {
    const rows = Math.max(1, Math.ceil(count / columns));
    const cellWidth = (width - gap * (columns - 1)) / columns;
    const cellHeight = (height - gap * (rows - 1)) / rows;
    const tileHeight = Math.min(cellHeight, cellWidth / tallest);
    const tileWidth = Math.min(cellWidth, tileHeight * widest);
    const face = Math.min(tileWidth, tileHeight * FACE) * Math.min(tileHeight, tileWidth / FACE);
    // Empty cells in the last row decide between near equals.
    const score = tileWidth > 0 && tileHeight > 0 ? face * (1 - 0.03 * (columns * rows - count)) : 0;
    if (score > bestScore) {
      bestScore = score;
      best = { columns, rows, tileWidth: Math.floor(tileWidth), tileHeight: Math.floor(tileHeight) };
    }
  }
  if (width > 0 && count > 1 && best.tileHeight < MIN_TILE_HEIGHT) {
    const columns = Math.max(1, Math.min(count, Math.floor((width + gap) / (SCROLLED_TILE_HEIGHT * RATIO + gap))));
    const tileWidth = Math.floor((width - gap * (columns - 1)) / columns);
    best = { columns, rows: Math.ceil(count / columns), tileWidth, tileHeight: Math.max(SCROLLED_TILE_HEIGHT, Math.floor(tileWidth / RATIO)) };
  }
  return best;
}

const STEPS = [180, 360, 720] as const;

/** The least of the layers senders have that still fills a tile of that many device pixels. */
export function heightFor(tilePixels: number): number {
  // A tile is filled by cropping and a layer a fifth too small looks the same.
  return STEPS.find((step) => tilePixels <= step * 1.2) ?? 720;
}

export interface Wish {
  readonly source: string;
  /** Height of the tile in device pixels. */
  readonly pixels: number;
  readonly screen: boolean;
}

/** Requested heights by source name. Screens come whole, since text must stay readable. */
export function wishedHeights(wishes: readonly Wish[]): Record<string, number> {
  return Object.fromEntries(wishes.map((w) => [w.source, w.screen ? 2160 : heightFor(w.pixels)]));
}
