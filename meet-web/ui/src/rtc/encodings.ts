export interface EncodingSetting {
  readonly active: boolean;
  readonly scaleResolutionDownBy: number;
  readonly maxBitrate: number;
  readonly maxFramerate?: number;
}

/** Enough bits for a camera picture of that height. */
function cameraBitrate(height: number): number {
  if (height <= 180) {
    return 200_000;
  }
  return height <= 360 ? 600_000 : 2_000_000;
}

const SCREEN_BITRATE = 2_500_000;
const SCREEN_FPS = 15;

/**
 * How to encode a source of `height` lines when receivers want at most `limit`
 * (0: nobody does, -1: no limit). One encoding is scaled to the wish; of several
 * layers those above it are switched off, the lowest only when nobody looks.
 */
export function encodingsFor(count: number, height: number, limit: number, screen: boolean): EncodingSetting[] {
  if (screen) {
    return Array.from({ length: count }, () => ({ active: limit !== 0, scaleResolutionDownBy: 1, maxBitrate: SCREEN_BITRATE, maxFramerate: SCREEN_FPS }));
  }
  if (count === 1) {
    const scale = limit > 0 && height > limit ? height / limit : 1;
    return [{ active: limit !== 0, scaleResolutionDownBy: scale, maxBitrate: cameraBitrate(height / scale) }];
  }
  return Array.from({ length: count }, (_, index) => {
    const scale = 2 ** (count - 1 - index);
    const tall = height / scale;
    // A layer is worth sending when its half would be too little for the wish.
    const active = limit !== 0 && (index === 0 || limit < 0 || tall / 2 < limit);
    return { active, scaleResolutionDownBy: scale, maxBitrate: cameraBitrate(tall) };
  });
}
