import { FactoryError } from '../errors.ts';
import { parseBaseUrl } from '../harness/base-url.ts';
import { isLoopback } from '../http/host-patterns.ts';
import { formatLocation } from '../oci/spec/reference.ts';
import type { ScopeConfiguration } from '../overrides/scope-configuration.ts';
import { Runtime } from '../runtime/runtime.ts';
import type { Check } from '../state/documents/checks.ts';
import { check } from './check.ts';
import {
  checkAccount,
  checkClock,
  checkConnector,
  checkKey,
  describeReach,
  reachHarness,
  readScopes,
} from './harness.ts';
import { checkCertificates, checkNode, checkProxy } from './machine.ts';
import { checkSources, checkTarget } from './registries.ts';
import { checkState } from './state.ts';
import { anyImage, type Subject } from './subject.ts';

/** The time that all checks have together, in milliseconds: they run in parallel. */
const limitMs = 20_000;

/** Few attempts: a person waits, and a retry that helps says little about the next night. */
const retry = { attempts: 2, baseMs: 300, maxMs: 1_000 };

/**
 * Checks everything that runs need, and changes nothing. Every check has a line, whatever fails: `before` are the
 * caller's own, which come first.
 */
export async function examine(
  given: Omit<Subject, 'signal'>,
  outer?: AbortSignal,
  before: readonly Promise<Check>[] = [],
): Promise<Check[]> {
  const runtime = new Runtime({ ...given.runtime.parts, retry, onProgress: () => undefined });
  const timeout = AbortSignal.timeout(limitMs);
  const signal = outer ? AbortSignal.any([outer, timeout]) : timeout;
  const subject: Subject = { ...given, runtime, signal };
  try {
    const reaching = reachHarness(subject);
    const reading = readScopes(subject);
    // Both are checks of their own, and others go on without them.
    const reached = reaching.catch(() => undefined);
    const image = reading.then(officialImage, () => anyImage);
    const sources = checkSources(subject, image);
    const checks = await Promise.all([
      check('Node.js', () => checkNode()),
      ...before,
      check('proxy', () => checkProxy(addressesOf(subject), subject.environment)),
      check('certificates', () =>
        checkCertificates(
          [...addressesOf(subject).values()].map(({ host }) => host),
          runtime.configuration.registryCerts,
          subject.environment,
        ),
      ),
      check('Harness', async () => describeReach(await reaching), signal),
      check('clock', async () => checkClock(await reached)),
      check('key', () => checkKey(subject), signal),
      check('account', () => checkAccount(reading, subject), signal),
      check('connector', async () => checkConnector(subject, await image), signal),
      check(
        `target ${subject.registry ? formatLocation(subject.registry) : ''}`.trim(),
        async () => checkTarget(subject, await image),
        signal,
      ),
      check('state', () => checkState(subject), signal),
    ]);
    outer?.throwIfAborted();
    const place = checks.findIndex(({ name }) => name.startsWith('target'));
    return checks.toSpliced(place, 0, ...(await sources));
  } finally {
    await runtime.close();
  }
}

/** Returns the error of checks that failed. */
export function failureOf(checks: readonly Check[]): FactoryError | undefined {
  const bad = checks.filter(({ status }) => status === 'failed');
  if (bad.length === 0) return undefined;
  const names = bad.map(({ name }) => name).join(', ');
  return new FactoryError('ChecksFailed', `${bad.length} of ${checks.length} checks failed: ${names}`, {
    hint: bad.map(({ name, cure = 'see its message' }) => `${name}: ${cure}`).join(' '),
  });
}

/** Returns an image that the account uses by default, the one of every stage if it can. */
function officialImage(scopes: readonly ScopeConfiguration[]): string {
  const images = scopes.flatMap(({ defaults }) => Object.values(defaults));
  return images.find((image) => /(?:^|\/)ci-addon:\d/.test(image)) ?? images[0] ?? anyImage;
}

/** Returns the addresses that runs connect to, each with a name for people. */
function addressesOf({ runtime, registry, sources }: Subject): Map<string, URL> {
  const { harnessUrl, insecureRegistries } = runtime.configuration;
  const hosts = new Set([...sources, ...(registry ? [registry] : [])].map((location) => location.registry));
  const isPlain = (host: string) => isLoopback(host) || insecureRegistries.includes(host);
  return new Map([
    ['Harness', parseBaseUrl(harnessUrl)],
    ...[...hosts].map((host): [string, URL] => [host, new URL(`${isPlain(host) ? 'http' : 'https'}://${host}`)]),
  ]);
}
