import { FactoryError } from '../errors.ts';
import type { Reference } from '../oci/spec/reference.ts';
import { RegistryFailure } from '../oci/registry/registry-failure.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** The repository of a push. */
export interface EnsuredRepository {
  /** It was created a moment ago: there is nothing in it. */
  fresh: boolean;
  /** Why nobody could look for it, or create it. */
  denied?: FactoryError;
}

/**
 * Creates the repository of a push where its registry does not do so by itself. Whoever may not look or create may still
 * push: to a repository that is there, or that the registry creates on push. So a denial is told, and the push decides.
 */
export async function ensureRepository(
  { registry, repository }: Reference,
  runtime: Runtime,
): Promise<EnsuredRepository> {
  try {
    return { fresh: (await runtime.repositories.ensure(registry, repository)) === true };
  } catch (error) {
    if (!(error instanceof FactoryError) || error.name !== 'RegistryForbidden') throw error;
    runtime.progress({ kind: 'note', message: `${error.message}; the push decides` });
    return { fresh: false, denied: error };
  }
}

/** The failure of a push: for a repository that is missing, why it could not be created. */
export function pushFailure(failure: unknown, { denied }: EnsuredRepository): unknown {
  const isMissing = failure instanceof RegistryFailure && failure.status === 404 && failure.name === 'PushRefused';
  return isMissing && denied ? denied : failure;
}
