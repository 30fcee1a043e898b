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

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/**
 * How many layers a browser makes of a picture. Chromium counts pixels: with more layers on than
 * it finds worth making, it leaves out the last ones, and those are the whole picture.
 */
function layersWorthMaking({ width, height }: PictureSize): number {
  const pixels = width * height;
  if (pixels >= 960 * 540) {
    return 3;
  }
  return pixels >= 480 * 270 ? 2 : 1;
}

/**
 * How to encode a picture when receivers want at most `limit` lines of it (0: nobody does, -1: no
 * limit). One encoding is scaled to the wish; of several layers those above it are switched off,
 * the lowest only when nobody looks. The last layer in use has the whole picture; those that a
 * small picture has no use for stay off behind it.
 */
export function encodingsFor(count: number, size: PictureSize, limit: number, screen: boolean): EncodingSetting[] {
  if (screen) {
    return Array.from({ length: count }, () => ({ active: limit !== 0, scaleResolutionDownBy: 1, maxBitrate: SCREEN_BITRATE, maxFramerate: SCREEN_FPS }));
  }
  const { height } = size;
  if (count === 1) {
    const scale = limit > 0 && height > limit ? height / limit : 1;
    return [{ active: limit !== 0, scaleResolutionDownBy: scale, maxBitrate: cameraBitrate(height / scale) }];
  }
  const used = Math.min(count, layersWorthMaking(size));
  return Array.from({ length: count }, (_, index) => {
    const scale = 2 ** Math.max(0, used - 1 - index);
    const tall = height / scale;
    // A layer is worth sending when its half would be too little for the wish.
    const active = limit !== 0 && index < used && (index === 0 || limit < 0 || tall / 2 < limit);
    return { active, scaleResolutionDownBy: scale, maxBitrate: cameraBitrate(tall) };
  });
}
