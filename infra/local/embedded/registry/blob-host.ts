import { randomUUID } from 'node:crypto';
import type { Exchange } from './exchange.ts';
import { listen, type Loopback, type LoopbackOptions } from './loopback.ts';
import { replyBlob } from './byte-range.ts';
import type { Quirks } from './quirks.ts';
import type { Blob } from './storage.ts';

/**
 * The object store that blob GETs are redirected to: another origin with signed URLs, which like S3 refuses a request
 * that carries a signature and an `Authorization` header both.
 */
export class BlobHost {
  readonly #quirks: Quirks;
  readonly #options: Omit<LoopbackOptions, 'server' | 'handle'>;
  readonly #signed = new Map<string, { blob: Blob; expires: number; uses: number }>();
  #server: Promise<Loopback> | undefined;

  constructor(quirks: Quirks, options: Omit<LoopbackOptions, 'server' | 'handle'>) {
    this.#quirks = quirks;
    this.#options = options;
  }

  /** A new signed URL for the blob; starts the server with the first. */
  async sign(blob: Blob): Promise<string> {
    this.#server ??= listen({ ...this.#options, server: 'blobs', handle: (exchange) => this.#handle(exchange) });
    const { origin } = await this.#server;
    const { expiresSeconds = 1200, uses = Infinity } = this.#quirks.redirectBlobs ?? {};
    const signature = randomUUID();
    this.#signed.set(signature, { blob, expires: Date.now() + expiresSeconds * 1000, uses });
    return `${origin}/blobs/${blob.digest}?X-Expires=${expiresSeconds}&X-Signature=${signature}`;
  }

  async close(): Promise<void> {
    await (await this.#server)?.close();
  }

  async #handle(exchange: Exchange): Promise<void> {
    if (exchange.header('authorization') !== undefined) {
      return await refuse(exchange, 400, 'InvalidArgument', 'Only one auth mechanism allowed');
    }
    const signed = this.#signed.get(exchange.url.searchParams.get('X-Signature') ?? '');
    if (!signed || !exchange.url.pathname.endsWith(signed.blob.digest)) {
      return await refuse(exchange, 403, 'SignatureDoesNotMatch', 'The signature does not match');
    }
    if (Date.now() >= signed.expires || signed.uses-- <= 0) {
      return await refuse(exchange, 403, 'AccessDenied', 'Request has expired');
    }
    await replyBlob(exchange, signed.blob, { ranges: !this.#quirks.noRange });
  }
}

async function refuse(exchange: Exchange, status: number, code: string, message: string): Promise<void> {
  const body = Buffer.from(`<Error><Code>${code}</Code><Message>${message}</Message></Error>`);
  await exchange.reply(status, { 'content-type': 'application/xml' }, [body]);
}
