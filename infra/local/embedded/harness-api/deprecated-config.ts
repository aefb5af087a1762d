import { authorize } from './authentication.ts';
import type { ConfigRequest } from './execution-config.ts';
import { required } from './parameters.ts';
import { badRequest, success, type Answer } from './responses.ts';

/** The two fields whose age Harness watches, and what the older endpoint calls them. */
const watched = [
  ['addonTag', 'AddonImage'],
  ['liteEngineTag', 'LiteEngineImage'],
] as const;

/** GET on the root: the overrides that lie more than two minor versions behind their default. */
export function staleVersions(request: ConfigRequest): Answer {
  const stale = compared(request).filter(
    ({ used, official }) =>
      used.major < official.major || (used.major === official.major && official.minor - used.minor > 2),
  );
  return success(stale.map(({ tag, used }) => ({ tag, version: used.text })));
}

/** The overrides whose major version lies behind their default's. */
export function deprecatedConfig(request: ConfigRequest): Answer {
  const deprecated = compared(request).filter(({ used, official }) => used.major < official.major);
  return success(Object.fromEntries(deprecated.map(({ field, image }) => [field, image])));
}

/**
 * Overrides beside their defaults. Leaves out digests and tags that are not a version, as newer servers do; older ones
 * fail on them, and on a missing override.
 */
function compared({ module, grant, query, account, defaults, quirks }: ConfigRequest) {
  required(query, 'accountIdentifier');
  authorize(grant, 'core_account_view');
  return watched.flatMap(([field, tag]) => {
    const image = account[module].K8[field];
    const used = version(image);
    const official = version(defaults[module].K8?.[field]);
    if (image !== undefined && used && official) return [{ field, tag, image, used, official }];
    if (quirks.versionsMustParse) throw badRequest(500, `not a version: ${image}`);
    return [];
  });
}

function version(image: string | undefined): { text: string; major: number; minor: number } | undefined {
  const match = /^[^@]*:((\d+)\.(\d+)[^:/@]*)$/.exec(image ?? '');
  return match ? { text: match[1] ?? '', major: Number(match[2]), minor: Number(match[3]) } : undefined;
}
