import { setTimeout as sleep } from 'node:timers/promises';
import { catalogAccess, neededAccess } from './access.ts';
import { authorize, type AuthOptions } from './auth.ts';
import { BlobHost } from './blob-host.ts';
import { beginUpload, continueUpload } from './blob-uploads.ts';
import { serveBlob } from './blobs.ts';
import type { Context } from './context.ts';
import { RegistryError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { Faults } from './faults.ts';
import { listen, type Loopback } from './loopback.ts';
import { serveManifest } from './manifests.ts';
import type { Quirks } from './quirks.ts';
import { RateLimit } from './rate-limit.ts';
import { isName } from './reference.ts';
import { listReferrers } from './referrers.ts';
import type { RequestRecord } from './request-log.ts';
import { Storage } from './storage.ts';
import { listRepositories, listTags } from './tags.ts';
import { Tokens } from './tokens.ts';
import { Uploads } from './uploads.ts';

export interface RegistryOptions {
  /** Departures from the plain spec; copied. Default none. */
  quirks?: Quirks;
  /** Default none. */
  auth?: AuthOptions;
  /** Repositories that exist from the start. */
  repositories?: readonly string[];
  /** Default a free one. */
  port?: number;
}

type Handler = (context: Context, exchange: Exchange, name: string, rest: string) => Promise<void>;

interface Route {
  path: RegExp;
  methods: readonly string[];
  handle: Handler;
}

/** The spec's endpoints. `name` is greedy, since names contain slashes and may even contain `blobs`. */
const routes: readonly Route[] = [
  { path: /^\/v2\/(.+)\/blobs\/uploads\/?()$/, methods: ['POST'], handle: beginUpload },
  {
    path: /^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/,
    methods: ['GET', 'PATCH', 'PUT', 'DELETE'],
    handle: continueUpload,
  },
  { path: /^\/v2\/(.+)\/blobs\/([^/]+)$/, methods: ['GET', 'HEAD', 'DELETE'], handle: serveBlob },
  { path: /^\/v2\/(.+)\/manifests\/([^/]+)$/, methods: ['GET', 'HEAD', 'PUT', 'DELETE'], handle: serveManifest },
  { path: /^\/v2\/(.+)\/tags\/list()$/, methods: ['GET'], handle: listTags },
  { path: /^\/v2\/(.+)\/referrers\/([^/]+)$/, methods: ['GET'], handle: listReferrers },
];

/**
 * An OCI distribution-spec v1.1 registry on the loopback address, in memory: the embedded default's source and target,
 * and the test bed of the copy engine.
 */
export class Registry {
  /** Mutable: a change counts from the next request on. */
  readonly quirks: Quirks;
  readonly storage = new Storage();
  readonly faults = new Faults();
  /** Every request to the registry, its token endpoint and its blob host, in order of arrival. */
  readonly requests: RequestRecord[] = [];
  readonly uploads: Uploads;
  /** `127.0.0.1:PORT`; set when the server listens. */
  host = '';
  /** The token service; unused unless the auth is `bearer`. */
  readonly tokens: Tokens;
  readonly #auth: AuthOptions;
  readonly #context: Context;
  readonly #servers: Loopback[] = [];

  constructor(options: RegistryOptions) {
    this.quirks = structuredClone(options.quirks ?? {});
    this.#auth = options.auth ?? { kind: 'none' };
    this.tokens = new Tokens(this.#auth.kind === 'bearer' ? this.#auth : { kind: 'bearer', users: {} });
    this.uploads = new Uploads(this.quirks);
    this.#context = {
      storage: this.storage,
      quirks: this.quirks,
      uploads: this.uploads,
      blobHost: new BlobHost(this.quirks, { requests: this.requests, faults: this.faults }),
      rateLimit: new RateLimit(this.quirks),
    };
    for (const name of options.repositories ?? []) this.storage.createRepository(name);
  }

  /** Listens; called once, by `startRegistry`. */
  async start(port: number): Promise<void> {
    const { requests, faults } = this;
    const main = await listen({ server: 'registry', port, requests, faults, handle: (e) => this.#handle(e) });
    this.#servers.push(main);
    this.host = main.host;
    this.tokens.realm = `${main.origin}/token`;
    if (this.#auth.kind === 'bearer' && this.#auth.separateHost) {
      const apart = await listen({ server: 'tokens', requests, faults, handle: (e) => this.tokens.handle(e) });
      this.#servers.push(apart);
      this.tokens.realm = `${apart.origin}/token`;
    }
  }

  /** Cuts every connection and frees the ports. */
  async close(): Promise<void> {
    await Promise.all([...this.#servers.map((server) => server.close()), this.#context.blobHost.close()]);
  }

  async #handle(exchange: Exchange): Promise<void> {
    if (this.quirks.latencyMs) await sleep(this.quirks.latencyMs);
    const path = decodedPath(exchange.url);
    if (path === '/token' && this.#auth.kind === 'bearer' && !this.#auth.separateHost) {
      return await this.tokens.handle(exchange);
    }
    exchange.answerHeaders['docker-distribution-api-version'] = 'registry/2.0';
    if (this.quirks.defaultType !== undefined) exchange.answerHeaders['content-type'] = this.quirks.defaultType;
    if (this.quirks.warning !== undefined) exchange.answerHeaders.warning = `299 - "${this.quirks.warning}"`;
    if (this.quirks.jfrogVersion !== undefined) exchange.answerHeaders['x-jfrog-version'] = this.quirks.jfrogVersion;
    if (/^\/v2\/?$/.test(path)) {
      authorize(this.#auth, this.tokens, exchange, []);
      return await exchange.replyJson(200, {});
    }
    if (path === '/v2/_catalog') {
      authorize(this.#auth, this.tokens, exchange, [catalogAccess]);
      return await listRepositories(this.#context, exchange);
    }
    await this.#route(exchange, path);
  }

  async #route(exchange: Exchange, path: string): Promise<void> {
    for (const route of routes) {
      const [, name, rest] = route.path.exec(path) ?? [];
      if (name === undefined || rest === undefined) continue;
      if (!isName(name)) throw new RegistryError(400, 'NAME_INVALID', 'invalid repository name');
      if (!route.methods.includes(exchange.method)) {
        const headers = { allow: route.methods.join(', ') };
        throw new RegistryError(405, 'UNSUPPORTED', 'the operation is unsupported', { headers });
      }
      if (this.quirks.silentRefusal !== undefined && exchange.header('authorization') === undefined)
        throw new RegistryError(this.quirks.silentRefusal, 'DENIED', 'access forbidden');
      const byPush = this.#auth.kind === 'bearer' && this.#auth.deletesByPush && exchange.method === 'DELETE';
      const needed = neededAccess(byPush ? 'PUT' : exchange.method, name, exchange.url.searchParams);
      authorize(this.#auth, this.tokens, exchange, needed);
      return await route.handle(this.#context, exchange, name, rest);
    }
    throw new RegistryError(404, 'UNSUPPORTED', '404 page not found', { plainText: true });
  }
}

/** Starts a registry. Must be closed. */
export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const registry = new Registry(options);
  await registry.start(options.port ?? 0);
  return registry;
}

/** Digests may arrive with `%3A`. */
function decodedPath(url: URL): string {
  try {
    return decodeURIComponent(url.pathname);
  } catch {
    throw new RegistryError(400, 'NAME_INVALID', 'the path is not valid UTF-8');
  }
}
