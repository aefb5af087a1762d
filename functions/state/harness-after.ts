import type { Report } from './documents.ts';

const written: ReadonlySet<string> = new Set(['updated', 'reset', 'changed']);

/** Returns the state that a run left Harness in. */
export function harnessAfter({
  config,
  connector,
  error,
}: Pick<Report, 'config' | 'connector' | 'error'>): NonNullable<Report['harness']> {
  if (error?.name === 'RollbackFailed') return 'unknown';
  const statuses: string[] = [...config, ...(connector ? [connector] : [])].map(({ status }) => status);
  if (statuses.includes('rolled-back')) return 'rolled-back';
  return statuses.some((status) => written.has(status)) ? 'switched' : 'unchanged';
}
