import type { Context } from './context.ts';
import { RegistryError } from './errors.ts';
import type { Quirks } from './quirks.ts';
import { isDigest } from './reference.ts';

/** Throws 400 DIGEST_INVALID unless the text is a digest this registry can check. */
export function assertDigest(digest: string, quirks: Quirks): void {
  if (!isDigest(digest) || (quirks.sha256Only && !digest.startsWith('sha256:'))) {
    throw new RegistryError(400, 'DIGEST_INVALID', 'provided digest is not one this registry can check');
  }
}

/** Throws 404 NAME_UNKNOWN for a push to a repository that neither exists nor may be made by pushing. */
export function assertPushable(name: string, { storage, quirks }: Context): void {
  if (quirks.createRepositories === false && !storage.hasRepository(name)) {
    const message = `The repository with name '${name}' does not exist in the registry`;
    throw new RegistryError(404, 'NAME_UNKNOWN', message, { detail: { name } });
  }
}
