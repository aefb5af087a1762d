import type { ImageResult, Report } from '../../functions/state/documents.ts';
import type { HistoryEntry } from '../../functions/state/history.ts';

const digest = `sha256:${'ab'.repeat(32)}`;
const start = Date.parse('2026-11-28T02:00:04.000Z');
const at = (ms: number) => new Date(start + ms).toISOString();
const error = (text: string) => ({
  name: 'RegistryFailed',
  message: `registry.example.com refused ${text}`,
  hint: `Raise the limit of ${text}.`,
  problems: [{ path: `$.${text}`, found: text, allowed: text, reason: text }],
});

/**
 * Returns a report with every part that a page shows.
 *
 * @param text stands in every place that has text of other parties
 * @param rows the number of images
 */
export function everyPart(text = 'harmless', rows = 12): Report {
  const image = (index: number): ImageResult => {
    const status = (['copied', 'skipped', 'failed', 'planned', 'repaired'] as const)[index % 5] ?? 'copied';
    return {
      image: `plugins/image-${index}-${text}`,
      requested: `plugins/image-${index}:${text}`,
      source: `docker.io/${text}`,
      target: `registry.example.com/mirror/${text}`,
      digest: index % 7 === 6 ? text : digest,
      status,
      bytesTransferred: 61_234_567,
      bytesSkipped: 18_345_678,
      ...(status !== 'skipped' && { startedAt: at(10_000 + 10 * index), durationMs: 12_100 + index, attempts: 2 }),
      ...(index % 4 === 1 && {
        scan: {
          status: (['passed', 'failed', 'pending'] as const)[index % 3] ?? 'passed',
          findings: { CRITICAL: 0, HIGH: 2, [text]: 1 },
          failing: [text],
          allowed: [text],
        },
      }),
      ...(status === 'failed' && { error: error(text) }),
    };
  };
  const images = Array.from({ length: rows }, (_, index) => image(index));
  const field = { module: 'ci', infrastructureType: 'K8' } as const;
  return {
    status: 'FAILED',
    action: 'sync',
    runId: `run-${text}`,
    factory: text,
    startedAt: at(0),
    endedAt: at(192_000),
    nextRun: at(86_400_000),
    trigger: 'schedule',
    startedBy: text,
    accountId: text,
    registry: text,
    harness: 'rolled-back',
    phases: [
      { name: 'plan', startedAt: at(0), endedAt: at(4_100) },
      { name: 'copy', startedAt: at(10_000), endedAt: at(71_000) },
      { name: 'rollback', startedAt: at(120_000), endedAt: at(125_000) },
    ],
    input: { pins: { [text]: text }, scan_allow: [{ id: text, until: text, reason: text, images: [text] }] },
    images,
    config: [
      { ...field, field: text, from: text, to: text, status: 'rolled-back', reason: text },
      { ...field, field: text, from: null, to: text, status: 'updated', behind: { by: text, official: text } },
      { ...field, field: text, from: text, to: text, status: 'unchanged' },
    ],
    connector: { reference: text, before: text, after: text, status: 'rolled-back' },
    totals: {
      images: rows,
      copied: rows,
      repaired: 1,
      skipped: 1,
      failed: 1,
      bytesTransferred: 412e6,
      bytesSkipped: 3.1e9,
      durationMs: 192_000,
    },
    reason: text,
    checks: [
      { name: text, status: 'ok', message: text },
      { name: text, status: 'failed', message: text, cure: text },
    ],
    bundle: { address: text, id: text, bytes: 7, platforms: { [text]: 7 } },
    needed: [{ image: text, fields: [{ ...field, field: text }] }],
    unused: [{ reference: text, digest: digest as never, status: 'kept', reason: text }],
    soaking: [{ image: text, digest: digest as never, until: text, fields: [text] }],
    incomplete: [{ reference: text, missing: [{ kind: 'blob', digest: digest as never, size: 7 }] }],
    pulls: [{ reference: text, status: 'missing', fields: [text] }],
    blocked: { reason: text, steps: [text, text] },
    awaiting: { reason: text, command: text },
    warnings: [text, `${text} again`],
    registries: [
      {
        host: text,
        requests: { GET: 3, HEAD: 2 },
        retries: 1,
        throttles: 1,
        pauses: 1,
        mounts: 1,
        pulls: { limit: 100, remaining: 9 },
      },
    ],
    error: error(text),
    firstError: error(text),
  };
}

/** Returns a history of as many runs, whose texts of other parties are `text`. */
export function everyRun(text = 'harmless', runs = 40): HistoryEntry[] {
  const statuses = ['SUCCEEDED', 'FAILED', 'SKIPPED', 'UNFINISHED'] as const;
  return Array.from({ length: runs }, (_, index) => ({
    runId: `run-${index}-${text}`,
    startedAt: at(-index * 86_400_000),
    action: index % 5 === 4 ? text : 'sync',
    status: statuses[index % 4] ?? 'SUCCEEDED',
    copied: index,
    changes: [
      { module: 'ci', infrastructureType: 'K8', field: text, from: text, to: `${text}:${index}`, status: 'updated' },
    ],
    connector: { reference: text, before: text, after: text, status: 'changed' },
    restorable: index % 2 === 0,
    failed: index % 3,
    bytesTransferred: 1e6,
    bytesSkipped: 9e6,
    durationMs: 60_000,
    error: text,
  }));
}
