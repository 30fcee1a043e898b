// The picture somebody gets against the best one its sender makes. A sender that is short of processor time makes
// smaller ones or none, and that is not the network's doing.
import assert from 'node:assert/strict';

/**
 * What a sender's encoders did since `before.frames`: how tall the tallest was that made frames, and what holds them
 * ('none', 'cpu', 'bandwidth').
 */
export async function encoding(person, before = { frames: {} }) {
  const sending = (await person.reports()).filter((r) => r.type === 'outbound-rtp' && r.kind === 'video');
  const busy = sending.filter((r) => (r.framesEncoded ?? 0) > (before.frames[r.ssrc] ?? 0));
  return {
    frames: Object.fromEntries(sending.map((r) => [r.ssrc, r.framesEncoded ?? 0])),
    tallest: Math.max(0, ...busy.map((r) => r.frameHeight ?? 0)),
    limits: [...new Set(sending.map((r) => r.qualityLimitationReason))],
  };
}

/** After so many seconds of too little processor time nothing better is waited for. */
const ENOUGH = 30;

/**
 * Waits for so many seconds in a row in which the viewer gets `lines` lines of the sender, who is held by nothing. Those
 * in which the sender's processor makes less count neither way; where it does so for half a minute, the best it makes has
 * to come through instead, as many seconds in a row.
 */
export async function staysAt(t, lines, sender, viewer, { seconds, patience, wanted }) {
  const [started, seen] = [performance.now(), []];
  let [row, spared, best] = [0, 0, 0];
  let made = await encoding(sender);
  while (row < seconds && !(spared >= ENOUGH && best >= seconds)) {
    await viewer.page.waitForTimeout(1000);
    const height = (await viewer.media()).video[sender.name]?.height;
    made = await encoding(sender, made);
    const held = made.limits.includes('bandwidth');
    seen.push(`${height}/${made.tallest}${held ? '!' : ''}`);
    best = height === made.tallest ? best + 1 : 0;
    if (made.tallest === 0 || made.limits.includes('cpu')) spared++;
    else row = height === lines && !held ? row + 1 : 0;
    assert.ok(performance.now() - started < patience,
      `${seconds} s in a row at ${lines} lines: not within ${patience} ms; seen/encoded (! = the sender is held): ${seen.join(' ')}`);
  }
  const took = Math.round(performance.now() - started);
  const what = row < seconds ? 'the best this machine makes' : `${lines} lines`;
  t.diagnostic(`${what} for ${seconds} s in a row after ${took} ms (wanted: ${wanted}), ${spared} s left to the machine; seen/encoded: ${seen.join(' ')}`);
}
