import { expect, it } from '@jest/globals';
import { readSnapshot } from '../../functions/plan/restore.ts';
import { stateMachine } from '../../functions/runtime/place.ts';
import { accountId, runId, setStage } from '../tasks/stage.ts';

it('a restore writes back the snapshot of the run, if it is of the same account', async () => {
  const { runtime, documents } = setStage({ place: stateMachine });
  const snapshot = { runId, accountId, takenAt: '2026-01-01T00:00:00.000Z', scopes: [] };
  const refusal = {
    name: 'SnapshotNotFound',
    message: `there is no snapshot of run ${runId} for account ${accountId}`,
    hint: expect.stringContaining(stateMachine.findRuns),
  };
  await expect(readSnapshot(runId, runtime)).rejects.toMatchObject(refusal);
  await documents.snapshot.put({ ...snapshot, accountId: 'another' });
  await expect(readSnapshot(runId, runtime)).rejects.toMatchObject(refusal);
  await documents.snapshot.put(snapshot);
  expect(await readSnapshot(runId, runtime)).toEqual(snapshot);
});
