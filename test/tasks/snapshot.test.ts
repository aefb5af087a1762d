import { afterEach, expect, it } from '@jest/globals';
import type { Snapshot } from '../../functions/state/documents.ts';
import { anonymous } from '../../functions/oci/registry/auth/credentials.ts';
import { Runtime } from '../../functions/runtime/runtime.ts';
import { type Factory, startFactory } from './factory.ts';

let factory: Factory;
afterEach(() => factory.close());

it('the overrides of every scope are stored before the first write, with time, run and account', async () => {
  const before = { gitCloneTag: 'harness/drone-git:1.5.0' };
  factory = await startFactory({ harness: { accounts: { embedded: { ci: { K8: before, VM: {} } } } } });
  let writesThen: number | undefined;
  factory.store.onPut = (key) => {
    if (key.endsWith('/snapshot.json')) writesThen = factory.writes().length;
  };
  const start = Date.now();
  const { runId } = await factory.sync({ infrastructure_type: ['K8', 'VM'] });
  expect(writesThen).toBe(0);
  expect(factory.writes()).toHaveLength(2);
  const snapshot = await factory.document<Snapshot>(`runs/${runId}/snapshot.json`);
  expect(snapshot).toEqual({
    version: 1,
    runId,
    accountId: 'embedded',
    takenAt: expect.any(String),
    scopes: [
      { module: 'ci', infrastructureType: 'K8', overrides: before },
      { module: 'ci', infrastructureType: 'VM', overrides: {} },
    ],
  });
  expect(Date.parse(snapshot.takenAt)).toBeGreaterThanOrEqual(start);
});

it('reads the configuration back at once, then with growing pauses of 30 s in all', async () => {
  factory = await startFactory();
  let pauses: readonly number[] = [];
  await factory.task(async (_, { runtime }) => {
    const parts = { store: runtime.store, repositories: runtime.repositories, configuration: runtime.configuration };
    const other = new Runtime({
      ...parts,
      harnessApiKey: async () => '',
      credentials: anonymous,
    });
    pauses = other.readBackPausesMs;
    await other.close();
  }, {});
  expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
  expect(pauses.reduce((sum, pause) => sum + pause, 0)).toBe(30_000);
});
