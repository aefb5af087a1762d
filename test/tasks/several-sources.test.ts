import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copy } from '../../functions/copy/copy.ts';
import { plan } from '../../functions/plan/plan.ts';
import { report } from '../../functions/report/report.ts';
import { Deadline } from '../../functions/oci/copy/deadline.ts';
import { type Registry, startRegistry } from '../../infra/local/embedded/registry/server.ts';
import { pushSamples } from '../../infra/local/embedded/sample-images.ts';
import type { Act, Fault } from '../../infra/local/embedded/registry/faults.ts';
import { type Factory, k8Images, startFactory } from './factory.ts';

describe('several sources', () => {
  const cache = 'plugins/cache:1.10.12';
  const layerBytes = 300;
  const tooMany = JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS', message: 'pull rate limit' }] });

  let factory: Factory;
  let other: Registry;
  beforeEach(async () => {
    [factory, other] = await Promise.all([startFactory({ samples: {} }), startRegistry()]);
    pushSamples(other, k8Images, { layerBytes, slim: true });
  });
  afterEach(() => Promise.all([factory.close(), other.close()]));

  const input = () => ({ include_fields: ['cacheS3Tag'], source_registry: [factory.source.host, other.host] });
  const refuse = (path: RegExp, act: Act, more: Partial<Fault> = {}) =>
    factory.source.faults.add({ match: { method: 'GET', path, times: 99 }, act, ...more });

  const failures: [string, Act][] = [
    ['is throttled (429)', { status: 429, body: tooMany }],
    [
      'is throttled without a reason',
      { status: 429, headers: { 'content-type': 'text/plain' }, body: 'Too Many Requests' },
    ],
    ['is throttled for hours', { status: 429, headers: { 'retry-after': '21600' }, body: tooMany }],
    ['needs a login (401)', { status: 401 }],
    ['is forbidden (403)', { status: 403 }],
    ['is gone (404)', { status: 404 }],
    ['fails (500)', { status: 500 }],
    ['is cut off', 'reset'],
    ['is a web page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Log in</html>' }],
  ];

  describe('the next source with the same digest', () => {
    it.each(failures)('copies from the next source when a manifest of the first %s', async (_, act) => {
      refuse(/\/manifests\/sha256/, act);
      const document = await factory.sync(input());
      expect(document).toMatchObject({
        status: 'SUCCEEDED',
        images: [{ source: `${other.host}/${cache}`, status: 'copied' }],
      });
      expect(factory.arrived(cache)).toBe(factory.official(cache));
    });

    it.each(failures)('copies from the next source when a blob of the first %s', async (_, act) => {
      refuse(/\/blobs\//, act);
      const document = await factory.sync(input());
      expect(document).toMatchObject({
        status: 'SUCCEEDED',
        images: [{ source: `${other.host}/${cache}`, status: 'copied' }],
      });
      expect(factory.arrived(cache)).toBe(factory.official(cache));
    });

    it('copies from the next source when a blob of the first has other bytes', async () => {
      refuse(/\/blobs\//, 'corrupt', { afterBytes: 10 });
      expect(await factory.sync(input())).toMatchObject({
        status: 'SUCCEEDED',
        images: [{ source: `${other.host}/${cache}` }],
      });
    });

    it('moves to the next source at once when the first requires a long pause', async () => {
      refuse(/\/blobs\//, { status: 429, headers: { 'retry-after': '21600' }, body: tooMany });
      await factory.task(plan, { runId: 'run-1', input: input() });
      const copied = await factory.task(
        (event: { runId: string; image: number }, run) => copy(event, { ...run, deadline: Deadline.in(600_000) }),
        { runId: 'run-1', image: 0 },
      );
      expect(copied).toEqual({ status: 'copied', waitSeconds: 0 });
      const document = await factory.task(report, { runId: 'run-1', state: {} });
      expect(document.images).toMatchObject([{ source: `${other.host}/${cache}` }]);
    });

    it('skips a next source that has another image under the tag', async () => {
      other.storage.deleteTag('plugins/cache', '1.10.12');
      await other.close();
      other = await startRegistry();
      pushSamples(other, [cache], { layerBytes, slim: true, revision: 1 });
      refuse(/\/blobs\//, { status: 403 });
      const document = await factory.sync(input());
      expect(document.images).toMatchObject([
        { source: `${factory.source.host}/${cache}`, error: { name: 'RegistryForbidden' } },
      ]);
      expect(document.images[0]?.error?.message).toContain(factory.source.host);
    });

    it('does not try the next source when the target refuses', async () => {
      factory.target.faults.add({ match: { method: 'POST', times: 99 }, act: { status: 403 } });
      const document = await factory.sync(input());
      expect(document.images).toMatchObject([{ error: { name: 'RegistryForbidden' } }]);
      expect(other.requests).toEqual([]);
    });
  });
});
