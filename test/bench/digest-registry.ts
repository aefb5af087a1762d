import { createHash, type Hash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer as createPlainServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { CountedRequest, RegistryProcess } from './registry.ts';
import type { Tls } from './tls.ts';

interface Manifest {
  digest: string;
  mediaType: string;
  bytes: Buffer;
}

interface Upload {
  hash: Hash;
  size: number;
}

/**
 * Starts a registry that keeps the digest and the size of a blob, and drops its bytes. So it takes layers that are
 * larger than the disk. It accepts uploads in one request and in chunks, and mounts nothing.
 */
export async function startDigestRegistry(tls?: Tls): Promise<RegistryProcess> {
  const requests: CountedRequest[] = [];
  const protocols = new Set<string>();
  const registry = new DigestRegistry();
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    protocols.add(`HTTP/${request.httpVersion}`);
    registry.answer(request, response).then(
      () =>
        requests.push({
          method: request.method ?? '',
          target: request.url ?? '',
          status: response.statusCode,
          bytes: Number(response.getHeader('content-length') ?? 0),
        }),
      (error: unknown) => response.destroy(error as Error),
    );
  };
  const server = tls
    ? createServer({ cert: await readFile(tls.certificate), key: await readFile(tls.key) }, serve)
    : createPlainServer(serve);
  // An upload of 10 GiB takes as long as it takes.
  server.requestTimeout = 0;
  const address = tls?.address ?? '127.0.0.1';
  server.listen(0, address);
  await once(server, 'listening');
  return {
    host: `${address}:${(server.address() as AddressInfo).port}`,
    requests,
    protocols,
    settle: () => Promise.resolve(),
    digestOf: (repository, reference) => Promise.resolve(registry.manifest(repository, reference)?.digest),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

class DigestRegistry {
  /** Manifests by `REPOSITORY REFERENCE`. */
  readonly #manifests = new Map<string, Manifest>();
  /** Sizes by `REPOSITORY DIGEST`. */
  readonly #blobs = new Map<string, number>();
  readonly #uploads = new Map<string, Upload>();

  manifest(repository: string, reference: string): Manifest | undefined {
    return this.#manifests.get(`${repository} ${reference}`);
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://registry');
    const [, repository = '', kind, rest = ''] =
      /^\/v2\/(.+?)\/(manifests|blobs\/uploads|blobs)\/(.*)$/.exec(pathname) ?? [];
    const name = decodeURIComponent(rest);
    if (kind === 'manifests') return this.#answerManifest(request, response, repository, name);
    if (kind === 'blobs') return this.#answerBlob(request, response, this.#blobs.get(`${repository} ${name}`));
    if (kind !== undefined) return this.#answerUpload(request, response, repository, name, searchParams.get('digest'));
    request.resume();
    reply(response, pathname === '/v2/' ? 200 : 404);
  }

  async #answerManifest(request: IncomingMessage, response: ServerResponse, repository: string, reference: string) {
    if (request.method === 'PUT') {
      const bytes = Buffer.concat((await request.toArray()) as Buffer[]);
      const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      const manifest = { digest, mediaType: request.headers['content-type'] ?? '', bytes };
      for (const each of [reference, digest]) this.#manifests.set(`${repository} ${each}`, manifest);
      return reply(response, 201, {
        location: `/v2/${repository}/manifests/${digest}`,
        'docker-content-digest': digest,
      });
    }
    request.resume();
    const found = this.manifest(repository, reference);
    if (!found) return reply(response, 404);
    const headers = { 'docker-content-digest': found.digest, 'content-type': found.mediaType };
    reply(
      response,
      200,
      { ...headers, 'content-length': String(found.bytes.length) },
      request.method === 'GET' ? found.bytes : undefined,
    );
  }

  #answerBlob(request: IncomingMessage, response: ServerResponse, size: number | undefined): void {
    request.resume();
    if (size === undefined) return reply(response, 404);
    if (request.method !== 'HEAD') return reply(response, 405);
    reply(response, 200, { 'content-length': String(size) });
  }

  async #answerUpload(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    id: string,
    digest: string | null,
  ) {
    if (request.method === 'POST') {
      request.resume();
      const opened = randomUUID();
      this.#uploads.set(opened, { hash: createHash('sha256'), size: 0 });
      return reply(response, 202, { location: `/v2/${repository}/blobs/uploads/${opened}`, range: '0-0' });
    }
    const upload = this.#uploads.get(id);
    if (!upload) {
      request.resume();
      return reply(response, 404);
    }
    for await (const chunk of request as AsyncIterable<Buffer>) {
      upload.hash.update(chunk);
      upload.size += chunk.length;
    }
    const progress = { location: `/v2/${repository}/blobs/uploads/${id}`, range: `0-${Math.max(0, upload.size - 1)}` };
    if (request.method === 'PATCH') return reply(response, 202, progress);
    if (request.method === 'GET') return reply(response, 204, progress);
    this.#uploads.delete(id);
    if (request.method !== 'PUT') return reply(response, 204);
    const arrived = `sha256:${upload.hash.digest('hex')}`;
    if (arrived !== digest) return reply(response, 400);
    this.#blobs.set(`${repository} ${arrived}`, upload.size);
    reply(response, 201, { location: `/v2/${repository}/blobs/${arrived}`, 'docker-content-digest': arrived });
  }
}

function reply(response: ServerResponse, status: number, headers: Record<string, string> = {}, body?: Buffer): void {
  response.writeHead(status, { 'content-length': String(body?.length ?? 0), ...headers }).end(body);
}
