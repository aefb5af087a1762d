import type { FactoryError } from '../../errors.ts';
import type { Request } from '../../http/transport.ts';
import type { Scope } from './auth/scope.ts';
import type { Purpose } from './purpose.ts';

/** A request to a registry, without its login. */
export interface RegistryRequest extends Purpose {
  method: Request['method'];
  /** A path below `/v2/`, or an absolute URL that the registry gave (an upload session). */
  target: string | URL;
  scopes: readonly Scope[];
  /** Expected statuses. Any other is thrown as `RegistryFailure`. */
  expect: readonly number[];
  headers?: Record<string, string>;
  /** A stream can be sent only once, so the request is not retried. */
  body?: Uint8Array | AsyncIterable<Uint8Array>;
  headersTimeoutMs?: number;
  /** Not retried without a response: the caller has an alternative. */
  isTrial?: boolean;
  signal?: AbortSignal | undefined;
}

/** The largest body that is read. */
export interface ReadLimit {
  bytes: number;
  /** Returns the error for a larger response. */
  exceeded: (cause: RangeError) => FactoryError;
}

/** Returns whether a body can be sent only once. */
export function isStream(body: RegistryRequest['body']): boolean {
  return body !== undefined && !(body instanceof Uint8Array);
}
