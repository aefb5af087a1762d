import type { Plan } from '../state/documents.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** Whether the registry is set to mount no blobs, which is told, with the cure, and not changed. */
export async function blobMounting(
  { registry: { registry } }: Pick<Plan, 'registry'>,
  runtime: Runtime,
): Promise<{ mounts?: 'off'; warnings: string[] }> {
  const advice = await runtime.repositories.adviceOnMounts?.(registry);
  if (advice === undefined) return { warnings: [] };
  const warning = `${registry} mounts no blobs, so layers that images share are sent once for each; to change that for the whole registry: ${advice}`;
  return { mounts: 'off', warnings: [warning] };
}
