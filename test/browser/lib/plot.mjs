// A plot of measurements over time, drawn by a browser into a PNG.

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [960, 420, 70, 60, 50, 50];

const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/**
 * @param title  what is shown
 * @param lines  [{ name, color, points: [[x, y], …], axis: 'left'|'right', steps: true to hold each value until the next, dash }]
 * @param bands  [{ from, till, name }], spans of time to be marked
 * @param left   { name, max, every } of the left axis; `right` of the right one
 */
export function plot({ title, lines, bands = [], left, right, seconds }) {
  const [w, h] = [WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM];
  const x = (s) => (LEFT + (s / seconds) * w).toFixed(1);
  const y = (v, axis) => (TOP + h - (Math.min(v, axis.max) / axis.max) * h).toFixed(1);
  const out = [`<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`, `<text x="${LEFT}" y="22" font-size="15" font-weight="600">${escaped(title)}</text>`];
  for (const band of bands) {
    out.push(`<rect x="${x(band.from)}" y="${TOP}" width="${x(band.till) - x(band.from)}" height="${h}" fill="#f3e8d8"/>`);
    out.push(`<text x="${x(band.from)}" dx="6" y="${TOP + 16}" fill="#8a6d3b">${escaped(band.name)}</text>`);
  }
  for (let v = 0; v <= left.max; v += left.every) {
    out.push(`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(v, left)}" y2="${y(v, left)}" stroke="#e3e3e3"/>`);
    out.push(`<text x="${LEFT - 8}" y="${y(v, left)}" dy="4" text-anchor="end">${v}</text>`);
  }
  for (let v = right.every; v <= right.max; v += right.every) {
    out.push(`<text x="${WIDTH - RIGHT + 8}" y="${y(v, right)}" dy="4" fill="#999">${v}</text>`);
  }
  for (let s = 0; s <= seconds; s += 10) out.push(`<text x="${x(s)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${s}</text>`);
  out.push(`<text x="${WIDTH / 2}" y="${HEIGHT - 12}" text-anchor="middle">seconds</text>`);
  out.push(`<text x="${LEFT}" y="${TOP - 8}" text-anchor="end">${escaped(left.name)}</text>`);
  out.push(`<text x="${WIDTH - RIGHT}" y="${TOP - 8}" fill="#999">${escaped(right.name)}</text>`);
  lines.forEach((line, i) => {
    const axis = line.axis === 'right' ? right : left;
    const path = line.points.map(([s, v], n) => (n > 0 && line.steps ? `H${x(s)}V${y(v, axis)}` : `${n > 0 ? 'L' : 'M'}${x(s)},${y(v, axis)}`)).join('');
    const style = `fill="none" stroke="${line.color}" stroke-width="2"${line.dash ? ` stroke-dasharray="${line.dash}"` : ''}`;
    out.push(`<path d="${path}" ${style}/>`);
    out.push(`<path d="M${LEFT + 160 + i * 190},${TOP - 12}h24" ${style}/><text x="${LEFT + 190 + i * 190}" y="${TOP - 8}">${escaped(line.name)}</text>`);
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">${out.join('')}</svg>`;
}

/** Draws the plot in a page of the browser and keeps it as `path`. */
export async function draw(browser, path, spec) {
  const page = await browser.newPage({ viewport: { width: WIDTH, height: HEIGHT } });
  await page.setContent(`<body style="margin:0">${plot(spec)}</body>`);
  await page.screenshot({ path });
  await page.close();
}
