import { FactoryError } from '../errors.ts';
import { lackingPermissions, type PermissionCheck } from '../harness/access.ts';
import { parseBaseUrl } from '../harness/base-url.ts';
import { resolveImage } from '../harness/image-resolution.ts';
import { parseObjectRef } from '../harness/object-ref.ts';
import { formatLocation, formatReference, parseImageName, relocate } from '../oci/spec/reference.ts';
import { harnessImage, readImageConnector } from '../overrides/image-connector.ts';
import { shownAddress } from '../overrides/connector-change.ts';
import { readScope, type ScopeConfiguration } from '../overrides/scope-configuration.ts';
import { failed, type Finding, findingOf, ok, skipped, warning } from './check.ts';
import type { Subject } from './subject.ts';

/** The response of Harness's address, whatever it was. */
export interface Reached {
  url: URL;
  ms: number;
  /** The `Date` header, in milliseconds since the epoch, and this machine's time at the middle of the request. */
  clock: { theirs: number; ours: number } | undefined;
}

/** Sends one request without a key. */
export async function reachHarness({ runtime, signal }: Subject): Promise<Reached> {
  const url = parseBaseUrl(runtime.configuration.harnessUrl);
  const began = Date.now();
  const response = await runtime.transport.request({ method: 'GET', url, signal });
  await response.body.dump();
  const ended = Date.now();
  const theirs = Date.parse(response.header('date') ?? '');
  const clock = Number.isNaN(theirs) ? undefined : { theirs, ours: (began + ended) / 2 };
  return { url, ms: ended - began, clock };
}

export function describeReach({ url, ms }: Reached): Finding {
  return ok(`${url.origin} responded in ${ms} ms`);
}

/** Signatures of AWS, and locks in a bucket, allow five minutes. */
const mostSkewMs = 5 * 60_000;
const notedSkewMs = 30_000;

/** Compares this machine's clock with Harness's. Their header has whole seconds. */
export function checkClock(reached: Reached | undefined): Finding {
  if (!reached) return skipped('Harness did not respond');
  if (!reached.clock) return skipped('the response of Harness has no Date');
  const skewMs = reached.clock.ours - reached.clock.theirs;
  const seconds = Math.round(Math.abs(skewMs) / 1_000);
  if (seconds * 1_000 < notedSkewMs) return ok(`within ${Math.max(1, seconds)} s of Harness's`);
  const text = `${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} Harness's`;
  const cure = 'Synchronize the clock of this machine, for example with chrony or systemd-timesyncd.';
  return seconds * 1_000 > mostSkewMs ? failed(text, cure) : warning(text, cure);
}

/** Checks the key and its permissions. */
export async function checkKey({ runtime, switches, managesConnector, signal }: Subject): Promise<Finding> {
  const harness = await runtime.harness();
  const kind = kindOf(await runtime.parts.harnessApiKey());
  const { connector = harnessImage, orgId, projectId } = runtime.configuration;
  const ref = parseObjectRef(connector, orgId, projectId);
  const account = (permission: string): PermissionCheck => ({ permission, resourceType: 'ACCOUNT' });
  const ofConnector = (permission: string): PermissionCheck => ({ permission, resourceType: 'CONNECTOR', ...ref });
  const asked = [
    account('core_account_view'),
    account('core_account_edit'),
    ofConnector('core_connector_view'),
    ofConnector('core_connector_edit'),
  ];
  let lacking: string[];
  try {
    lacking = (await lackingPermissions(harness.connection, asked, signal)).map(({ permission }) => permission);
  } catch (error) {
    if (!(error instanceof FactoryError) || error.name === 'HarnessUnauthorized') throw error;
    if (error.name === 'HarnessUnreachable') return skipped('Harness did not respond');
    return warning(
      `${kind}; its permissions could not be checked: ${error.message}`,
      'Self-managed Harness may not offer the check. "factory plan" shows what the key may read.',
    );
  }
  const held = asked.map(({ permission }) => permission).filter((permission) => !lacking.includes(permission));
  const text = `${kind} of account ${harness.accountId}; it has ${held.join(', ') || 'none of the permissions'}`;
  const needed = [
    'core_account_view',
    ...(switches ? ['core_account_edit'] : []),
    ...(managesConnector ? ['core_connector_edit'] : []),
  ].filter((permission) => lacking.includes(permission));
  const role = (names: readonly string[]) =>
    `Give the key's user or service account a role with ${names.join(', ')} in the account.`;
  if (needed.length > 0) return failed(`${text}, but lacks ${needed.join(', ')}`, role(needed));
  if (lacking.includes('core_connector_view'))
    return warning(`${text}, but lacks core_connector_view`, role(['core_connector_view']));
  return ok(text);
}

function kindOf(key: string): string {
  const prefix = key.trim().slice(0, 4);
  if (prefix === 'sat.') return 'service account token';
  return prefix === 'pat.' ? 'personal access token' : 'API key';
}

/** Reads the configuration of each scope. */
export async function readScopes({ runtime, scopes, signal }: Subject): Promise<ScopeConfiguration[]> {
  return Promise.all(scopes.map((scope) => readScope(scope, { runtime, signal })));
}

/** Describes what was read, or why it could not be. */
export async function checkAccount(reading: Promise<ScopeConfiguration[]>, subject: Subject): Promise<Finding> {
  try {
    const { accountId } = await subject.runtime.harness();
    const read = (await reading).map(({ module, infrastructureType, defaults, overrides }) => {
      const [images, own] = [Object.keys(defaults).length, Object.keys(overrides).length];
      return `${module} ${infrastructureType} has ${images} images, ${own} of them overridden`;
    });
    return ok(`${accountId}: ${read.join('; ')}`);
  } catch (error) {
    return causedElsewhere(error) ?? findingOf(error, subject.signal);
  }
}

/** Checks the connector of images, and what it makes Harness pull. */
export async function checkConnector(subject: Subject, image: string): Promise<Finding> {
  const { runtime, registry, switches, managesConnector, signal } = subject;
  try {
    const { reference, named, connector } = await readImageConnector({ runtime, signal });
    if (!connector) {
      const text = `connector ${reference} does not exist`;
      const cure = `Create it in Harness with the address of your registry, or correct CONTAINER_REGISTRY_CONNECTOR.`;
      return named ? failed(text, cure) : warning(text, cure);
    }
    const { type, dockerRegistryUrl: url = '', authType = 'unknown' } = connector;
    const kind = `connector ${reference} (${type}, ${authType})`;
    if (type !== 'DockerRegistry')
      return warning(
        `${kind} is not a Docker registry: Harness pulls images as they are written`,
        addressCure(reference, registry),
      );
    const now = resolveImage(image, url);
    if (now === undefined)
      return failed(
        `${kind} has an address that Harness cannot read: ${shownAddress(url)}`,
        addressCure(reference, registry),
      );
    const text = `${kind} is ${shownAddress(url)}: ${image} is pulled as ${now}`;
    if (!registry) return ok(text);
    const copy = formatReference(relocate(parseImageName(image), registry));
    const then = resolveImage(copy, url);
    if (then === copy || managesConnector || !switches) return ok(text);
    return failed(`${text}; its copy ${copy} would be pulled as ${then}`, addressCure(reference, registry));
  } catch (error) {
    if (error instanceof FactoryError && error.name === 'HarnessForbidden')
      return warning(error.message, error.toJSON().hint);
    return causedElsewhere(error) ?? findingOf(error, signal);
  }
}

function addressCure(reference: string, registry: Subject['registry']): string {
  const address = registry ? `https://${formatLocation(registry)}` : 'https://HOST/PREFIX of your registry';
  return `Give connector ${reference} the address ${address}, or run sync with "manage_connector": true.`;
}

/** Returns a skipped check for an error that the check of the key, or of Harness's address, reports. */
function causedElsewhere(error: unknown): Finding | undefined {
  if (!(error instanceof FactoryError)) return undefined;
  if (error.name === 'HarnessUnreachable') return skipped('Harness did not respond');
  if (error.name === 'HarnessUnauthorized' || error.name === 'InvalidConfiguration')
    return skipped('there is no usable key');
  return undefined;
}
