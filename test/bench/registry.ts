import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { acceptedManifests } from '../../functions/oci/spec/media-type.ts';

/** A request that a client made, by the registry's own log. */
export interface CountedRequest {
  method: string;
  /** With its query. */
  target: string;
  status: number;
  /** Of the answer's body. */
  bytes: number;
}

export interface RegistryProcess extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  host: string;
  /** Every request but the bench's own, in the order of their answers. */
  requests: CountedRequest[];
  /** Resolves when every request answered so far is in `requests`. */
  settle(): Promise<void>;
  /** Digest of a manifest, or `undefined` when there is none. */
  digestOf(repository: string, tagOrDigest: string): Promise<string | undefined>;
}

export const program = 'docker-registry';

/** By this name the bench's own requests are told from those that are measured. */
const userAgent = 'bench';
const patienceMs = 10_000;

/** Starts a `docker-registry` on `data`, which is made when it is missing and stays when the registry is gone. */
export async function startRegistry(data: string): Promise<RegistryProcess> {
  const configuration = `${data}.yml`;
  await writeFile(configuration, JSON.stringify(configurationOf(data)));
  const server = spawn(program, ['serve', configuration], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(server, 'close');
  const listening = Promise.withResolvers<string>();
  const requests: CountedRequest[] = [];
  let own = 0;
  createInterface(server.stderr).on('line', (line) => {
    const [, address] = /listening on (127\.0\.0\.1:\d+)/.exec(line) ?? [];
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
  let asked = 0;
  const ask = (path: string, method: string) => {
    asked++;
    return fetch(`http://${host}/v2/${path}`, {
      method,
      headers: { 'user-agent': userAgent, accept: acceptedManifests },
      signal: AbortSignal.timeout(patienceMs),
    });
  };
  return {
    host,
    requests,
    async settle() {
      await (await ask('', 'GET')).body?.cancel();
      // Whoever asked before has been logged when the last question has.
      for (const end = Date.now() + patienceMs; own < asked; await sleep(1)) {
        if (Date.now() > end) throw new Error(`${program} does not log what it answers`);
      }
    },
    async digestOf(repository, tagOrDigest) {
      const { status, headers } = await ask(`${repository}/manifests/${tagOrDigest}`, 'HEAD');
      return status === 200 ? (headers.get('docker-content-digest') ?? undefined) : undefined;
    },
    async [Symbol.asyncDispose]() {
      server.kill('SIGKILL');
      await ended;
    },
  };
}

/** The settings of Debian's package, without its login; YAML takes JSON. */
function configurationOf(data: string): object {
  return {
    version: 0.1,
    log: { level: 'info', formatter: 'json', accesslog: { disabled: true } },
    storage: {
      cache: { blobdescriptor: 'inmemory' },
      filesystem: { rootdirectory: data },
      delete: { enabled: true },
    },
    http: { addr: '127.0.0.1:0' },
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
