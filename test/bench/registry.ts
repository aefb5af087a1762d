import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, fetch } from 'undici';
import { acceptedManifests } from '../../functions/oci/spec/media-type.ts';
import type { Tls } from './tls.ts';

/** A request of a measured client, from the registry's log. */
export interface CountedRequest {
  method: string;
  /** Path and query. */
  target: string;
  status: number;
  /** Size of the response's body. */
  bytes: number;
}

export interface RegistryProcess extends AsyncDisposable {
  /** `ADDRESS:PORT` */
  host: string;
  /** The clients' requests without the bench's own, in the order of the responses. */
  requests: CountedRequest[];
  /** Protocols of the clients' requests, such as `HTTP/2.0`. */
  protocols: Set<string>;
  /** Resolves when `requests` and `protocols` have every request with a response so far. */
  settle(): Promise<void>;
  /** Digest of a manifest, or `undefined` when there is none. */
  digestOf(repository: string, tagOrDigest: string): Promise<string | undefined>;
}

export const program = 'docker-registry';

/** Marks the bench's own requests, which are not counted. */
const userAgent = 'bench';
const patienceMs = 10_000;

/**
 * Starts a `docker-registry` on the folder `data`, which is created if it is missing, and kept. Speaks plain HTTP
 * without `tls`.
 */
export async function startRegistry(data: string, tls?: Tls): Promise<RegistryProcess> {
  const configuration = `${data}.yml`;
  await writeFile(configuration, JSON.stringify(configurationOf(data, tls)));
  const server = spawn(program, ['serve', configuration], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(server, 'close');
  const listening = Promise.withResolvers<string>();
  const requests: CountedRequest[] = [];
  const protocols = new Set<string>();
  // The bench's own requests in each of the two logs.
  let own = 0;
  let ownAccess = 0;
  createInterface(server.stdout).on('line', (line) => {
    const [, protocol, client] = / (HTTP\/[\d.]+)" \d+ \d+ "[^"]*" "([^"]*)"$/.exec(line) ?? [];
    if (client === userAgent) ownAccess++;
    else if (protocol !== undefined) protocols.add(protocol);
  });
  createInterface(server.stderr).on('line', (line) => {
    const [, address] = /listening on (127\.[\d.]+:\d+)/.exec(line) ?? [];
    if (address !== undefined) listening.resolve(address);
    if (!line.includes('"response completed')) return;
    const entry = JSON.parse(line) as Record<string, unknown>;
    if (entry['http.request.useragent'] === userAgent) own++;
    else requests.push(requestOf(entry));
  });
  const failed = ended.then(
    ([code]) => Promise.reject(new Error(`${program} ended with ${String(code)}`)),
    (error: unknown) => Promise.reject(error as Error),
  );
  const host = await Promise.race([listening.promise, failed]);
  failed.catch(() => undefined);
  const ca = tls && (await readFile(tls.ca));
  const dispatcher = new Agent({ connect: { ...(ca && { ca }) } });
  const origin = tls ? `https://${tls.name}:${portOf(host)}` : `http://${host}`;
  let asked = 0;
  const ask = (path: string, method: string) => {
    asked++;
    return fetch(`${origin}/v2/${path}`, {
      method,
      dispatcher,
      headers: { 'user-agent': userAgent, accept: acceptedManifests },
      signal: AbortSignal.timeout(patienceMs),
    });
  };
  return {
    host,
    requests,
    protocols,
    async settle() {
      await (await ask('', 'GET')).body?.cancel();
      // Earlier requests are in the log when the last one is.
      for (const end = Date.now() + patienceMs; Math.min(own, ownAccess) < asked; await sleep(1)) {
        if (Date.now() > end) throw new Error(`${program} does not log its responses`);
      }
    },
    async digestOf(repository, tagOrDigest) {
      const { status, headers } = await ask(`${repository}/manifests/${tagOrDigest}`, 'HEAD');
      return status === 200 ? (headers.get('docker-content-digest') ?? undefined) : undefined;
    },
    async [Symbol.asyncDispose]() {
      await dispatcher.destroy();
      server.kill('SIGKILL');
      await ended;
    },
  };
}

export function portOf(host: string): string {
  return host.slice(host.lastIndexOf(':') + 1);
}

/** The settings of Debian's package without its login, as JSON, which is YAML. */
function configurationOf(data: string, tls?: Tls): object {
  return {
    version: 0.1,
    log: { level: 'info', formatter: 'json', accesslog: { disabled: false } },
    storage: {
      cache: { blobdescriptor: 'inmemory' },
      filesystem: { rootdirectory: data },
      delete: { enabled: true },
    },
    http: {
      addr: `${tls?.address ?? '127.0.0.1'}:0`,
      ...(tls && { tls: { certificate: tls.certificate, key: tls.key } }),
    },
  };
}

function requestOf(entry: Record<string, unknown>): CountedRequest {
  return {
    method: String(entry['http.request.method']),
    target: String(entry['http.request.uri']),
    status: Number(entry['http.response.status']),
    bytes: Number(entry['http.response.written']),
  };
}
