import { readBody } from '../http/transport.ts';
import { repositoryScope } from './auth/authorizer.ts';
import type { Repository } from './manifests.ts';
import { isTag } from './reference.ts';

const pageLimit = 8 * 1024 * 1024;
/** Pages, against a registry that never stops offering another one. */
const maxPages = 1_000;

/** Every tag of a repository, `undefined` when there is no such repository. Names that are not tags are left out. */
export async function listTags(repository: Repository, signal?: AbortSignal): Promise<string[] | undefined> {
  const tags: string[] = [];
  let target: string | URL = `${repository.name}/tags/list?n=1000`;
  for (let page = 0; page < maxPages; page++) {
    const response = await repository.registry.request({
      method: 'GET',
      target,
      scopes: [repositoryScope(repository.name, 'pull')],
      expect: [200, 404],
      doing: 'list the tags of',
      repository: repository.name,
      writes: false,
      signal,
    });
    if (response.status === 404) {
      await response.body.dump();
      return undefined;
    }
    const { tags: found } = JSON.parse((await readBody(response, pageLimit)).toString()) as { tags?: unknown };
    if (Array.isArray(found)) tags.push(...found.filter((tag): tag is string => typeof tag === 'string' && isTag(tag)));
    // RFC 8288; distribution-spec, "Listing Tags": the next page is named by the registry, not built by the client.
    const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(response.header('link') ?? '')?.[1];
    if (next === undefined) break;
    target = repository.registry.resolve(next, target);
  }
  return tags;
}
