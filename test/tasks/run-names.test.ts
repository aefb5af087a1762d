import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runIdPattern } from '../../functions/settings/input-schema.ts';
import { readHistory } from '../../functions/state/history.ts';
import { type Factory, ownWarnings, startFactory } from './factory.ts';
import { useTemporaryFolders } from '../temporary-folder.ts';

const temporaryFolder = useTemporaryFolders();

/** Names that Step Functions accepts for an execution. */
const names = ['release-1.2', '-hotfix+retry=2', "_(grün)!'@é", '日'.repeat(20)];

describe('a run by any name that Step Functions takes', () => {
  let factory: Factory;
  beforeAll(async () => {
    factory = await startFactory({ folder: temporaryFolder('run-names') });
    for (const runId of names) await factory.sync({ modify_default: runId === names[1] }, { runId });
  });
  afterAll(() => factory.close());

  it.each(names)('ends with its report: %s', async (runId) => {
    const [report] = await factory.store.list(`runs/${encodeURIComponent(runId)}/report.json`);
    expect(await factory.document(report ?? '')).toMatchObject({ runId, status: 'SUCCEEDED' });
  });

  it('lists a run by any valid name', async () => {
    const history = await readHistory(factory.store);
    expect(new Set(history.map(({ runId }) => runId))).toEqual(new Set(names));
    expect(history.filter(({ restorable }) => restorable).map(({ runId }) => runId)).toEqual([names[1]]);
  });

  it('restores a run by any valid name', async () => {
    expect(Object.keys(factory.overrides())).not.toEqual([]);
    const report = await factory.run('restore', { restore_run: names[1] });
    expect(report).toMatchObject({ status: 'SUCCEEDED', action: 'restore' });
    expect(factory.overrides()).toEqual({});
  });

  it('finds earlier runs by any valid name when it prunes', async () => {
    const report = await factory.sync({ prune: true });
    expect(report).toMatchObject({ status: 'SUCCEEDED' });
    expect(ownWarnings(report)).toEqual([]);
  });

  it.each(['', '.', '..', 'a b', 'a/b', 'a%b', 'a:b', 'a\u0000', '\u{1F600}', 'x'.repeat(81)])(
    'refuses the name %j',
    (name) => expect(runIdPattern.test(name)).toBe(false),
  );
});
