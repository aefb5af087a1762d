import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { Certificate } from '../http/certificate-authority.ts';

/** A line of the registry's log: a request that it answered. */
interface LoggedRequest {
  method: string;
  /** Path and query. */
  target: string;
  status: number;
}

export interface DockerRegistry {
  /** `127.0.0.1:PORT` */
  host: string;
  /** Every request, in the order of their answers. */
  requests: LoggedRequest[];
  /** The folder of images. */
  data: string;
  /** Runs the registry's own garbage collector, which deletes untagged manifests, and then what nothing refers to. */
  collectGarbage(): Promise<void>;
  close(): Promise<void>;
}

const run = promisify(execFile);

/** The Debian package's name too. */
export const command = 'docker-registry';

/** Credentials of the registry that requires a login. */
export const login = { username: 'ada', password: 'horse-battery' };
/** bcrypt of the password above, cost 5: Debian's `htpasswd` is no part of the registry's package. */
const htpasswd = `${login.username}:$2b$05$30Q6nqceN3SAOtBWDzwc6uiDq2c4sqRLKgNWFIksY9eTOEXATylAa\n`;

export interface DockerRegistryOptions {
  auth?: boolean;
  tls?: Certificate;
  /** A folder of images; stays when the registry is gone. Default: an empty one. */
  data?: string;
}

/** Starts a `docker-registry` (distribution 2) with its files in a temporary folder. Must be closed. */
export async function startDockerRegistry({
  auth = false,
  tls,
  data,
}: DockerRegistryOptions = {}): Promise<DockerRegistry> {
  const folder = await mkdtemp(join(tmpdir(), 'docker-registry-'));
  await writeFile(join(folder, 'htpasswd'), htpasswd);
  if (tls) await Promise.all([writeFile(join(folder, 'cert'), tls.cert), writeFile(join(folder, 'key'), tls.key)]);
  const images = data ?? join(folder, 'data');
  const config = {
    version: 0.1,
    log: { level: 'info', formatter: 'json', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: images }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0', ...(tls && { tls: { certificate: join(folder, 'cert'), key: join(folder, 'key') } }) },
    ...(auth && { auth: { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } } }),
  };
  // YAML takes JSON.
  await writeFile(join(folder, 'config.yml'), JSON.stringify(config));
  const server = spawn(command, ['serve', join(folder, 'config.yml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(server, 'exit');
  const requests: LoggedRequest[] = [];
  const listening = Promise.withResolvers<string>();
  createInterface(server.stderr).on('line', (line) => {
    const [, host] = /listening on (127\.0\.0\.1:\d+)/.exec(line) ?? [];
    if (host !== undefined) listening.resolve(host);
    const request = requestOf(line);
    if (request) requests.push(request);
  });
  const failed = ended.then(([code]) => Promise.reject(new Error(`${command} ended with ${String(code)}`)));
  const host = await Promise.race([listening.promise, failed]);
  failed.catch(() => undefined);
  return {
    host,
    data: images,
    requests,
    async collectGarbage() {
      await run(command, ['garbage-collect', '--delete-untagged', join(folder, 'config.yml')]);
    },
    async close() {
      server.kill();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

function requestOf(line: string): LoggedRequest | undefined {
  if (!line.includes('"response completed')) return undefined;
  const entry = JSON.parse(line) as Record<string, unknown>;
  return {
    method: String(entry['http.request.method']),
    target: String(entry['http.request.uri']),
    status: Number(entry['http.response.status']),
  };
}
