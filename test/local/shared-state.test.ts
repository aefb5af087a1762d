import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { S3ObjectStore } from '../../functions/aws/s3-object-store.ts';
import type { Report } from '../../functions/state/documents.ts';
import { AccountLock, type Lock, lockSchema } from '../../functions/state/lock.ts';
import { getJson, putJson } from '../../functions/state/object-store.ts';
import { RunDocuments } from '../../functions/state/run-documents.ts';
import type { HistoryEntry } from '../../functions/state/history.ts';
import { type MotoServer, region } from '../aws/moto-server.ts';
import { shareMotoServer } from '../aws/shared-moto-server.ts';
import { available } from '../real-parts.ts';
import { type CommandOptions, type CommandResult, startSetting } from './factory-command.ts';

const prefix = 'team/ci';
const state = `s3://state/${prefix}`;

(available('moto_server') ? describe : describe.skip)('the command on several machines with one bucket', () => {
  let moto: MotoServer;
  let s3: S3Client;
  let store: S3ObjectStore;
  let setting: Awaited<ReturnType<typeof startSetting>>;

  beforeAll(async () => {
    moto = await shareMotoServer();
    setting = await startSetting();
    s3 = new S3Client({ ...moto.config, forcePathStyle: true });
    await s3.send(
      new CreateBucketCommand({ Bucket: 'state', CreateBucketConfiguration: { LocationConstraint: region } }),
    );
    store = new S3ObjectStore('state', s3, `${prefix}/`);
  }, 60_000);
  afterAll(async () => {
    s3?.destroy();
    await Promise.all([moto?.close(), setting?.close()]);
  });

  /** The variables of a machine without files of earlier runs. */
  const newMachine = () => ({
    AWS_ENDPOINT_URL: moto.config.endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    HOME: `${setting.folder}/${Math.random()}`,
  });
  const onNewMachine = (args: readonly string[], options: CommandOptions = {}) =>
    setting.factory([...args, '--state', state], { ...options, environment: newMachine() });
  /** Runs the command where its process is not the point. */
  const hosted = (args: readonly string[]) => setting.hosted([...args, '--state', state], newMachine());
  const reportOf = ({ stdout, stderr }: CommandResult): Report => {
    expect([stdout, stderr]).toEqual([expect.stringMatching(/^\{/), expect.anything()]);
    return JSON.parse(stdout) as Report;
  };
  const lockKey = () => `locks/${setting.harness.accountId}.json`;
  const lockNow = () => getJson(store, lockKey(), lockSchema);
  const lockOf = (at: AccountLock, runId: string) => at.take({ runId, action: 'sync' }, setting.harness.accountId);
  /** A run of the deployment whose bucket this is. */
  const deployed = () => new AccountLock(store, {}, () => undefined);

  it('shows a run of one machine on another, and restores there what was before it', async () => {
    const { runId, status } = reportOf(await onNewMachine(['sync', '--json', '--yes']));
    expect(status).toBe('SUCCEEDED');
    expect(Object.keys(setting.overrides())).toHaveLength(5);
    const history = JSON.parse((await hosted(['history', '--json'])).stdout) as HistoryEntry[];
    expect(history).toEqual([
      expect.objectContaining({ runId, action: 'sync', status: 'SUCCEEDED', copied: 4, restorable: true }),
    ]);
    const restored = reportOf(await hosted(['restore', '--run', runId, '--json', '--yes']));
    expect(restored.status).toBe('SUCCEEDED');
    expect(setting.overrides()).toEqual({});
    expect(await lockNow()).toBeNull();
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: 'state' }));
    expect(Contents.length).toBeGreaterThan(20);
    expect(Contents.filter(({ Key }) => !Key?.startsWith(`${prefix}/`))).toEqual([]);
  });

  describe('after a sync', () => {
    beforeAll(async () => {
      reportOf(await hosted(['sync', '--json', '--yes']));
    });

    it.each(['verify', 'plan', 'reset'])('runs %s with the state in the bucket', async (action) => {
      const report = reportOf(await hosted([action, '--json', '--yes']));
      expect(report).toMatchObject({ action, status: 'SUCCEEDED' });
      expect(await new RunDocuments(store, report.runId).report.find()).toEqual(report);
    });
  });

  it('skips a run while the deployment holds the lock, and runs when it is released', async () => {
    expect(await lockOf(deployed(), 'nightly-1')).toEqual({});
    const skipped = await hosted(['reset', '--json', '--yes']);
    expect(reportOf(skipped)).toMatchObject({
      status: 'SKIPPED',
      reason: expect.stringContaining('run nightly-1 (sync) has held the lock'),
    });
    expect(skipped.code).toBe(0);
    await deployed().release('nightly-1');
    expect(reportOf(await hosted(['reset', '--json', '--yes']))).toMatchObject({ status: 'SUCCEEDED' });
  });

  describe('a run that is killed while it switches Harness', () => {
    let killed: Lock;
    beforeAll(async () => {
      const { code } = await onNewMachine(['sync', '--yes'], {
        when: { printed: /switching Harness/, act: (pid) => process.kill(pid, 'SIGKILL') },
      });
      expect(code).toBeNull();
      const lock = await lockNow();
      if (!lock) throw new Error('the killed run has no lock');
      killed = lock;
    });

    it('keeps its lock for ten minutes, on machines and in the deployment', async () => {
      expect(Date.parse(killed.expiresAt) - Date.parse(killed.renewedAt)).toBe(600_000);
      expect(killed).not.toHaveProperty('process');
      expect(reportOf(await hosted(['sync', '--json', '--yes']))).toMatchObject({
        status: 'SKIPPED',
        reason: expect.stringContaining(`run ${killed.runId} (sync) has held the lock`),
      });
      expect(await lockOf(deployed(), 'nightly-2')).toEqual({ holder: killed });
    });

    it('loses its lock after that to a run on another machine, which names it', async () => {
      await putJson(store, lockKey(), lockSchema, { ...killed, expiresAt: new Date().toISOString() });
      const report = reportOf(await hosted(['sync', '--json', '--yes']));
      expect(report.status).toBe('SUCCEEDED');
      expect(report.warnings).toContainEqual(
        expect.stringMatching(new RegExp(`^run ${killed.runId}, which had the lock since .+, ended without a report`)),
      );
      expect(Object.keys(setting.overrides())).toHaveLength(5);
      expect(await lockNow()).toBeNull();
    });
  });
});

describe('the command', () => {
  let setting: Awaited<ReturnType<typeof startSetting>>;
  beforeAll(async () => {
    setting = await startSetting();
  });
  afterAll(() => setting.close());

  it.each(['s3:/state', 's3://', 'gs://state'])('refuses the state %s before anything starts', async (place) => {
    for (const command of ['sync', 'history']) {
      const { code, stderr } = await setting.hosted([command, '--state', place]);
      expect(stderr).toContain(`InvalidConfiguration: --state ${place}: `);
      expect(stderr).toContain('Hint: Write s3://BUCKET or s3://BUCKET/PREFIX.');
      expect(code).toBe(2);
    }
    expect(setting.harness.requests).toEqual([]);
    expect(setting.target.requests).toEqual([]);
  });

  it('refuses a bucket without credentials before anything starts', async () => {
    const environment = { AWS_REGION: region, AWS_EC2_METADATA_DISABLED: 'true' };
    const { code, stderr } = await setting.factory(['sync', '--state', 's3://state'], { environment });
    expect(stderr).toContain('StoreFailed: cannot write s3://state/probe: CredentialsProviderError: ');
    expect(stderr).toContain('Hint: Check the AWS credentials: none were found, or they have expired.');
    expect(code).toBe(1);
    expect(setting.harness.requests).toEqual([]);
  });

  it('loads the AWS SDK only for a bucket', async () => {
    const loaded = async (state: string) => {
      const folder = await mkdtemp(join(setting.folder, 'coverage-'));
      const environment = { NODE_V8_COVERAGE: folder, AWS_REGION: region, AWS_EC2_METADATA_DISABLED: 'true' };
      await setting.factory(['history', '--state', state], { environment });
      const texts = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')));
      return /shared-bucket-\w+\.mjs/.test(texts.join(''));
    };
    expect([await loaded('folder'), await loaded('s3://state')]).toEqual([false, true]);
  });
});
