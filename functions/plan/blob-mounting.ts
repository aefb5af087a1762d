import type { Plan } from '../state/documents.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** Returns a warning with the setting to change when the registry is set not to mount blobs. Changes nothing. */
export async function blobMounting(
  { registry: { registry } }: Pick<Plan, 'registry'>,
  runtime: Runtime,
): Promise<{ mounts?: 'off'; warnings: string[] }> {
  const advice = await runtime.repositories.adviceOnMounts?.(registry);
  if (advice === undefined) return { warnings: [] };
  const warning = `${registry} does not mount blobs, so shared layers are uploaded once per repository. To change that for the whole registry: ${advice}`;
  return { mounts: 'off', warnings: [warning] };
}
