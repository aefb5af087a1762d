import picomatch from 'picomatch';
import type { Images, Infra, ModuleName } from './state.ts';

/** An answer that takes the place of the real one. */
export interface CannedAnswer {
  count: number;
  status: number;
  /** Sent as it is when a string, else as JSON. Default: no body. */
  body?: unknown;
  headers?: Record<string, string>;
  /** Text that the path must contain. Default: any path. */
  path?: string;
  /** Default: any method. */
  method?: string;
}

/** Differences between versions of the service, and faults. A test may change each at any time. */
export interface Quirks {
  /** Status for a field or infrastructure the service does not know: 500 by its code, 400 by its documentation. */
  unknownFieldStatus: 400 | 500;
  /** Leaves the overrides of ssca*, provenance* and slsa* fields out of the answer to `overridesOnly=false`. */
  overlaySkipsSupplyChain: boolean;
  /** Pause between reading and saving the document, in milliseconds: parallel writers lose each other's writes. */
  lostUpdateRaceMs: number;
  /** Fields that can be read but not written, as globs on `module/infra/field`; writing one is an unknown field. */
  nonWritableFields: string[];
  /** An account without overrides is answered with `data: null` in place of `{}`. */
  dataNull: boolean;
  /** Paths that this version lacks. An entry that ends with a slash stands for everything below it. */
  absentPaths: string[];
  /** Answers the checks for old versions with 500 when an override is missing, or its tag is not a version. */
  versionsMustParse: boolean;
  /** Code for an object that does not exist: with status 400, or with status 404 for `ENTITY_NOT_FOUND`. */
  notFoundCode: 'RESOURCE_NOT_FOUND_EXCEPTION' | 'ENTITY_NOT_FOUND';
  /** Denies writes of secrets by a policy: status 200, without a secret in the answer. */
  policyDeniesSecrets: boolean;
  /** Denies writes of pipelines by a policy: status 200, without an identifier in the answer. */
  policyDeniesPipelines: boolean;
  /** Number of writes that are carried out, but whose response a gateway replaces by an error. */
  loseResponses: number;
  /** The modules whose writes answer `data: false`, under status 200, and store nothing (seen with idp). */
  writesAnswerFalse: ModuleName[];
  /** Number of writes that are acknowledged and lost: another writer saves the document that it read before. */
  loseWrites: number;
  /** Old overrides, and the number of readings that return them. */
  oldCopy: { readings: number; overrides: Images } | undefined;
  /** Number of requests to throttle, with status 429. */
  throttle: number;
  /** The `Retry-After` of throttled requests. Harness sends none (developer.harness.io, rate limits). */
  throttleRetryAfter: string | undefined;
  /** Number of requests that get no response. */
  hang: number;
  /** Answers for the next requests; the first entry that matches is used, and counted down. */
  failNext: CannedAnswer[];
}

/** The behaviour of Harness SaaS today, without faults. */
export function defaultQuirks(): Quirks {
  return {
    unknownFieldStatus: 500,
    overlaySkipsSupplyChain: false,
    lostUpdateRaceMs: 0,
    nonWritableFields: [],
    dataNull: false,
    absentPaths: [],
    versionsMustParse: false,
    notFoundCode: 'RESOURCE_NOT_FOUND_EXCEPTION',
    policyDeniesSecrets: false,
    policyDeniesPipelines: false,
    loseResponses: 0,
    writesAnswerFalse: [],
    loseWrites: 0,
    oldCopy: undefined,
    throttle: 0,
    throttleRetryAfter: undefined,
    hang: 0,
    failNext: [],
  };
}

export function isWritable(quirks: Quirks, module: ModuleName, infra: Infra, field: string): boolean {
  return !quirks.nonWritableFields.some((glob) => picomatch.isMatch(`${module}/${infra}/${field}`, glob));
}

export function isAbsent({ absentPaths }: Quirks, path: string): boolean {
  return absentPaths.some((absent) => (absent.endsWith('/') ? path.startsWith(absent) : path === absent));
}

export function takeFailure(quirks: Quirks, method: string, path: string): CannedAnswer | undefined {
  const failure = quirks.failNext.find(
    (f) => f.count > 0 && path.includes(f.path ?? '') && (f.method ?? method) === method,
  );
  if (failure) failure.count--;
  return failure;
}
