import type { Report } from '../../functions/state/documents.ts';
import type { HistoryEntry } from '../../functions/state/history.ts';
import { readHistory } from '../../functions/state/history.ts';
import type { ProfileName } from '../../infra/local/embedded/harness-api/profiles.ts';
import { type Factory, startFactory } from '../tasks/factory.ts';

export const scenarios = [
  'plan',
  'sync',
  'current',
  'failed copies',
  'rolled back',
  'rollback failed',
  'skipped',
  'verify',
  'drift',
  'reset',
  'restore',
  'refused input',
] as const;
export type Scenario = (typeof scenarios)[number];

/** Real runs, one for each outcome, against the embedded Harness API and registries. */
export interface RealRuns {
  reports: Readonly<Record<Scenario, Report>>;
  history: HistoryEntry[];
  /** The page of each run, as the report task stored it. */
  pages: Readonly<Record<Scenario, string>>;
  historyPage: string;
}

/** Takes a copy away when the switch is recorded: verify fails. */
function losesACopy(factory: Factory, also = () => {}): void {
  const { store, target } = factory;
  const [, repository = '', tag = ''] = /^[^/]+\/(.+):(.+)$/.exec(factory.copyOf('harness/ci-addon:1.18.22')) ?? [];
  store.onPut = (key) => {
    if (!key.endsWith('/config.json')) return;
    store.onPut = () => undefined;
    target.storage.deleteTag(repository, tag);
    also();
  };
}

/** Performs the runs in an order in which each finds what it needs. */
async function perform(factory: Factory): Promise<Record<Scenario, Report>> {
  const { harness, target } = factory;
  const plan = await factory.run('plan');
  target.faults.add({
    match: { method: 'PUT', path: /ci-addon\/manifests/ },
    act: { status: 413, body: 'Payload Too Large' },
  });
  const failedCopies = await factory.sync();
  target.faults.clear();
  losesACopy(factory);
  const rolledBack = await factory.sync();
  losesACopy(factory, () => (harness.quirks.failNext = [{ count: 10_000, status: 503, path: '/' }]));
  const rollbackFailed = await factory.sync();
  harness.quirks.failNext = [];
  const restore = await factory.run('restore', { restore_run: rollbackFailed.runId });
  const sync = await factory.sync();
  const current = await factory.sync();
  const verify = await factory.run('verify');
  const expiresAt = new Date(Date.now() + 600_000).toISOString();
  const since = new Date().toISOString();
  const lock = { runId: 'other', action: 'sync', since, renewedAt: since, expiresAt };
  await factory.store.put(`locks/${harness.accountId}.json`, Buffer.from(JSON.stringify({ version: 1, ...lock })));
  const skipped = await factory.sync();
  await factory.store.put(`locks/${harness.accountId}.json`, Buffer.from('null'));
  Object.assign(harness.state[harness.accountId]?.ci.K8 ?? {}, {
    addonTag: factory.copyOf('harness/ci-addon:1.0.0'),
    securityTag: 'elsewhere.example/harness/sto-plugin:7',
  });
  const drift = await factory.run('verify');
  const reset = await factory.run('reset');
  const refused = await factory.sync({ modules: ['everything'] });
  return {
    plan,
    sync,
    current,
    'failed copies': failedCopies,
    'rolled back': rolledBack,
    'rollback failed': rollbackFailed,
    skipped,
    verify,
    drift,
    reset,
    restore,
    'refused input': refused,
  };
}

/** @param profile default: an account of few fields */
export async function realRuns(profile?: ProfileName): Promise<RealRuns> {
  const factory = await startFactory({ samples: {}, ...(profile && { harness: { profile } }) });
  try {
    const reports = await perform(factory);
    const read = async (key: string) => Buffer.from((await factory.store.get(key)) ?? []).toString();
    const pages = await Promise.all(
      scenarios.map(async (name) => [name, await read(`runs/${reports[name].runId}/report.html`)] as const),
    );
    return {
      reports,
      history: await readHistory(factory.store),
      pages: Object.fromEntries(pages) as Record<Scenario, string>,
      historyPage: await read('history.html'),
    };
  } finally {
    await factory.close();
  }
}
