import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { allPermissions, authenticate, type KeyGrant } from './authentication.ts';
import type { Defaults } from './defaults.ts';
import { contentTypes } from './objects/routes.ts';
import { officialDefaults, type ProfileName, quirksOf } from './profiles.ts';
import { isAbsent, takeFailure, type Quirks } from './quirks.ts';
import { ApiError, frameworkError, invalid, type Answer } from './responses.ts';
import { pathNotFound, route } from './routes.ts';
import {
  emptyAccount,
  type AccountState,
  type ImageConnector,
  type Images,
  type Infra,
  type ModuleName,
} from './state.ts';

export interface HarnessApiOptions {
  /** Accounts that differ from a fresh one, by id. Every account of a key exists anyway. */
  accounts?: Record<string, Partial<AccountState>>;
  /** The version of Harness. Default: `saas-2026`. */
  profile?: ProfileName;
  /** The registry of every account's connector for Harness's images. Default: Docker Hub. */
  connector?: ImageConnector;
  /** Replaces whole default tables of the profile. */
  defaults?: Partial<Defaults>;
  /** Default: one key of the account `embedded` that may do everything. */
  keys?: KeyGrant[];
  quirks?: Partial<Quirks>;
}

/** A request as it arrived. Headers are left out, because the key is among them. */
interface LoggedRequest {
  method: string;
  path: string;
  query: Record<string, string>;
  /** Parsed when it is JSON; `undefined` when empty. */
  body: unknown;
}

export interface EmbeddedHarnessApi extends AsyncDisposable {
  /** Origin without `/gateway`. */
  url: string;
  /** The first key and its account. */
  apiKey: string;
  accountId: string;
  /** The stored documents, by account. A write replaces the module's document, so read it again after one. */
  state: Record<string, AccountState>;
  /** Every request, the failed ones too, in order of arrival. */
  requests: LoggedRequest[];
  quirks: Quirks;
  /** The official images, by module and infrastructure; may be changed at any time. */
  defaults: Defaults;
  /** Publishes a new official image, or with `undefined` takes the field away. */
  setDefault(module: ModuleName, infra: Infra, field: string, value: string | undefined): void;
  /** Stops listening and cuts every connection, the hanging ones too. */
  close(): Promise<void>;
}

const bodyLimit = 1024 * 1024;

/** Starts a Harness API on a free loopback port. It keeps everything in memory and lives until `close`. */
export async function startHarnessApi(options: HarnessApiOptions = {}): Promise<EmbeddedHarnessApi> {
  const keys = options.keys ?? [embeddedKey];
  const [firstKey] = keys;
  if (!firstKey) throw new TypeError('keys must not be empty');
  const state: Record<string, AccountState> = {};
  for (const id of [...keys.map((k) => k.accountId), ...Object.keys(options.accounts ?? {})]) {
    state[id] = { ...emptyAccount(options.connector), ...structuredClone(options.accounts?.[id] ?? {}) };
  }
  const defaults = officialDefaults(options.profile);
  const { dbops, ...tables } = structuredClone(options.defaults ?? {});
  for (const module of ['ci', 'iacm', 'idp'] as const) Object.assign(defaults[module], tables[module]);
  if (dbops) defaults.dbops = dbops;
  const quirks: Quirks = { ...quirksOf(options.profile), ...options.quirks };
  const requests: LoggedRequest[] = [];

  const answer = async (message: IncomingMessage): Promise<Answer | 'hang'> => {
    const method = message.method ?? '';
    const url = URL.parse(message.url ?? '', 'http://harness');
    if (!url) throw frameworkError(400, 'HTTP 400 Bad Request');
    const { pathname: path, searchParams: query } = url;
    const body = await readText(message);
    requests.push({ method, path, query: Object.fromEntries(query), body: parsed(body) });
    const failure = takeFailure(quirks, method, path);
    if (failure)
      return { status: failure.status, body: failure.body, ...(failure.headers && { headers: failure.headers }) };
    // The limiter stands before the gateway and says nothing of Harness.
    if (quirks.throttle > 0) {
      quirks.throttle--;
      const { throttleRetryAfter: wait } = quirks;
      const headers = { 'content-type': 'text/plain', ...(wait !== undefined && { 'retry-after': wait }) };
      return { status: 429, body: 'Too Many Requests', headers };
    }
    if (quirks.hang > 0) {
      quirks.hang--;
      return 'hang';
    }
    if (isAbsent(quirks, path)) throw pathNotFound();
    const handle = route(method, path);
    if ((method === 'POST' || method === 'PUT') && !contentTypes(path).test(message.headers['content-type'] ?? '')) {
      throw frameworkError(415, 'HTTP 415 Unsupported Media Type');
    }
    const grant = authenticate(message.headers, query, keys);
    const account = state[grant.accountId];
    if (!account) throw invalid(`Account ${grant.accountId} does not exist`);
    const result = await handle({ grant, query, headers: message.headers, body, account, defaults, quirks });
    if (method === 'GET' || quirks.loseResponses === 0) return result;
    quirks.loseResponses--;
    return { status: 502, body: 'Bad Gateway' };
  };

  const server = createServer((message, response) => {
    answer(message)
      .catch((thrown: unknown) => (thrown instanceof ApiError ? thrown.answer : bug(thrown)))
      .then(
        (result) => result !== 'hang' && send(response, result),
        (thrown: unknown) => response.destroy(thrown as Error),
      );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('no port');

  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return {
    url: `http://127.0.0.1:${address.port}`,
    apiKey: firstKey.key,
    accountId: firstKey.accountId,
    state,
    requests,
    quirks,
    defaults,
    setDefault(module, infra, field, value) {
      const table: Images = (defaults[module][infra] ??= {});
      if (value === undefined) delete table[field];
      else table[field] = value;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Opens nothing but this process's own fake. */
const embeddedKey: KeyGrant = {
  key: 'sat.embedded.factory.not-a-secret',
  accountId: 'embedded',
  permissions: [...allPermissions],
};

async function readText(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bodyLimit) throw frameworkError(413, 'HTTP 413 Request Entity Too Large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(body: string): unknown {
  if (body === '') return undefined;
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

function send(response: ServerResponse, { status, body, headers }: Answer): void {
  const isText = typeof body === 'string' || body === undefined;
  response.writeHead(status, { 'content-type': isText ? 'text/plain' : 'application/json', ...headers });
  response.end(isText ? body : JSON.stringify(body));
}

/** A bug of the fake must not look like a quirk of Harness. */
function bug(thrown: unknown): Answer {
  return {
    status: 500,
    body: `bug in the embedded Harness API: ${thrown instanceof Error ? thrown.stack : String(thrown)}`,
  };
}
