import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { artifact } from '../oci/stored-images.ts';
import { type Factory, startFactory, statuses } from './factory.ts';

const image = 'harness/sto-plugin:latest';
const choice = { include_fields: ['securityTag'] };
const soak = { ...choice, soak_days: 7 };

let factory: Factory;
let before: string | undefined;
/** A field is at a floating tag, which then moves at the source. */
beforeEach(async () => {
  factory = await startFactory();
  await factory.sync(choice);
  before = factory.arrived(image);
  factory.publish([image], { revision: 1 });
});
afterEach(() => factory.close());

/** All that was seen so far was seen that many days earlier. */
async function wait(days: number): Promise<void> {
  const seen = Buffer.from((await factory.store.get('first-seen.json')) ?? []).toString();
  const earlier = seen.replaceAll(/\d{4}-\d{2}-\d{2}T[\d:.]+Z/g, (at) =>
    new Date(Date.parse(at) - days * 86_400_000).toISOString(),
  );
  await factory.store.put('first-seen.json', Buffer.from(earlier));
}

const held = () => factory.target.storage.manifest('mirror/harness/sto-plugin', factory.official(image) ?? '');

it('a tag that moved soaks: the new image is copied at once, and the tag stays for Harness to pull', async () => {
  expect(factory.official(image)).not.toBe(before);
  const report = await factory.sync(soak);
  expect(report.error).toBeUndefined();
  expect(report.images).toMatchObject([
    { image, status: 'copied', target: `${factory.registry}/harness/sto-plugin@${factory.official(image)}` },
  ]);
  expect(held()).toBeDefined();
  expect(factory.arrived(image)).toBe(before);
  expect(report.config).toMatchObject([
    {
      field: 'securityTag',
      status: 'unchanged',
      reason: expect.stringMatching(/was moved; the new one soaks until \d{4}-/),
    },
  ]);
});

it('copies nothing again while an image soaks, and reports no drift', async () => {
  await factory.sync(soak);
  factory.target.requests.length = 0;
  const report = await factory.sync(soak);
  expect(report.images).toMatchObject([{ image, status: 'skipped' }]);
  expect(factory.target.requests.filter(({ method }) => method !== 'HEAD')).toEqual([]);
  expect((await factory.run('verify', soak)).error).toBeUndefined();
  factory.target.storage.deleteTag('mirror/harness/sto-plugin', 'latest');
  expect((await factory.run('verify', soak)).error?.name).toBe('DriftFound');
});

it('the tag follows when the new image has soaked, and no blob crosses again', async () => {
  await factory.sync(soak);
  await wait(6);
  await factory.sync(soak);
  expect(factory.arrived(image)).toBe(before);
  await wait(1);
  const report = await factory.sync(soak);
  expect(report.error).toBeUndefined();
  expect(report.totals.bytesTransferred).toBe(0);
  expect(factory.arrived(image)).toBe(factory.official(image));
  expect((await factory.run('verify', soak)).error).toBeUndefined();
});

it('a field that does not use the tag yet is switched when the new image has soaked', async () => {
  await factory.run('reset');
  await factory.sync(soak);
  await wait(7);
  expect(statuses(await factory.sync(soak))).toEqual({ 'ci K8 securityTag': 'updated' });
  expect(factory.arrived(image)).toBe(factory.official(image));
});

it('an image that soaks is in use: prune leaves it', async () => {
  await factory.sync(soak);
  const report = await factory.sync({ ...soak, prune: true, keep_versions: 1 });
  expect(report.unused).toBeUndefined();
  expect(held()).toBeDefined();
  expect(factory.arrived(image)).toBe(before);
});

it('copies signatures that appear while an image soaks', async () => {
  await factory.sync(soak);
  const [subject] = factory.publish([image], { revision: 1 });
  const signature = artifact('application/vnd.dev.cosign.artifact.sig.v1+json', Buffer.from('signed'), subject);
  factory.source.storage.putImage('harness/sto-plugin', undefined, signature);
  const report = await factory.sync({ ...soak, referrers: 'signatures' });
  expect(report.error).toBeUndefined();
  expect(factory.target.storage.manifest('mirror/harness/sto-plugin', signature.digest)).toBeDefined();
  expect(factory.arrived(image)).toBe(before);
});

it('moves the tag at once without soak_days', async () => {
  await factory.sync(choice);
  expect(factory.arrived(image)).toBe(factory.official(image));
});
