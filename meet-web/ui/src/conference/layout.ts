/** How tiles fill a space, and what of each video is worth receiving. Pure. */

export interface Grid {
  readonly columns: number;
  readonly rows: number;
  readonly tileWidth: number;
  readonly tileHeight: number;
}

const RATIO = 16 / 9;
const MAX_COLUMNS = 6;
const MIN_TILE_HEIGHT = 120;

/**
 * The columns that give the largest tiles for `count` of them. Tiles between 16:9
 * and 1:1.3 are allowed, so that a phone held upright is filled too; more than fit
 * at the least height scroll.
 */
export function gridFor(count: number, width: number, height: number, gap: number): Grid {
  let best: Grid = { columns: 1, rows: Math.max(1, count), tileWidth: width, tileHeight: height };
  let bestArea = -1;
  for (let columns = 1; columns <= Math.min(MAX_COLUMNS, Math.max(1, count)); columns++) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (width - gap * (columns - 1)) / columns;
    const cellHeight = (height - gap * (rows - 1)) / rows;
    const tileHeight = Math.min(cellHeight, cellWidth * 1.3);
    const tileWidth = Math.min(cellWidth, tileHeight * RATIO);
    // An empty cell in the last row is a small loss that decides between equals.
    const area = tileWidth * tileHeight - (columns * rows - count);
    if (tileWidth > 0 && tileHeight > 0 && area > bestArea) {
      bestArea = area;
      best = { columns, rows, tileWidth: Math.floor(tileWidth), tileHeight: Math.floor(tileHeight) };
    }
  }
  if (best.tileHeight < MIN_TILE_HEIGHT) {
    const columns = Math.max(1, Math.min(count, Math.floor((width + gap) / (MIN_TILE_HEIGHT * RATIO + gap))));
    const tileWidth = Math.floor((width - gap * (columns - 1)) / columns);
    best = { columns, rows: Math.ceil(count / columns), tileWidth, tileHeight: Math.max(MIN_TILE_HEIGHT, Math.floor(tileWidth / RATIO)) };
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
