import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copy } from '../../functions/copy/copy.ts';
import { plan } from '../../functions/plan/plan.ts';
import { report } from '../../functions/report/report.ts';
import type { Report } from '../../functions/state/documents.ts';
import { summaryOf } from '../../infra/local/summary.ts';
import { type Factory, startFactory } from './factory.ts';

describe('the counts of registries', () => {
  let factory: Factory;
  beforeEach(async () => {
    factory = await startFactory({ samples: {} });
  });
  afterEach(() => factory.close());

  const of = ({ registries = [] }: Report, host: string) => registries.find((counts) => counts.host === host);

  /** The requests in the source's own log. Only plans and copies send any. */
  function asked(): Record<string, number> {
    const methods = factory.source.requests.map(({ method }) => method).toSorted();
    return Object.fromEntries(
      [...new Set(methods)].map((method) => [method, methods.filter((m) => m === method).length]),
    );
  }

  describe('a report says what registries were asked', () => {
    it('each request once, although images are copied at the same time', async () => {
      const first = await factory.sync({ max_concurrency: 40 });
      expect(of(first, factory.source.host)).toEqual({
        host: factory.source.host,
        requests: asked(),
        retries: 0,
        throttles: 0,
        pauses: 0,
        mounts: 0,
      });
      expect(of(first, factory.target.host)?.requests).toMatchObject({
        PUT: expect.any(Number),
        POST: expect.any(Number),
      });
      factory.source.requests.length = 0;
      expect(of(await factory.sync(), factory.source.host)?.requests).toEqual(asked());
    });

    it('each request once, where each image is copied by a process of its own', async () => {
      const { waves } = await factory.task(plan, { runId: 'run-1', input: {} });
      for (const image of waves.flat()) await factory.task(copy, { runId: 'run-1', image });
      const document = await factory.task(report, { runId: 'run-1', state: {} });
      expect(of(document, factory.source.host)?.requests).toEqual(asked());
    });

    it('counts refusals of a registry, and shows them in the summary', async () => {
      const slower = { status: 429, headers: { 'retry-after': '1' } };
      factory.source.faults.add({ match: { method: 'GET', path: /\/blobs\// }, act: slower });
      const document = await factory.sync();
      expect(of(document, factory.source.host)).toMatchObject({ retries: 1, throttles: 1, pauses: 1 });
      expect(summaryOf(document)).toContain(
        `${factory.source.host} throttled 1 request (HTTP 429), and requested 1 pause`,
      );
    });

    it('counts blobs mounted from another repository of the registry', async () => {
      const document = await factory.sync();
      const answered = factory.target.requests.filter(({ method, status }) => method === 'POST' && status === 201);
      expect(answered.length).toBeGreaterThan(0);
      expect(of(document, factory.target.host)).toMatchObject({ mounts: answered.length });
      expect(of(document, factory.source.host)).toMatchObject({ mounts: 0 });
    });

    it('records the rest of a pull limit, and shows a small one in the summary', async () => {
      factory.source.quirks.rateLimit = { limit: 100, windowSeconds: 21_600, remaining: 40 };
      const plenty = await factory.sync();
      const { remaining } = factory.source.quirks.rateLimit;
      expect(of(plenty, factory.source.host)?.pulls).toEqual({ limit: 100, remaining });
      expect(summaryOf(plenty)).not.toContain('manifest pulls left');
      factory.source.quirks.rateLimit.remaining = 10;
      const little = await factory.sync();
      expect(summaryOf(little)).toContain(`${factory.source.host} has 10 of 100 manifest pulls left`);
    });
  });
});
