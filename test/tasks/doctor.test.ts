import { afterEach, expect, it } from '@jest/globals';
import { checksOfRuntime, namesOf } from '../doctor/check-names.ts';
import { type Factory, startFactory } from './factory.ts';

let factory: Factory;
afterEach(() => factory.close());

it('checks as an action of the workflow: it plans and reports, without a lock or a write', async () => {
  factory = await startFactory();
  const report = await factory.run('doctor');
  expect(report).toMatchObject({ status: 'SUCCEEDED', action: 'doctor', images: [], config: [] });
  expect(new Set(namesOf(report))).toEqual(new Set(checksOfRuntime));
  expect(report.checks?.filter(({ status }) => status !== 'ok')).toEqual([]);
  expect(factory.writes()).toEqual([]);
  expect(factory.target.storage.repositories()).toEqual([]);
  expect(await factory.store.list('locks/')).toEqual([]);
});

it('fails as an action with the names of the failed checks, and has the cures in the report', async () => {
  factory = await startFactory({ environment: { SOURCE_REGISTRY: '127.0.0.1:1' } });
  const report = await factory.run('doctor');
  expect(report.error).toMatchObject({ name: 'ChecksFailed', message: '1 of 11 checks failed: source 127.0.0.1:1' });
  const [source] = report.checks?.filter(({ status }) => status === 'failed') ?? [];
  expect(source).toMatchObject({ name: 'source 127.0.0.1:1', cure: expect.stringMatching(/\S/) });
  expect(await factory.document(`runs/${report.runId}/report.json`)).toMatchObject({ checks: report.checks });
});

it('checks with a key that Harness refuses, and reports which checks could not be made', async () => {
  factory = await startFactory({ environment: { HARNESS_API_KEY: 'sat.embedded.key.wrong-secret' } });
  const report = await factory.run('doctor');
  const status = (name: string) => report.checks?.find((check) => check.name === name)?.status;
  expect(['Harness', 'key', 'account', 'connector'].map(status)).toEqual(['ok', 'failed', 'skipped', 'skipped']);
  expect(JSON.stringify(report)).not.toContain('wrong-secret');
});

it('checks while another run holds the lock, and names that run', async () => {
  factory = await startFactory();
  const now = new Date().toISOString();
  const expiresAt = new Date(Date.now() + 600_000).toISOString();
  const lock = { runId: 'other', action: 'sync', since: now, renewedAt: now, expiresAt };
  await factory.store.put('locks/embedded.json', Buffer.from(JSON.stringify(lock)));
  const report = await factory.run('doctor');
  expect(report.status).toBe('SUCCEEDED');
  expect(report.checks?.at(-1)).toMatchObject({ name: 'state', status: 'warning' });
});
