import { createHash } from 'node:crypto';
import { request } from 'undici';

export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

export interface Sending {
  headers?: Record<string, string>;
  body?: Buffer | string | AsyncIterable<Buffer>;
}

/** A client without any wit, which shows each answer as it is. */
export class Client {
  readonly #origin: string;
  readonly #headers: Record<string, string>;

  constructor(host: string, headers: Record<string, string> = {}) {
    this.#origin = `http://${host}`;
    this.#headers = headers;
  }

  /** `target` is a path or, as `Location` may be, a whole URL. */
  async send(method: string, target: string, sending: Sending = {}): Promise<Reply> {
    const { statusCode, headers, body } = await request(new URL(target, this.#origin), {
      method: method as 'GET',
      headers: { ...this.#headers, ...sending.headers },
      // undici takes any async iterable; its types know streams only.
      body: (sending.body ?? null) as Buffer | string | null,
    });
    return {
      status: statusCode,
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
      body: Buffer.from(await body.arrayBuffer()),
    };
  }

  /** Begins an upload; returns its `Location`. */
  async begin(name: string): Promise<string> {
    return (await this.send('POST', `/v2/${name}/blobs/uploads/`)).headers.location ?? '';
  }

  /** POST and PUT; returns the PUT's answer. */
  async pushBlob(name: string, content: Buffer, digest = sha256(content)): Promise<Reply> {
    return await this.send('PUT', withDigest(await this.begin(name), digest), { body: content });
  }

  async putManifest(name: string, reference: string, manifest: object, type?: string): Promise<Reply> {
    const headers = { 'content-type': type ?? (manifest as { mediaType: string }).mediaType };
    return await this.send('PUT', `/v2/${name}/manifests/${reference}`, { headers, body: JSON.stringify(manifest) });
  }
}

export function codeOf(reply: Reply): string {
  const { errors } = json(reply) as { errors: { code: string }[] };
  return errors[0]?.code ?? '';
}

export function json(reply: Reply): unknown {
  return JSON.parse(reply.body.toString());
}

export function withDigest(location: string, digest: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`;
}

export function sha256(content: Buffer | string): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

export function sha512(content: Buffer | string): string {
  return `sha512:${createHash('sha512').update(content).digest('hex')}`;
}

export const manifestType = 'application/vnd.oci.image.manifest.v1+json';
export const indexType = 'application/vnd.oci.image.index.v1+json';

/** An OCI manifest that points at the given blobs, the first being the config. */
export function manifestOf(config: Buffer, layers: Buffer[], more: object = {}): { mediaType: string } {
  const descriptor = (mediaType: string, blob: Buffer): object => ({
    mediaType,
    digest: sha256(blob),
    size: blob.length,
  });
  return {
    schemaVersion: 2,
    mediaType: manifestType,
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: layers.map((layer) => descriptor('application/vnd.oci.image.layer.v1.tar', layer)),
    ...more,
  } as { mediaType: string };
}
