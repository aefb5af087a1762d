import type { UploadWay } from './profile.ts';
import { RegistryFailure } from './registry-failure.ts';

/** Thrown when a registry refuses the method of an upload, but may accept another. */
export class UploadRefusal extends Error {
  override readonly name = 'UploadRefusal';
  readonly way: UploadWay;
  readonly instead: UploadWay;
  readonly failure: RegistryFailure;

  constructor(way: UploadWay, instead: UploadWay, failure: RegistryFailure) {
    super(failure.message, { cause: failure });
    this.way = way;
    this.instead = instead;
    this.failure = failure;
  }

  /** Returns `undefined` when the method was not the reason. */
  static of(way: UploadWay, error: unknown): UploadRefusal | undefined {
    if (!(error instanceof RegistryFailure)) return undefined;
    const instead = otherWay(way, error);
    return instead && new UploadRefusal(way, instead, error);
  }
}

/** Refusals that do not depend on the method. */
const notTheWay: ReadonlySet<string | undefined> = new Set([
  'BLOB_UPLOAD_UNKNOWN',
  'DENIED',
  'DIGEST_INVALID',
  'NAME_INVALID',
  'NAME_UNKNOWN',
  'UNAUTHORIZED',
]);

/**
 * Chooses by the statuses of registries that support one method only, or limit the size of a body: see `profile.ts`.
 */
function otherWay(way: UploadWay, { status, code }: RegistryFailure): UploadWay | undefined {
  if (notTheWay.has(code)) return undefined;
  switch (way) {
    case 'put':
      return [404, 405, 413].includes(status) ? 'patch' : undefined;
    case 'patch':
      if (code === 'UNSUPPORTED' || status === 405) return 'put';
      return [400, 413, 416].includes(status) ? 'chunk' : undefined;
    case 'chunk':
      return [400, 405, 413, 416].includes(status) ? 'put' : undefined;
  }
}
