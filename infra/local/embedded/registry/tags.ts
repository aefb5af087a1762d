import type { Context } from './context.ts';
import { RegistryError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { page } from './pages.ts';

/** `GET /v2/<name>/tags/list` (end-8) */
export async function listTags({ storage, quirks }: Context, exchange: Exchange, name: string): Promise<void> {
  if (!storage.hasRepository(name)) throw new RegistryError(404, 'NAME_UNKNOWN', `${name} not found`);
  const { items, headers } = page(exchange, storage.tags(name), (tag) => tag, quirks.maxPageSize);
  await exchange.replyJson(200, { name, tags: items }, headers);
}

/** `GET /v2/_catalog`: not of the OCI spec any more, but distribution's and in wide use. */
export async function listRepositories({ storage, quirks }: Context, exchange: Exchange): Promise<void> {
  const { items, headers } = page(exchange, storage.repositories(), (name) => name, quirks.maxPageSize);
  await exchange.replyJson(200, { repositories: items }, headers);
}
