import { describe, expect, it } from '@jest/globals';
import { duration, Transfer } from '../../infra/local/transfer.ts';

/** Returns copies with a clock that the test moves. */
function startTransfer(images: number, bytes: number) {
  let now = 0;
  const transfer = new Transfer(() => now);
  transfer.begin(images, bytes);
  return { transfer, pass: (seconds: number) => (now += seconds * 1_000) };
}

describe('the copies of a run', () => {
  it('have a rate and a time left after the first second', () => {
    const { transfer, pass } = startTransfer(4, 100e6);
    transfer.add(1e6);
    expect(transfer.describe()).toBe('0 of 4 images, 1 MB of 100 MB');
    pass(5);
    transfer.add(9e6);
    transfer.finishImage();
    expect(transfer.describe()).toBe('1 of 4 images, 10 MB of 100 MB, 2 MB/s, about 45 s left');
  });

  it('have the rate of the last seconds, not of the whole run', () => {
    const { transfer, pass } = startTransfer(2, 1e9);
    transfer.add(100e6);
    for (let second = 0; second < 20; second++) {
      pass(1);
      transfer.add(1e6);
    }
    expect(transfer.rate).toBeGreaterThan(0.9e6);
    expect(transfer.rate).toBeLessThan(1.2e6);
  });

  it('name no whole and no time left once more has moved than was planned', () => {
    const { transfer, pass } = startTransfer(2, 10e6);
    pass(2);
    transfer.add(12e6);
    expect(transfer.describe()).toBe('0 of 2 images, 12 MB, 6 MB/s');
  });

  it('count a failed attempt back', () => {
    const { transfer } = startTransfer(1, 10e6);
    transfer.add(4e6);
    transfer.add(-4e6);
    expect(transfer.describe()).toBe('0 of 1 images, 0 B of 10 MB');
  });

  it('name no time left while nothing moves', () => {
    const { transfer, pass } = startTransfer(1, 10e6);
    transfer.add(1e6);
    pass(30);
    expect(transfer.describe()).toBe('0 of 1 images, 1 MB of 10 MB, 0 B/s');
  });
});

it.each([
  [0.2, '1 s'],
  [59.4, '59 s'],
  [60, '1 min'],
  [200, '3 min 20 s'],
  [3_600, '1 h'],
  [7_500, '2 h 5 min'],
])('formats %p s as %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});
