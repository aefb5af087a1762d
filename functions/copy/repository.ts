import { FactoryError } from '../errors.ts';
import type { Reference } from '../oci/spec/reference.ts';
import { RegistryFailure } from '../oci/registry/registry-failure.ts';
import type { Runtime } from '../runtime/runtime.ts';

export interface EnsuredRepository {
  /** True when it was created just now: it is empty. */
  fresh: boolean;
  /** Failure to look for it or to create it. */
  denied?: FactoryError;
}

/**
 * Creates the repository of a push where its registry does not create repositories on push. A denial is noted only: the
 * push may still succeed, when the repository exists or is created on push.
 */
export async function ensureRepository(
  { registry, repository }: Reference,
  runtime: Runtime,
): Promise<EnsuredRepository> {
  try {
    return { fresh: (await runtime.repositories.ensure(registry, repository)) === true };
  } catch (error) {
    if (!(error instanceof FactoryError) || error.name !== 'RegistryForbidden') throw error;
    runtime.progress({ kind: 'note', message: `${error.message}; trying the push anyway` });
    return { fresh: false, denied: error };
  }
}

/** Returns the failure of a push. For a missing repository, that is the reason why it could not be created. */
export function pushFailure(failure: unknown, { denied }: EnsuredRepository): unknown {
  const isMissing = failure instanceof RegistryFailure && failure.status === 404 && failure.name === 'PushRefused';
  return isMissing && denied ? denied : failure;
}
