import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Clock } from '../../../functions/oci/registry/clock.ts';
import { HostLimits, type Lane, type Slot } from '../../../functions/oci/registry/host-limits.ts';
import { errorOf } from '../connect.ts';

/** Stands still until it is put forward. */
class ManualClock implements Clock {
  #now = 1_000_000;
  #sleepers = new Set<{ until: number; wake: () => void }>();

  now(): number {
    return this.#now;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve: wake } = Promise.withResolvers<void>();
    const sleeper = { until: this.#now + ms, wake };
    this.#sleepers.add(sleeper);
    signal?.addEventListener('abort', () => wake(), { once: true });
    await promise;
    this.#sleepers.delete(sleeper);
  }

  async forward(ms: number): Promise<void> {
    this.#now += ms;
    for (const { until, wake } of this.#sleepers) if (until <= this.#now) wake();
    await settled();
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

let clock: ManualClock;
let limits: HostLimits;
let slots: Slot[];

beforeEach(() => {
  clock = new ManualClock();
  limits = new HostLimits(clock);
  slots = [];
});
afterEach(() => {
  for (const slot of slots) slot.leave();
});

/** Requests a number of slots; `slots` has those that were granted. */
async function ask(count: number, lane: Lane = 'download', signal?: AbortSignal): Promise<void> {
  for (let i = 0; i < count; i++) {
    limits.enter(lane, 'GET', signal).then(
      (slot) => slots.push(slot),
      () => undefined,
    );
  }
  await settled();
}

async function succeed(times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const slot = await limits.enter('download', 'GET');
    slot.succeeded();
    slot.leave();
  }
}

async function refuse(pauseMs?: number): Promise<void> {
  const slot = await limits.enter('download', 'GET');
  slot.throttled(pauseMs);
  slot.leave();
}

const concurrency = () => limits.counts().concurrency;

describe('requests to one host', () => {
  it('admits 16 requests at once', async () => {
    await ask(20);
    expect(slots).toHaveLength(16);
    slots[0]?.leave();
    await settled();
    expect(slots).toHaveLength(17);
  });

  it('serves requests in order', async () => {
    await ask(16);
    const order: number[] = [];
    const waiting = [1, 2, 3].map(async (n) => {
      const slot = await limits.enter('download', 'GET');
      order.push(n);
      slot.leave();
    });
    slots[3]?.leave();
    await Promise.all(waiting);
    expect(order).toEqual([1, 2, 3]);
  });

  it('give their slot back once, however often they leave', async () => {
    await ask(18);
    slots[0]?.leave();
    slots[0]?.leave();
    await settled();
    expect(slots).toHaveLength(17);
  });

  it('removes an aborted request from the queue, with the reason of the signal', async () => {
    await ask(16);
    const aborted = new AbortController();
    const waiting = errorOf(limits.enter('download', 'GET', aborted.signal));
    await ask(1);
    const reason = new Error('enough');
    aborted.abort(reason);
    expect(await waiting).toBe(reason);
    slots[0]?.leave();
    await settled();
    expect(slots).toHaveLength(17);
  });

  it('gives no slot to a request that was aborted before', async () => {
    const reason = new Error('enough');
    expect(await errorOf(limits.enter('download', 'GET', AbortSignal.abort(reason)))).toBe(reason);
    await ask(16);
    expect(slots).toHaveLength(16);
  });

  it('passes the slot on when a request is aborted as it is admitted', async () => {
    await ask(16);
    const aborted = new AbortController();
    const waiting = errorOf(limits.enter('download', 'GET', aborted.signal));
    await settled();
    slots[0]?.leave();
    aborted.abort(new Error('enough'));
    expect((await waiting).message).toBe('enough');
    await ask(1);
    expect(slots).toHaveLength(17);
  });
});

describe('streams', () => {
  it.each<[Lane, Lane[]]>([
    ['upload', ['download', 'request']],
    ['download', ['request']],
  ])('(%s) never keep out what they wait for', async (lane, neededByIt) => {
    await ask(40, lane);
    const streams = slots.length;
    for (const needed of neededByIt) await ask(1, needed);
    expect(slots).toHaveLength(streams + neededByIt.length);
  });

  it('up, down and plain ones, one and a half times as many, do not take each other’s places', async () => {
    await ask(40, 'upload');
    await ask(40, 'download');
    await ask(40, 'request');
    expect(slots).toHaveLength(16 + 16 + 24);
  });
});

describe('a response 429', () => {
  it('halves the concurrency, down to 2', async () => {
    const seen: number[] = [];
    for (let i = 0; i < 5; i++) {
      await refuse();
      seen.push(concurrency());
    }
    expect(seen).toEqual([8, 4, 2, 2, 2]);
  });

  it('counts once for all requests in flight together', async () => {
    await ask(16);
    for (const slot of slots) slot.throttled(undefined);
    expect(limits.counts()).toMatchObject({ throttles: 16, concurrency: 8 });
  });

  it('admits no request until fewer than half are in flight', async () => {
    await ask(20);
    slots[0]?.throttled(undefined);
    for (const slot of slots.slice(0, 8)) slot.leave();
    await settled();
    expect(slots).toHaveLength(16);
    slots[8]?.leave();
    await settled();
    expect(slots).toHaveLength(17);
  });

  it('raises the concurrency by one per 20 successes, up to 16', async () => {
    await refuse();
    await succeed(19);
    expect(concurrency()).toBe(8);
    await succeed(1);
    expect(concurrency()).toBe(9);
    await succeed(1_000);
    expect(concurrency()).toBe(16);
  });

  it('resets the count of successes', async () => {
    await refuse();
    await succeed(19);
    await refuse();
    await succeed(19);
    expect(concurrency()).toBe(4);
  });

  it('lets a waiting request in as soon as the concurrency grows', async () => {
    await refuse();
    await ask(9);
    expect(slots).toHaveLength(8);
    for (let i = 0; i < 20; i++) slots[0]?.succeeded();
    await settled();
    expect(slots).toHaveLength(9);
  });
});

describe('a pause that the host requests', () => {
  it('delays every request to the host until it ends', async () => {
    await refuse(5_000);
    await ask(1);
    await ask(1, 'upload');
    await ask(1, 'download');
    await clock.forward(4_999);
    expect(slots).toHaveLength(0);
    await clock.forward(1);
    expect(slots).toHaveLength(3);
  });

  it('lasts as long as the longest requested pause', async () => {
    await ask(3);
    slots[0]?.throttled(5_000);
    slots[1]?.throttled(1_000);
    await ask(1);
    await clock.forward(2_000);
    slots[2]?.throttled(9_000);
    await clock.forward(3_000);
    expect(slots).toHaveLength(3);
    await clock.forward(6_000);
    expect(slots).toHaveLength(4);
  });

  it('ends for a request with its signal', async () => {
    await refuse(5_000);
    const aborted = new AbortController();
    const waiting = errorOf(limits.enter('download', 'GET', aborted.signal));
    await settled();
    aborted.abort(new Error('enough'));
    expect((await waiting).message).toBe('enough');
    await clock.forward(5_000);
    await ask(20);
    expect(slots).toHaveLength(8);
  });
});

it('counts requests, in a copy', async () => {
  const before = limits.counts();
  await succeed(2);
  await refuse(1_000);
  await clock.forward(1_000);
  await refuse(0);
  const slot = await limits.enter('upload', 'PATCH');
  slot.leave();
  limits.retried();
  limits.mounted();
  expect(limits.counts()).toEqual({
    requests: { GET: 4, PATCH: 1 },
    retries: 1,
    throttles: 2,
    pauses: 1,
    mounts: 1,
    concurrency: 4,
  });
  expect(before).toEqual({ requests: {}, retries: 0, throttles: 0, pauses: 0, mounts: 0, concurrency: 16 });
});
