import { repositoryScope } from '../../functions/oci/auth/authorizer.ts';
import type { Repository } from '../../functions/oci/manifests.ts';
import { isTag } from '../../functions/oci/reference.ts';
import type { RegistryRequest } from '../../functions/oci/registry.ts';
import { RegistryFailure } from '../../functions/oci/registry-failure.ts';

const pageLimit = 8 * 1024 * 1024;
/** Pages, against a registry that never stops offering another one. */
const maxPages = 1_000;

/** Every tag of a repository, `undefined` when there is no such repository. Names that are not tags are left out. */
export async function listTags(repository: Repository, signal?: AbortSignal): Promise<string[] | undefined> {
  const tags: string[] = [];
  let target: string | URL | undefined = `${repository.name}/tags/list?n=1000`;
  for (let count = 0; target !== undefined && count < maxPages; count++) {
    const page: Page | undefined = await readPage(repository, target, signal);
    if (!page) return undefined;
    for (const tag of page.tags) tags.push(tag);
    target = page.next;
  }
  return tags;
}

interface Page {
  tags: string[];
  /** The next page is named by the registry, not built by the client (RFC 8288; distribution-spec, "Listing Tags"). */
  next: URL | undefined;
}

async function readPage(repository: Repository, target: string | URL, signal?: AbortSignal): Promise<Page | undefined> {
  const request: RegistryRequest = {
    method: 'GET',
    target,
    scopes: [repositoryScope(repository.name, 'pull')],
    expect: [200, 404],
    doing: 'list the tags of',
    repository: repository.name,
    writes: false,
    signal,
  };
  const unreadable = (cause: unknown) => unreadableList(repository, cause);
  const { response, bytes } = await repository.registry.read(request, { bytes: pageLimit, exceeded: unreadable });
  if (response.status === 404) return undefined;
  const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(response.header('link') ?? '')?.[1];
  return {
    tags: parsePage(bytes, unreadable),
    next: next === undefined ? undefined : repository.registry.resolve(next, target),
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
  const found: unknown[] = Array.isArray(page?.tags) ? page.tags : [];
  return found.filter((tag): tag is string => typeof tag === 'string' && isTag(tag));
}

function unreadableList({ registry, name }: Repository, cause: unknown): RegistryFailure {
  return new RegistryFailure('RegistryFailed', `the list of tags of ${registry.name}/${name} cannot be read`, {
    hint: `${registry.name} does not work as it should; try again later.`,
    status: 200,
    transient: false,
    cause,
  });
}
