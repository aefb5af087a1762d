import { digestOf } from '../spec/digest.ts';
import { RegistryFailure } from './registry-failure.ts';
import type { RepositoryClient } from './repository-client.ts';
import { startUpload } from './upload-session.ts';

/**
 * Tests the right to push: opens an upload session and cancels it, before any data. Returns whether the registry
 * cancelled it; others end such a session by themselves. Throws `RegistryFailure` when a push may not begin.
 */
export async function probePush(repository: RepositoryClient, signal?: AbortSignal): Promise<boolean> {
  const session = await startUpload(repository, digestOf(new Uint8Array()), undefined, signal);
  if (session === 'mounted') return true;
  try {
    // https://distribution.github.io/distribution/spec/api/#canceling-an-upload
    const response = await repository.request({
      method: 'DELETE',
      target: session.location,
      access: 'push',
      expect: [200, 202, 204],
      headers: { 'content-length': '0' },
      doing: 'cancel an upload to',
      writes: true,
      isTrial: true,
      signal,
    });
    await response.body.dump();
    return true;
  } catch (error) {
    if (error instanceof RegistryFailure) return false;
    throw error;
  }
}
