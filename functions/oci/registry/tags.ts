import { inParallel } from '../../async/in-parallel.ts';
import type { Digest } from '../spec/digest.ts';
import { nextLink } from './link-header.ts';
import { resolveTag } from './manifests.ts';
import { isTag } from '../spec/reference.ts';
import type { RepositoryClient, RepositoryRequest } from './repository-client.ts';
import { RegistryFailure } from './registry-failure.ts';

const pageLimit = 8 * 1024 * 1024;
const lookupsInFlight = 16;

/** Maximum number of tags of one repository. A longer list is refused, so that no caller uses an incomplete one. */
export const tagLimit = 5_000;
/** Pages of one list. Registries may return short pages, but not this many. */
const maxPages = 1_000;

/**
 * Lists every tag of a repository; `undefined` when the registry does not have the repository. Leaves out names that
 * are not tags. Throws `RegistryFailed` for a list that cannot be read, and for one of more than `limit` tags.
 */
export async function listTags(
  repository: RepositoryClient,
  { limit = tagLimit, signal }: { limit?: number; signal?: AbortSignal | undefined } = {},
): Promise<string[] | undefined> {
  const tags = new Set<string>();
  let target: string | URL | undefined = 'tags/list?n=1000';
  for (let count = 0; target !== undefined; count++) {
    if (count === maxPages) throw unreadableList(repository, new RangeError(`it has more than ${maxPages} pages`));
    if (tags.size > limit) throw tooManyTags(repository, limit);
    const page: Page | undefined = await readPage(repository, target, signal);
    if (!page) return undefined;
    for (const tag of page.tags) tags.add(tag);
    target = page.next;
  }
  if (tags.size > limit) throw tooManyTags(repository, limit);
  return [...tags];
}

/** Reads the digest of every tag of a repository: one request for the list, and one HEAD for each tag. */
export async function readTags(repository: RepositoryClient, signal?: AbortSignal): Promise<Map<string, Digest>> {
  const tags = new Map<string, Digest>();
  await inParallel((await listTags(repository, { signal })) ?? [], lookupsInFlight, signal, async (tag, lookup) => {
    const digest = await resolveTag(repository, tag, { signal: lookup });
    if (digest !== undefined) tags.set(tag, digest);
  });
  return tags;
}

interface Page {
  tags: string[];
  /** The next page is named by the registry, not built by the client (RFC 8288; distribution-spec, "Listing Tags"). */
  next: URL | undefined;
}

async function readPage(
  repository: RepositoryClient,
  target: string | URL,
  signal?: AbortSignal,
): Promise<Page | undefined> {
  const request: RepositoryRequest = {
    method: 'GET',
    target,
    access: 'pull',
    expect: [200, 404],
    doing: 'list the tags of',
    writes: false,
    signal,
  };
  const unreadable = (cause: unknown) => unreadableList(repository, cause);
  const { response, bytes } = await repository.read(request, { bytes: pageLimit, exceeded: unreadable });
  if (response.status === 404) return undefined;
  const next = nextLink(response.header('link'));
  return {
    tags: parsePage(bytes, unreadable),
    next: next === undefined ? undefined : repository.resolve(next, target),
  };
}

function parsePage(bytes: Buffer, unreadable: (cause: unknown) => Error): string[] {
  let page: { tags?: unknown } | null;
  try {
    page = JSON.parse(bytes.toString()) as typeof page;
  } catch (cause) {
    throw unreadable(cause);
  }
  // An empty repository has `null` for its list (distribution 2).
  const found: unknown = page?.tags === null ? [] : page?.tags;
  if (!Array.isArray(found)) throw unreadable(new TypeError('it has no tags'));
  return found.filter((tag): tag is string => typeof tag === 'string' && isTag(tag));
}

function tooManyTags({ registry, name }: RepositoryClient, limit: number): RegistryFailure {
  return new RegistryFailure('RegistryFailed', `${registry.name}/${name} has more than ${limit} tags`, {
    hint: 'Delete unused tags.',
    topic: 'crowded-registry',
    status: 200,
    transient: false,
  });
}

function unreadableList({ registry, name }: RepositoryClient, cause: unknown): RegistryFailure {
  return new RegistryFailure('RegistryFailed', `the list of tags of ${registry.name}/${name} cannot be read`, {
    hint: `Try again later: ${registry.name} does not work as specified.`,
    status: 200,
    transient: false,
    cause,
  });
}
