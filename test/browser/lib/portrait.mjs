// A stand-in for a camera: a soft figure before a coloured wall, swaying a little, as a Y4M file Chromium plays in a loop.
import { writeFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd } from './cleanup.mjs';

const W = 640;
const H = 360;
const FRAMES = 20;

// RGB 0..1 to studio-range Y, Cb, Cr (BT.601).
const yuv = ([r, g, b]) => [
  16 + 65.5 * r + 128.6 * g + 25 * b,
  128 - 37.8 * r - 74.2 * g + 112 * b,
  128 + 112 * r - 93.8 * g - 18.2 * b,
];

const mix = (a, b, t) => a.map((v, i) => v + (b[i] - v) * t);
const step = (edge, x) => Math.min(1, Math.max(0, (x - edge) * 40 + 0.5));

function colour(x, y, look, sway) {
  let c = mix(look.wall, look.shade, Math.hypot(x - 0.3, y - 0.2));
  const body = Math.hypot((x - 0.5 - sway * 0.4) / 0.30, (y - 1.12) / 0.50);
  c = mix(look.cloth, c, step(1, body));
  const hair = Math.hypot((x - 0.5 - sway) / 0.125, (y - 0.36) / 0.245);
  c = mix(look.hair, c, step(1, hair));
  const face = Math.hypot((x - 0.5 - sway) / 0.10, (y - 0.42) / 0.20);
  return mix(look.skin, c, step(1, face));
}

const LOOKS = [
  { wall: [0.82, 0.78, 0.70], shade: [0.45, 0.40, 0.36], cloth: [0.16, 0.30, 0.46], hair: [0.22, 0.14, 0.09], skin: [0.89, 0.72, 0.60] },
  { wall: [0.60, 0.72, 0.76], shade: [0.20, 0.30, 0.36], cloth: [0.62, 0.32, 0.24], hair: [0.08, 0.07, 0.07], skin: [0.55, 0.37, 0.27] },
  { wall: [0.76, 0.68, 0.78], shade: [0.34, 0.26, 0.40], cloth: [0.86, 0.80, 0.68], hair: [0.55, 0.36, 0.16], skin: [0.94, 0.79, 0.69] },
  { wall: [0.66, 0.76, 0.62], shade: [0.22, 0.32, 0.22], cloth: [0.25, 0.25, 0.30], hair: [0.62, 0.61, 0.60], skin: [0.80, 0.61, 0.47] },
];

/** Writes the n-th person's file and returns the flags that make it their camera. */
export async function portrait(n) {
  const look = LOOKS[n % LOOKS.length];
  const parts = [Buffer.from(`YUV4MPEG2 W${W} H${H} F20:1 Ip A1:1 C420jpeg\n`)];
  for (let f = 0; f < FRAMES; f++) {
    const sway = 0.012 * Math.sin((2 * Math.PI * f) / FRAMES + n);
    const Y = Buffer.alloc(W * H);
    const C = [Buffer.alloc((W * H) / 4), Buffer.alloc((W * H) / 4)];
    for (let y = 0; y < H; y++) {
      for (let x = 0; x < W; x++) {
        const [luma, cb, cr] = yuv(colour(x / W, y / H, look, sway));
        Y[y * W + x] = luma;
        if (x % 2 === 0 && y % 2 === 0) {
          C[0][(y / 2) * (W / 2) + x / 2] = cb;
          C[1][(y / 2) * (W / 2) + x / 2] = cr;
        }
      }
    }
    parts.push(Buffer.from('FRAME\n'), Y, ...C);
  }
  const dir = await mkdtemp(join(tmpdir(), 'parley-face-'));
  atEnd(() => rm(dir, { recursive: true, force: true }));
  const path = join(dir, 'camera.y4m');
  await writeFile(path, Buffer.concat(parts));
  return [`--use-file-for-fake-video-capture=${path}`];
}
