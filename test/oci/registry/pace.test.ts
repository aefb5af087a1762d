import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { startRegistry } from '../../../infra/local/embedded/registry/server.ts';
import { putManifest } from '../../../functions/oci/registry/manifests.ts';
import { profileOf } from '../../../functions/oci/registry/profile.ts';
import type { Clock } from '../../../functions/oci/registry/clock.ts';
import { Pace } from '../../../functions/oci/registry/pace.ts';
import { connect, count, disconnect } from '../connect.ts';
import { blob, imageDocument, manifestOf } from '../documents.ts';
import { Repository } from '../../../functions/oci/registry/repository.ts';

/** A clock that sleeping moves; what sleeps together wakes in order. */
class SleepingClock implements Clock {
  time = 1_000_000;
  now(): number {
    return this.time;
  }
  async sleep(ms: number): Promise<void> {
    const until = this.time + ms;
    await Promise.resolve();
    this.time = Math.max(this.time, until);
  }
}

async function timesOf(pace: Pace, clock: SleepingClock, turns: number): Promise<number[]> {
  const start = clock.now();
  const times: number[] = [];
  for (let i = 0; i < turns; i++) {
    await pace.turn();
    times.push(Math.round(clock.now() - start));
  }
  return times;
}

describe('a pace', () => {
  it('admits a burst of one second, then the rate', async () => {
    const clock = new SleepingClock();
    expect(await timesOf(new Pace(4, clock), clock, 8)).toEqual([0, 0, 0, 0, 250, 500, 750, 1000]);
  });

  it('allows no burst at a rate of less than one per second', async () => {
    const clock = new SleepingClock();
    expect(await timesOf(new Pace(0.2, clock), clock, 3)).toEqual([0, 5_000, 10_000]);
  });

  it('refills while idle', async () => {
    const clock = new SleepingClock();
    const pace = new Pace(2, clock);
    await timesOf(pace, clock, 4);
    clock.time += 60_000;
    expect(await timesOf(pace, clock, 3)).toEqual([0, 0, 500]);
  });

  it('gives concurrent callers separate turns', async () => {
    const clock = new SleepingClock();
    const pace = new Pace(2, clock);
    const start = clock.now();
    await Promise.all(Array.from({ length: 10 }, () => pace.turn()));
    expect(clock.now() - start).toBe(4_000);
  });

  it('ends a wait by the signal', async () => {
    const pace = new Pace(0.001);
    await pace.turn();
    await expect(pace.turn(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  });
});

describe('a registry with a rate limit for manifests', () => {
  afterEach(disconnect);

  it('limits manifests at ECR only', () => {
    expect(profileOf('123456789012.dkr.ecr.eu-west-1.amazonaws.com').manifestsPerSecond).toBe(8);
    expect(profileOf('registry.example').manifestsPerSecond).toBeUndefined();
  });

  it('gets the share of manifests of this process', async () => {
    const target = await startRegistry();
    try {
      const profile = { ...profileOf(target.host), manifestsPerSecond: 8 };
      const registry = connect(target.host, { profile });
      const repository = new Repository(registry, 'a');
      const manifest = manifestOf(imageDocument([blob('x')]));
      const push = (signal?: AbortSignal) =>
        putManifest(repository, manifest.digest, manifest, signal).catch(() => undefined);
      // Alone it may send some at once.
      await Promise.all([push(), push(), push()]);
      expect(count(target, 'PUT')).toBe(3);
      // As one of thousands it has one turn, and then none for minutes.
      registry.shareOf(8_000);
      await push();
      expect(count(target, 'PUT')).toBe(4);
      const stop = new AbortController();
      const waiting = push(stop.signal);
      await sleep(100);
      expect(count(target, 'PUT')).toBe(4);
      stop.abort();
      await waiting;
    } finally {
      await target.close();
    }
  });
});
