import { anonymous } from '../../functions/oci/registry/auth/credentials.ts';
import type { ReportEvent } from '../../functions/report/event.ts';
import type { ReportOutput } from '../../functions/report/output.ts';
import { report } from '../../functions/report/report.ts';
import { type FieldChange, type Plan, plannedImage, type PlannedImage } from '../../functions/state/documents.ts';
import type { RunDocuments } from '../../functions/state/run-documents.ts';
import { Runtime, type RuntimeParts } from '../../functions/runtime/runtime.ts';
import { parseConfiguration } from '../../functions/settings/configuration.ts';
import { type EmbeddedHarnessApi, startHarnessApi } from '../../infra/local/embedded/harness-api/server.ts';
import type { Images } from '../../infra/local/embedded/harness-api/state.ts';
import type { WorkflowError } from '../../functions/workflow-error.ts';
import { MemoryStore } from '../state/memory-store.ts';

export const runId = 'run-1';
export const accountId = 'embedded';

/** A run's documents in memory, without registries and, at first, without Harness: for tests of one task alone. */
export interface Stage {
  runtime: Runtime;
  store: MemoryStore;
  documents: RunDocuments;
  /** The notes of the task. */
  notes: string[];
}

export function setStage(parts: Partial<RuntimeParts> = {}, environment = {}): Stage {
  const store = new MemoryStore();
  const notes: string[] = [];
  const configuration = parseConfiguration({
    HARNESS_API_KEY: `sat.${accountId}.id.secret`,
    REGISTRY_NAME: 'registry.example/mirror',
    ...environment,
  });
  const runtime = new Runtime({
    configuration,
    store,
    harnessApiKey: async () => configuration.harnessApiKey ?? '',
    credentials: anonymous,
    repositories: { ensure: async () => undefined, deleteImages: async () => false },
    retry: { attempts: 1, baseMs: 1, maxMs: 1 },
    readBackPausesMs: [1, 1],
    onProgress: (event) => void (event.kind === 'note' && notes.push(event.message)),
    ...parts,
  });
  return { runtime, store, documents: runtime.run(runId), notes };
}

/** A stage with the embedded Harness API behind it. */
export interface HarnessStage extends Stage {
  harness: EmbeddedHarnessApi;
  /** The stored overrides of a scope, to be changed at will. */
  overrides(module?: 'ci' | 'iacm' | 'idp' | 'dbops', infra?: 'K8' | 'VM'): Images;
  /** Requests since the last call, as `reads ci K8` or `writes ci K8 field…`. */
  requests(): string[];
  close(): Promise<void>;
}

export async function setHarnessStage(parts: Partial<RuntimeParts> = {}): Promise<HarnessStage> {
  const fields = { addonTag: 'harness/ci-addon:1', gitCloneTag: 'harness/drone-git:1', cacheS3Tag: 'plugins/cache:1' };
  const harness = await startHarnessApi({
    defaults: { ci: { K8: { ...fields }, VM: { ...fields } }, idp: { K8: { ...fields } } },
  });
  const stage = setStage(parts, { HARNESS_URL: harness.url, HARNESS_API_KEY: harness.apiKey });
  return {
    ...stage,
    harness,
    overrides(module = 'ci', infra = 'K8') {
      const account = harness.state[harness.accountId];
      if (!account) throw new TypeError('no account');
      return module === 'dbops' ? account.dbops : account[module][infra];
    },
    requests: () =>
      harness.requests.splice(0).map(({ method, path, query, body }) => {
        const scope = `${path.split('/')[2]} ${query['infra']}`;
        if (method === 'GET') return `reads ${scope}`;
        return `writes ${scope} ${(body as { field: string }[]).map(({ field }) => field).join(' ')}`;
      }),
    close: async () => {
      await stage.runtime.close();
      await harness.close();
    },
  };
}

/** A change in `ci K8`, unless it says otherwise. */
export function change(field: string, to: string | null, more: Partial<FieldChange> = {}): FieldChange {
  return { module: 'ci', infrastructureType: 'K8', field, from: null, to, ...more };
}

/** An image of a plan as the plan stores it. Has a digest, a source and an error where its status demands them. */
export function imageOf(stored: {
  image: string;
  target: string;
  status: string;
  [key: string]: unknown;
}): PlannedImage {
  const error = stored.status === 'failed' && { error: { name: 'ImageNotFound', message: 'not found', hint: '' } };
  const digest = stored.status === 'current' && { digest: `sha256:${'0'.repeat(64)}` };
  return plannedImage.parse({ source: `source.example/${stored.image}`, ...digest, ...error, ...stored });
}

export function planOf(more: Partial<Plan> = {}): Plan {
  return {
    runId,
    action: 'sync',
    startedAt: '2026-01-01T00:00:00.000Z',
    registry: { registry: 'registry.example', prefix: 'mirror' },
    modifyDefault: true,
    onPartialFailure: 'abort',
    referrers: 'off',
    prune: false,
    images: [],
    changes: [],
    kept: [],
    unused: [],
    warnings: [],
    ...more,
  };
}

/** An error as a task of AWS throws it: the workflow passes it on like this. */
export function caught(name: string, message = 'why'): WorkflowError {
  return { Error: name, Cause: JSON.stringify({ errorMessage: JSON.stringify({ name, message, hint: 'do' }) }) };
}

/** Reports the end of a run on a stage. */
export async function reportOn(
  { documents, runtime }: Stage,
  plan: Plan,
  state: ReportEvent['state'] = {},
): Promise<ReportOutput> {
  await documents.plan.put(plan);
  return report({ runId, state }, { runtime, signal: undefined });
}
