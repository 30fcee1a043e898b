import { describe, expect, it } from 'vitest';
import { Serial } from './serial';

describe('Serial', () => {
  it('keeps the order although jobs take different times', async () => {
    const serial = new Serial();
    const seen: number[] = [];
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const first = serial.run(async () => {
      await gate;
      seen.push(1);
    });
    const second = serial.run(() => {
      seen.push(2);
      return Promise.resolve();
    });
    release();
    await Promise.all([first, second]);
    expect(seen).toEqual([1, 2]);
  });

  it('goes on after a failure and stops when closed', async () => {
    const serial = new Serial();
    await expect(serial.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    const seen: number[] = [];
    await serial.run(() => Promise.resolve(void seen.push(1)));
    serial.close();
    await serial.run(() => Promise.resolve(void seen.push(2)));
    expect(seen).toEqual([1]);
  });
});
