import { afterEach, describe, expect, it } from '@jest/globals';
import { copy } from '../../functions/copy/copy.ts';
import { plan } from '../../functions/plan/plan.ts';
import { storedImage } from '../oci/stored-images.ts';
import { type Factory, imageStatuses, k8, k8Images, startFactory, statuses } from './factory.ts';
import { scriptedTemplate } from './scripted-template.ts';

let factory: Factory;
afterEach(() => factory.close());

const arn = 'arn:aws:lambda:eu-west-1:123456789012:function:add-our-ca';
const addon = k8['addonTag'] as string;
const repositoryOf = (image: string) => `mirror/${image.slice(0, image.lastIndexOf(':'))}`;
const tagOf = (image: string) => image.slice(image.lastIndexOf(':') + 1);

interface Call {
  name: string;
  input: { image: string; source: string; sourceDigest: string; target: string };
}

/** A factory whose images the customer builds; `answer` stands in for their function. */
async function building(answer: (call: Call, count: number) => unknown = built, environment: object = {}) {
  const { calls, template } = scriptedTemplate(answer);
  factory = await startFactory({ samples: {}, environment: { BUILD_PUSH_TEMPLATE: arn, ...environment }, template });
  return calls;
}

let builds = 0;

/** Builds what is asked for on top of the official image, and pushes it. */
function built({ input: { image, sourceDigest } }: Call): { digest: string } {
  // As builds are that note the time: never twice the same.
  const made = storedImage([Buffer.from(`${sourceDigest} with our CA, build ${++builds}`)]);
  factory.target.storage.putImage(repositoryOf(image), tagOf(image), made);
  return { digest: made.digest };
}

describe('BUILD_PUSH_TEMPLATE', () => {
  it('builds each image instead of copying it, and switches Harness to the result', async () => {
    const calls = await building();
    const report = await factory.sync();
    expect(report.status).toBe('SUCCEEDED');
    expect(calls.map(({ input }) => input.image).toSorted()).toEqual([...k8Images].toSorted());
    expect(calls.find(({ input }) => input.image === addon)?.input).toEqual({
      runId: report.runId,
      image: addon,
      source: `${factory.source.host}/${addon}`,
      sourceDigest: factory.official(addon),
      target: factory.copyOf(addon),
    });
    const row = report.images.find(({ image }) => image === addon);
    expect(row).toMatchObject({ status: 'copied', digest: factory.arrived(addon) });
    expect(row?.digest).not.toBe(factory.official(addon));
    // Prune finds the copies of the factory there.
    expect(await factory.document('inventory.json')).toHaveProperty(
      ['copies', factory.copyOf(addon)],
      factory.arrived(addon),
    );
    expect(statuses(report)['ci K8 addonTag']).toBe('updated');
  });

  it('does not call the template again, and reports no drift, until the official image changes', async () => {
    const calls = await building();
    await factory.sync();
    calls.length = 0;
    expect(imageStatuses(await factory.sync())[addon]).toBe('skipped');
    expect((await factory.run('verify')).status).toBe('SUCCEEDED');
    expect(calls).toEqual([]);
    factory.publish([addon], { revision: 1 });
    await factory.sync();
    expect(calls.map(({ input }) => input.image)).toEqual([addon]);
  });

  it('calls the template again for an image that somebody replaced, or whose record is lost', async () => {
    const calls = await building();
    await factory.sync();
    calls.length = 0;
    factory.target.storage.putImage(repositoryOf(addon), tagOf(addon), storedImage([Buffer.from('theirs')]));
    expect((await factory.run('verify')).error?.name).toBe('DriftFound');
    expect((await factory.sync()).status).toBe('SUCCEEDED');
    expect(calls.map(({ input }) => input.image)).toEqual([addon]);
  });

  it('waits for a running template, by one execution name', async () => {
    const calls = await building((call, count) => (count < 3 ? undefined : built(call)));
    const { waves } = await factory.task(plan, { runId: 'run-1', input: {} });
    const event = { runId: 'run-1', image: waves[0]?.[0] as number };
    for (const expected of ['continue', 'continue', 'copied', 'copied'])
      expect((await factory.task(copy, event)).status).toBe(expected);
    expect(new Set(calls.map(({ name }) => name)).size).toBe(1);
    expect(calls).toHaveLength(3);
  });

  it('pauses for some seconds between two looks', async () => {
    await building(() => undefined);
    await factory.task(plan, { runId: 'run-1', input: {} });
    const { waitSeconds } = await factory.task(copy, { runId: 'run-1', image: 0 });
    expect(waitSeconds).toBeGreaterThan(5);
    expect(waitSeconds).toBeLessThanOrEqual(300);
  });

  it('refuses more builds by a state machine than one execution can hold', async () => {
    const stateMachine = 'arn:aws:states:eu-west-1:123456789012:stateMachine:add-our-ca';
    const calls = await building(built, { BUILD_PUSH_TEMPLATE: stateMachine });
    const names = Array.from({ length: 100 }, (_, i) => `acme/many:${i}`);
    names.forEach((_, i) => factory.source.storage.putImage('acme/many', `${i}`, storedImage([Buffer.from('small')])));
    for (const action of ['plan', 'sync'] as const) {
      const { error } = await factory.run(action, { extra_images: names });
      expect(error).toMatchObject({ name: 'InvalidInput', message: expect.stringContaining('can build at most 100') });
      expect(error?.hint).toContain('docs/scale.md');
    }
    expect(calls).toEqual([]);
    // Divided as docs/scale.md says.
    for (const part of [names.slice(0, 90), names.slice(90)])
      expect(await factory.sync({ modify_default: false, extra_images: part })).toMatchObject({ status: 'SUCCEEDED' });
    expect((await factory.sync({ extra_images: names })).totals).toMatchObject({ copied: 0, failed: 0 });
  });

  it('allows two hours for a build', async () => {
    await building(() => undefined);
    await factory.task(plan, { runId: 'run-1', input: {} });
    const startedAt = new Date(Date.now() - 121 * 60_000).toISOString();
    await factory.store.put('runs/run-1/images/0-build.json', Buffer.from(JSON.stringify({ startedAt })));
    expect(await factory.task(copy, { runId: 'run-1', image: 0 })).toMatchObject({ status: 'failed' });
    expect(await factory.document('runs/run-1/images/0.json')).toMatchObject({ error: { name: 'TemplateFailed' } });
  });

  it.each<[string, RegExp, (call: Call) => unknown]>([
    ['no digest', /returned no digest/, () => ({})],
    ['what is no digest', /returned no digest/, () => ({ digest: 'latest' })],
    ['an image that is not there', /is absent/, () => ({ digest: `sha256:${'1'.repeat(64)}` })],
    [
      'another image than there is',
      /reported that it pushed/,
      (call) => (built(call), { digest: `sha256:${'1'.repeat(64)}` }),
    ],
  ])('fails the image, and leaves Harness unchanged, when the template answers %s', async (_, message, answer) => {
    await building(answer);
    const report = await factory.sync();
    expect(report.status).toBe('FAILED');
    expect(report.images[0]?.error).toMatchObject({ name: 'TemplateFailed', message: expect.stringMatching(message) });
    expect(factory.writes()).toEqual([]);
  });

  it('switches nothing when the template pushed an incomplete image', async () => {
    await building((call) => {
      const answer = built(call);
      const { image } = call.input;
      for (const digest of factory.target.storage.blobs(repositoryOf(image)))
        factory.target.storage.deleteBlob(repositoryOf(image), digest);
      return answer;
    });
    expect((await factory.sync()).error?.name).toBe('ImagesIncomplete');
    expect(factory.writes()).toEqual([]);
  });

  it('refuses to build an image that is pinned by digest', async () => {
    await building();
    const report = await factory.sync({ pins: { 'plugins/cache': factory.official('plugins/cache:1.10.12') } });
    expect(report.images.find(({ image }) => image.startsWith('plugins/cache'))?.error?.name).toBe('TemplateFailed');
  });

  it('waits for the scan of built images at the registry', async () => {
    const asked: unknown[] = [];
    await building(
      (call) => {
        const { images } = call.input as unknown as { images?: { image: string; digest: string }[] };
        if (!images) return built(call);
        asked.push(...images.filter(({ image }) => image === addon).map(({ digest }) => digest));
        return { images: images.map(({ image }) => ({ image, verdict: 'passed' })) };
      },
      { GATHER_SCAN_TEMPLATE: arn },
    );
    expect((await factory.sync({ wait_for_scan: true })).status).toBe('SUCCEEDED');
    expect(asked).toEqual([factory.arrived(addon)]);
  });
});

describe('a registry that does not mount blobs', () => {
  it('warns about a registry without mounts, with the setting, and requests none', async () => {
    const repositories = { adviceOnMounts: async () => 'aws ecr put-account-setting …' };
    factory = await startFactory({ repositories });
    const report = await factory.sync({ include_windows_rootless: true });
    expect(report.warnings).toContainEqual(
      expect.stringMatching(/does not mount blobs, .*: aws ecr put-account-setting …$/),
    );
    const mounts = factory.target.requests.filter(({ method, query }) => {
      const from = new URLSearchParams(query).get('from');
      return method === 'POST' && from !== null;
    });
    const elsewhere = mounts.filter(({ path, query }) => !path.includes(`/${new URLSearchParams(query).get('from')}/`));
    expect(elsewhere).toEqual([]);
    // With nothing to copy there is nothing to tell.
    expect((await factory.sync({ include_windows_rootless: true })).warnings).toBeUndefined();
  });
});
