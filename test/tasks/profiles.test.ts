import { afterEach, expect, it } from '@jest/globals';
import { type ProfileName, profileNames } from '../../infra/local/embedded/harness-api/profiles.ts';
import { type Factory, startFactory, ownWarnings } from './factory.ts';

let factory: Factory;
afterEach(() => factory.close());

/** Starts with an account that has all fields of a profile, and with images of every shape. */
async function startWith(profile: ProfileName): Promise<void> {
  factory = await startFactory({ harness: { profile }, samples: {} });
}

it.each(profileNames)('switches every field of %s to a copy, and back', async (profile) => {
  await startWith(profile);
  const { K8 = {} } = factory.harness.defaults.ci;
  const fields = Object.entries(K8).filter(([field]) => !field.endsWith('Rootless'));
  const synced = await factory.sync();
  expect(synced.error).toBeUndefined();
  expect(factory.overrides()).toEqual(
    Object.fromEntries(fields.map(([field, image]) => [field, factory.copyOf(image)])),
  );
  expect((await factory.run('verify')).error).toBeUndefined();
  expect((await factory.run('reset')).error).toBeUndefined();
  expect(factory.overrides()).toEqual({});
});

it('switches VM of saas-2023, and reports the field that it does not let anyone write', async () => {
  await startWith('saas-2023');
  const report = await factory.sync({ infrastructure_type: 'VM' });
  expect(report.error).toBeUndefined();
  const unwritten = report.config.filter(({ status }) => status !== 'updated');
  expect(unwritten).toMatchObject([{ field: 'slsaVerificationTag', status: 'rejected' }]);
});

it('switches self-managed with a warning, since it cannot check the permission', async () => {
  await startWith('self-managed');
  const report = await factory.sync({ include_fields: ['cacheS3Tag'] });
  expect(report.error).toBeUndefined();
  expect(ownWarnings(report)).toEqual([
    expect.stringContaining('whether the key has core_account_edit could not be checked before the switch: '),
  ]);
});

it.each(profileNames)('looks for unused copies on %s, whose missing modules have no overrides', async (profile) => {
  const notes: string[] = [];
  factory = await startFactory({ harness: { profile }, onNote: (note) => notes.push(note) });
  const choice = { include_fields: ['cacheS3Tag'] };
  await factory.sync(choice);
  const { K8 = {} } = factory.harness.defaults.ci;
  const used = K8['cacheS3Tag'] ?? '';
  const newer = `${used}.1`;
  factory.publish([newer]);
  factory.harness.setDefault('ci', 'K8', 'cacheS3Tag', newer);
  await factory.sync(choice);
  const pruned = await factory.sync({ ...choice, prune: true, keep_versions: 1 });
  expect(ownWarnings(pruned)).toEqual([]);
  const verified = await factory.run('verify', choice);
  expect(verified.error).toBeUndefined();
  expect(ownWarnings(verified)).toEqual([]);
  expect(notes.filter((note) => note.includes('only the modules of this run'))).toEqual([]);
});
